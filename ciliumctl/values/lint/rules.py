"""The rules about single values: data in `templates/values/rules/`, and what they make of a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from ciliumctl import templates
from ciliumctl.values.lint import ranges
from ciliumctl.values.paths import Path, get, join, leaves, split

Effect = Literal["legacy", "ignored", "fails", "type", "changed", "deprecated", "works"]

#: Keys that only the umbrella charts up to 1.8 had, with all below them.
LEGACY_TOPS = ("global", "config", "hubble-relay", "hubble-ui", "managed-etcd")
_IMAGE = re.compile(r"(?P<repository>.*?)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?$")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What became of one value. `effects` pairs ranges of charts with what those do; the first range decides."""

    id: str
    key: Path
    effects: tuple[tuple[str, Effect], ...]
    data: Mapping[str, Any] = field(repr=False)

    def effect(self, version: str) -> Effect | None:
        """What the chart of a version does with the value; None when the rule is not about it."""
        return next((effect for wanted, effect in self.effects if ranges.within(version, wanted)), None)

    def takes(self, value: Any) -> bool:
        """Whether the rule is about this value."""
        if value is None:
            # Helm takes a null for "not set".
            return False
        return _of_kind(value, self.data.get("only"))

    def found(self, values: Mapping[str, Any]) -> Any:
        """The value that the rule is about; `MISSING` when there is none."""
        value = get(values, self.key, _MISSING)
        return value if value is not _MISSING and self.takes(value) else MISSING

    def becomes(self, value: Any) -> dict[str, Any] | None:
        """What is written instead, by dotted key; empty for nothing, None when a person has to decide."""
        data = self.data
        if data.get("guess"):
            return None
        if "cases" in data:
            case = data["cases"].get(_word(value))
            return dict(case) if case is not None else None if "to" not in data else {data["to"]: value}
        if "text" in data:
            return {target: form.format(value) for target, form in data["text"].items()}
        if "to" in data:
            return self._moved(value)
        return {} if "gone" in data else None

    def _moved(self, value: Any) -> dict[str, Any]:
        data = self.data
        if data.get("image"):
            match = _IMAGE.match(str(value))
            named = match.groupdict() if match else {"repository": value}
            pairs = {f"{data['to']}.{name}": text for name, text in named.items() if text}
            return {**pairs, f"{data['to']}.useDigest": "digest" in {key for key, text in named.items() if text}}
        if "keep" in data and isinstance(value, Mapping):
            return {f"{data['to']}.{name}": value[name] for name in data["keep"] if value.get(name) is not None}
        new = _made(value, data.get("as", ""))
        pairs = dict.fromkeys((data["to"], *data.get("copy", ())), new)
        return {**pairs, **data.get("also", {})} if value else pairs

    def lost(self, value: Any) -> str:
        """What it means that the chart ignores this value; empty when it means nothing."""
        text = str(self.data.get("lost", ""))
        return "" if text and "harmless" in self.data and value == self.data["harmless"] else text


#: What `Rule.found` returns for nothing.
MISSING = _MISSING


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_kind(value: Any, only: Any) -> bool:
    if only is None:
        return True
    if only is True:
        return value not in (False, 0, "", [], {})
    if isinstance(only, list):
        if isinstance(value, Mapping):
            return any(value.get(key) not in (None, "") for key in only)
        return any(type(value) is type(item) and value == item for item in only)
    kinds: dict[str, type | tuple[type, ...]] = {"text": str, "boolean": bool, "list": list, "map": Mapping}
    if only == "filled":
        return value not in ("", [], {})
    if only == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kinds[only])


def _made(value: Any, kind: str) -> Any:
    if kind == "list":
        return value if isinstance(value, list) else [value]
    if kind == "integer" and isinstance(value, str) and value.isdecimal():
        return int(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() in {"true", "yes", "on", "y", "1"}
    if kind == "text" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


@cache
def legacy() -> tuple[Rule, ...]:
    """The rules about the umbrella charts' values: true for every chart of today."""
    return tuple(
        Rule(id=rule.get("id", rule["key"]), key=split(rule["key"]), effects=((">=1.9", "legacy"),), data=rule)
        for rule in templates.load("values/rules/legacy.yaml")
    )


@cache
def modern() -> tuple[Rule, ...]:
    """The rules about values of charts from 1.9 on."""
    return tuple(
        Rule(
            id=rule.get("id", rule["key"]),
            key=split(rule["key"]),
            effects=tuple((item["in"], item["effect"]) for item in rule["effects"]),
            data=rule,
        )
        for rule in templates.load("values/rules/keys.yaml")
    )


def legacy_keys(values: Mapping[str, Any]) -> Iterator[tuple[Path, Rule | None]]:
    """The paths of values that only the umbrella charts knew, each with its rule; None for one without."""
    taken: list[Path] = []
    for rule in legacy():
        if rule.found(values) is not MISSING:
            taken.append(rule.key)
            yield rule.key, rule
    for path, value in leaves(values):
        # Helm itself gives charts an empty `global`.
        if path[0] in LEGACY_TOPS and (len(path) > 1 or value) and not any(path[: len(key)] == key for key in taken):
            yield path, None


def name(path: Path) -> str:
    """A path in a message."""
    return f"`{join(path)}`"
