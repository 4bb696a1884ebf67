"""Take secrets out of what is going into a file that people send to each other. Pure: text in, text out.

Better once too often: a word that looks like a secret goes, and the name before it stays, so that a reader sees what
was there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

REDACTED = "REDACTED"
#: Kinds whose content is never read, let alone written.
NEVER = frozenset({"Secret"})
#: Metadata that says everything a second time, or nothing to people.
_NOISE = ("kubectl.kubernetes.io/last-applied-configuration",)

# The last word of a name whose value is a secret; `token-file` or `secretName` only says where one is.
_NAME = (
    r"(?:pass(?:word|wd|phrase)|token|secret|credentials?|authorization|cookie|psk"
    r"|(?:api|access|private|secret|signing|encryption|auth|account|shared)[-_.]?key"
    r"|(?:key|certificate|certificate-authority)-data|client[-_]?secret|ca[-_]?bundle)"
)
_SECRET_NAME = re.compile(rf"{_NAME}$", re.IGNORECASE)
# Values that say nothing secret.
_HARMLESS = re.compile(r"(?:true|false|null|none|~|-?\d{1,6}|<nil>|\{\}|\[\]|REDACTED)", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(?:(?!-----BEGIN ).)*?-----END \1-----", re.DOTALL)
# One whose end is missing: cut off by a limit, or one line of a log each.
_PEM_CUT = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(?!REDACTED)(?:[A-Za-z0-9+/=]|\\n|\s)*")
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (_PEM, rf"-----BEGIN \1-----{REDACTED}"),
    (_PEM_CUT, rf"-----BEGIN \1-----{REDACTED}"),
    # The same in base64, as kubeconfigs and webhooks have it: it always begins so.
    (re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]*(?:\s+[A-Za-z0-9+/=]{60,})*"), REDACTED),
    # JSON Web Tokens: service accounts', OpenID's.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), REDACTED),
    (
        re.compile(r"\b(Bearer[ \t]+)(?!REDACTED)(?=\S{16}|\S*\d)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(authorization\W{1,4}Basic[ \t]+)(?!REDACTED)[A-Za-z0-9+/=]+", re.IGNORECASE), rf"\1{REDACTED}"),
    # User and password, or a token, before a host.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)(?!REDACTED@)[^\s/@\"'<>]{1,400}@", re.IGNORECASE), rf"\1{REDACTED}@"),
    # Tokens with a form of their own: AWS, GitHub, Slack.
    (re.compile(r"\b(?:A(?:KI|SI)A[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,})"), REDACTED),
    # Keys of IPsec, as `ip xfrm` and the kernel write them.
    (
        re.compile(r"\b((?:rfc\d{1,5}|hmac|cbc)\([^\s]{0,60}\)[ \t]+)(?:0x)?[0-9a-f]{16,}", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)
# What stands before the name's last word does not matter: to look for it would take quadratic time in long words.
# NAME=VALUE, NAME: VALUE, "NAME": "VALUE", --NAME VALUE; the value ends with its quote, or with a word.
_PAIR = re.compile(
    rf"""(?P<name>{_NAME}\\?["']?[ \t]{{0,8}}[:=][ \t]*|(?<![\w-])--(?=\w)[\w.-]{{0,60}}{_NAME}[ \t]+)"""
    r"""(?P<value>\\"(?:[^"\\\n])*\\"?|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s"',;&}\])]+)""",
    re.IGNORECASE,
)


def text(said: str) -> str:
    """Text without tokens, keys, certificates and passwords. The same text again is changed no more."""
    for pattern, instead in _RULES:
        said = pattern.sub(instead, said)
    return _PAIR.sub(_without_value, said)


def _without_value(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    bare = value.strip("\\\"'")
    if not bare or _HARMLESS.fullmatch(bare) or bare.startswith(REDACTED) or bare.lower() in {"bearer", "basic"}:
        return found[0]
    quote = re.match(r"\\?[\"']?", value)
    mark = quote[0] if quote else ""
    closing = mark if mark and value.endswith(mark) and len(value) > len(mark) else ""
    return f"{name}{mark}{REDACTED}{closing}"


def is_secret(name: str) -> bool:
    """Whether a name's value is a secret, as far as a name can say."""
    return _SECRET_NAME.search(name) is not None


def manifest(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """An object of Kubernetes without secrets and without what it says twice; `None` for one that is nothing else."""
    if found.get("kind") in NEVER:
        return None
    shown = {key: value for key, value in found.items() if key != "metadata"}
    metadata = dict(found.get("metadata") or {})
    metadata.pop("managedFields", None)
    if metadata.get("annotations"):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k not in _NOISE}
    cleaned: dict[str, Any] = _value({"metadata": metadata, **shown}, "")
    return cleaned


def _value(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, str):
        return REDACTED if is_secret(name) and not _HARMLESS.fullmatch(value) and value else text(value)
    if isinstance(value, Sequence):
        return _list(value, name)
    return value


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    named = value.get("name")
    # An entry of `env`, or of HTTP headers: the name stands beside the value.
    secret = isinstance(named, str) and is_secret(named) and "value" in value
    return {
        key: REDACTED if secret and key == "value" and item not in {None, ""} else _value(item, str(key))
        for key, item in value.items()
    }


def _list(value: Sequence[Any], name: str) -> list[Any]:
    """A list; in a command line, the word after `--token` is one."""
    cleaned: list[Any] = []
    before: Any = ""
    for item in value:
        flag = isinstance(before, str) and before.startswith("-") and "=" not in before and is_secret(before)
        cleaned.append(REDACTED if flag and isinstance(item, str) and not item.startswith("-") else _value(item, name))
        before = item
    return cleaned
