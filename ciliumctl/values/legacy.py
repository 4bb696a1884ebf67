"""Values for Cilium's umbrella charts (1.7, 1.8), as old tutorials still have them, and what they are today.

Charts since 1.9 ignore such keys without a word: `global.hubble.enabled: true` installs no Hubble. The table is data:
`templates/values/rules/legacy.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl import templates
from ciliumctl.values.paths import Path, get, join, leaves, put, remove, split

_TOPS = ("global", "config", "hubble-relay", "hubble-ui", "managed-etcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What old values are today. `moved` pairs old paths with new ones; `lost` says what has no place any more."""

    values: Mapping[str, Any]
    moved: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def found(values: Mapping[str, Any]) -> list[str]:
    """The dotted paths of old values in `values`; empty for values of today."""
    old = [path for path, _value in leaves(values) if _is_old(path, values)]
    return [join(path) for path in old]


def _is_old(path: Path, values: Mapping[str, Any]) -> bool:
    if path[0] in _TOPS:
        # Helm itself gives charts an empty `global`.
        return len(path) > 1
    return any(_covers(rule, path, values) for rule in _table())


def _covers(rule: Mapping[str, Any], path: Path, values: Mapping[str, Any]) -> bool:
    key = split(rule["key"])
    if path[: len(key)] != key:
        return False
    return rule.get("only") != "text" or isinstance(get(values, key), str)


def _table() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = templates.load("values/rules/legacy.yaml")
    return rules


def translate(values: Mapping[str, Any]) -> Translation:
    """The values of today; those of today already are left as they are, and win over translated ones."""
    rest: dict[str, Any] = _deep(values)
    translated: dict[str, Any] = {}
    moved: list[tuple[str, str]] = []
    lost: list[tuple[str, str]] = []
    notes: list[str] = []
    missing = object()
    for rule in _table():
        path = split(rule["key"])
        value = get(rest, path, missing)
        if value is missing or not _covers(rule, path, rest):
            continue
        remove(rest, path)
        if "gone" in rule:
            lost.append((rule["key"], rule["gone"]))
            continue
        for target, new in _new_values(rule, value):
            put(translated, split(target), new)
            moved.append((rule["key"], target))
        if "note" in rule:
            notes.append(f"{rule['key']}: {rule['note']}")
    for text in found(rest):
        lost.append((text, "no chart of today knows it"))
        remove(rest, split(text))
    for path, value in leaves(rest):
        if path[0] not in _TOPS:
            put(translated, path, value)
    return Translation(values=translated, moved=tuple(moved), lost=tuple(lost), notes=tuple(notes))


def _new_values(rule: Mapping[str, Any], value: Any) -> list[tuple[str, Any]]:
    if "cases" in rule:
        return list(rule["cases"].get(str(value), {}).items())
    if "text" in rule:
        return [(target, form.format(value)) for target, form in rule["text"].items()]
    new = _made(value, rule.get("as", ""))
    pairs = [(target, new) for target in (rule["to"], *rule.get("copy", ()))]
    if value:
        pairs += list(rule.get("also", {}).items())
    return pairs


def _made(value: Any, kind: str) -> Any:
    if kind == "list":
        return value if isinstance(value, list) else [value]
    if kind == "integer" and isinstance(value, str) and value.isdigit():
        return int(value)
    return value


def _deep(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _deep(value) if isinstance(value, Mapping) else list(value) if isinstance(value, list) else value
        for key, value in values.items()
    }
