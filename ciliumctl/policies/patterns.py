"""Policies for a purpose: one YAML file each in `templates/policies/`, with places to fill in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any, ClassVar

from ciliumctl import templates, yaml_files
from ciliumctl.clients.kube import Manifest, namespace_of
from ciliumctl.errors import UsageError
from ciliumctl.policies import reading

_PLACE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DNS_NAME = re.compile(r"[-a-zA-Z0-9_*.]+")
_LABEL = re.compile(r"([^=,\s]+)=([^=,\s]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Something to fill in: `labels`, `names`, a `list` of ranges, a `port` or `text`. No default: it must be given."""

    name: str
    about: str
    type: str = "text"
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A policy for a purpose. `needs` is what it does not work without; `text` is its YAML, with `${…}` to fill in."""

    name: str
    description: str
    settings: tuple[Setting, ...] = ()
    needs: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """All of them."""

    kind: ClassVar[str] = "PolicyTemplateList"

    templates: tuple[Pattern, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return [one.name for one in self.templates]


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A policy that was made. `isolates` says whom, in words, once it was applied to a cluster."""

    kind: ClassVar[str] = "NewPolicy"

    template: str
    policy: Manifest
    text: str
    needs: str = ""
    applied: bool = False

    @property
    def ok(self) -> bool:
        """Always: what cannot be made is an error."""
        return True


def listed() -> Patterns:
    """All of them, by name."""
    return Patterns(templates=tuple(load(name) for name in templates.names("policies")))


def load(name: str) -> Pattern:
    """One of them. Raises `UsageError` for an unknown name, with the nearest known one."""
    known = templates.names("policies")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "`ciliumctl policy new --list` lists them"
        raise UsageError(f"there is no policy template `{name}`", hint=hint)
    content = templates.load(f"policies/{name}.yaml")
    settings: Mapping[str, Mapping[str, str]] = content.get("settings") or {}
    return Pattern(
        name=name,
        description=content["description"],
        settings=tuple(Setting(name=key, **more) for key, more in settings.items()),
        needs=content.get("needs", ""),
        text=content["text"],
    )


def make(name: str, given: Sequence[str], *, namespace: str = "", called: str = "") -> New:
    """The policy of a template, filled in with `KEY=VALUE`s.

    `namespace` is written into it, unless it is clusterwide; `called` is its name instead of the template's.

    Raises:
        UsageError: no such template or setting, one that is missing, or a value that is none.
    """
    pattern = load(name)
    values = _given(pattern, given)
    missing = [one for one in pattern.settings if one.name not in values and one.default is None]
    if missing:
        wanted = " ".join(f"--set {one.name}=…" for one in missing)
        about = "; ".join(f"{one.name}: {one.about.lower()}" for one in missing)
        raise UsageError(f"template `{name}` needs {about}", hint=f"add {wanted}")
    written = {one.name: _value(one, values.get(one.name, one.default or "")) for one in pattern.settings}
    text = _PLACE.sub(lambda found: _flow(written[found[1]]), pattern.text)
    manifest = yaml_files.parse(text)
    for word in (called, namespace):
        if word and not _NAME.fullmatch(word):
            raise UsageError(f"`{word}` is no name in Kubernetes", hint="small letters, digits and `-`")
    if called:
        text = text.replace(f"\n  name: {manifest['metadata']['name']}\n", f"\n  name: {called}\n", 1)
    if namespace and manifest["kind"] == reading.CLUSTERWIDE:
        raise UsageError(f"template `{name}` is for the whole cluster, and has no namespace", hint="leave `-n` out")
    made = New(template=name, policy=yaml_files.parse(text), text=text, needs=pattern.needs)
    return placed(made, namespace) if namespace else made


def placed(made: New, namespace: str) -> New:
    """The policy in a namespace, where it has its place in none yet and is for one."""
    if made.policy["kind"] == reading.CLUSTERWIDE or namespace_of(made.policy):
        return made
    text = re.sub(r"(\nmetadata:\n  name: .*\n)", rf"\1  namespace: {namespace}\n", made.text, count=1)
    return replace(made, policy=yaml_files.parse(text), text=text)


def _given(pattern: Pattern, given: Sequence[str]) -> dict[str, str]:
    known = [one.name for one in pattern.settings]
    values: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not value:
            raise UsageError(f"`--set {one}` sets nothing", hint="write `--set KEY=VALUE`")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            listed = f"it knows {', '.join(known)}" if known else "it has nothing to set"
            raise UsageError(
                f"template `{pattern.name}` has no setting `{key}`",
                hint=f"did you mean `{near[0]}`?" if near else listed,
            )
        values[key] = value
    return values


def _value(setting: Setting, text: str) -> Any:
    """What a setting's text means in YAML. Raises `UsageError` when it means nothing."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = UsageError(f"`--set {setting.name}={text}` is no {_WORDS[setting.type]}", hint=_HINTS[setting.type])
    match setting.type:
        case "labels":
            found = [_LABEL.fullmatch(part) for part in parts]
            if not found or not all(found):
                raise wrong
            return {one[1]: one[2] for one in found if one}
        case "names":
            if not parts or not all(_DNS_NAME.fullmatch(part) for part in parts):
                raise wrong
            return [{"matchPattern" if "*" in part else "matchName": part} for part in parts]
        case "list":
            try:
                return [str(ip_network(part)) for part in parts]
            except ValueError:
                raise wrong from None
        case "port":
            if not text.isdigit() or not 0 < int(text) < 65536:
                raise wrong
            return text
        case _:
            return text


_WORDS = {
    "labels": "list of labels",
    "names": "list of names",
    "list": "list of ranges",
    "port": "port",
    "text": "text",
}
_HINTS = {
    "labels": "write `app=web`, several with commas",
    "names": "write `example.com,*.example.com`",
    "list": "write `192.0.2.0/24`, several with commas",
    "port": "write a number from 1 to 65535",
    "text": "",
}


def _flow(value: Any) -> str:
    return yaml_files.dump_flow(value).strip().removesuffix("...").strip()
