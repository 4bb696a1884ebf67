"""Which values look like secrets, and values without them: one answer for all that shows values."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ciliumctl.values.paths import Path

#: What stands in place of a secret.
HIDDEN = "<-- value not shown"

# Names whose value is a secret, without what divides their words; `key` alone is one beside a certificate.
_NAME = re.compile(
    r".*(?:password|passwd|passphrase|clientsecret|secretkey|accesskey|privatekey|apikey|token)", re.IGNORECASE
)
# A variable's `secret` is one; that of a value is the name of an object.
_VARIABLE = re.compile(rf"{_NAME.pattern}|.*secret", re.IGNORECASE)
_NO_WORDS = re.compile(r"[_.-]|\[\d+\]$")
_CERTIFICATE = frozenset({"cert", "crt", "ca.crt", "tls.crt"})
_AUTHORITY = frozenset({"tls", "ca"})
_PRIVATE = "PRIVATE KEY-----"
# Base64 of `-----BEGIN`, as charts want certificates and keys.
_ENCODED = "LS0tLS1CRUdJTi"
_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def is_secret_path(path: Path) -> bool:
    """Whether the value at a path of Helm values is a secret by its name."""
    if not path:
        return False
    if path[-1] == "key":
        return not _AUTHORITY.isdisjoint(path[:-1])
    return _NAME.fullmatch(_NO_WORDS.sub("", path[-1])) is not None


def found(values: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all secrets in values; the place in a list stands in brackets."""
    yield from (where for where, _value in _secrets(values, path, named=is_secret_path(path)))


def hidden(values: Any, path: Path = (), hide: Callable[[Any], Any] = lambda _value: HIDDEN) -> Any:
    """Values with what `hide` makes of each secret in its place. Nothing stays nothing; `path` is where they stand."""
    return _hidden(values, path, hide, named=is_secret_path(path))


def _hidden(value: Any, path: Path, hide: Callable[[Any], Any], *, named: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _hidden(below, (*path, str(key)), hide, named=named or _named(path, str(key), value))
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [_hidden(below, place, hide, named=named) for place, below in _places(path, value)]
    return hide(value) if _is_secret(value, named=named) else value


def _secrets(value: Any, path: Path, *, named: bool) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _secrets(below, (*path, str(key)), named=named or _named(path, str(key), value))
    elif isinstance(value, list):
        for place, below in _places(path, value):
            yield from _secrets(below, place, named=named)
    elif _is_secret(value, named=named):
        yield path, value


def _places(path: Path, items: list[Any]) -> Iterator[tuple[Path, Any]]:
    above, last = path[:-1], path[-1] if path else ""
    yield from (((*above, f"{last}[{number}]"), item) for number, item in enumerate(items))


def _named(path: Path, key: str, beside: Mapping[str, Any]) -> bool:
    """Whether a key of a map has a secret by its name, or by what stands beside it."""
    if key == "value" and isinstance(beside.get("name"), str):
        return _VARIABLE.fullmatch(_NO_WORDS.sub("", beside["name"])) is not None
    if key == "key" and not _CERTIFICATE.isdisjoint(beside):
        return True
    return is_secret_path((*path, key))


def _is_secret(value: Any, *, named: bool) -> bool:
    if value is None or value == "" or isinstance(value, bool | Mapping | list):
        return False
    return named or (isinstance(value, str) and (_PRIVATE in _decoded(value) or _IN_URL.search(value) is not None))


def _decoded(value: str) -> str:
    if not value.startswith(_ENCODED):
        return value
    try:
        return base64.b64decode(value, validate=False).decode("ascii", "replace")
    except ValueError:
        return value
