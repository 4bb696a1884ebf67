"""Whether a value has the type that a chart wants: by its schema, or else by the chart's own value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl.values.paths import Path

_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "nothing",
}
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is wanted, what is there, and the same value in the wanted type where that is certain."""

    wants: str
    has: str
    instead: Any = None
    certain: bool = False


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def named(value: Any) -> str:
    """A value and its type, in a few words."""
    kind = kind_of(value)
    if kind == "string":
        shown = str(value).replace("\n", " ")
        return f"the text `{shown if len(shown) <= 40 else shown[:39] + '…'}`"
    if kind in {"array", "object", "null"}:
        return _NAMES[kind]
    return f"`{str(value).lower() if kind == 'boolean' else value}`"


def below(schema: Mapping[str, Any], path: Path) -> Mapping[str, Any] | None:
    """The part of a schema for one path; None where the schema says nothing about it."""
    node = schema
    for key in path:
        found = (node.get("properties") or {}).get(key)
        if not isinstance(found, Mapping):
            return None
        node = found
    return node


def against_schema(node: Mapping[str, Any], value: Any) -> Wrong | None:
    """What the schema has against a value itself; what is below a map is asked for by itself."""
    allowed = node.get("type")
    kinds = [allowed] if isinstance(allowed, str) else list(allowed or ())
    kind = kind_of(value)
    if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
        return _wrong(kinds, value)
    if "enum" in node and value not in node["enum"]:
        words = ", ".join(f"`{word}`" for word in node["enum"] if word is not None)
        return Wrong(wants=f"one of {words}", has=named(value))
    items = node.get("items")
    if kind == "array" and isinstance(items, Mapping):
        return _item(items, value)
    return None


def _item(items: Mapping[str, Any], value: Any) -> Wrong | None:
    choices = items.get("anyOf") or items.get("oneOf") or [items]
    for item in value:
        found = [against_schema(choice, item) for choice in choices if isinstance(choice, Mapping)]
        if found and all(found) and found[0] is not None:
            return Wrong(wants=f"a list with {found[0].wants} in each place", has=named(item))
    return None


def against_default(default: Any, value: Any) -> Wrong | None:
    """What speaks against a value in the place of the chart's own.

    Charts write `"9964"` and `9964` alike, so texts and numbers are taken for each other where they look alike.
    """
    wants, kind = kind_of(default), kind_of(value)
    if (
        wants in {"null", kind}
        or (wants == "number" and kind == "integer")
        or (wants == "integer" and kind == "number")
    ):
        return None
    if wants == "string" and kind in {"integer", "number", "boolean"}:
        return None
    if wants in {"integer", "number"} and kind == "string":
        return None if _number(value) is not _MISSING else Wrong(wants=_NAMES[wants], has=named(value))
    return _wrong([wants], value)


def _wrong(kinds: list[str], value: Any) -> Wrong:
    instead = next((new for kind in kinds if (new := _as(kind, value)) is not _MISSING), _MISSING)
    wants = " or ".join(_NAMES.get(kind, kind) for kind in kinds if kind != "null" or len(kinds) == 1)
    certain = instead is not _MISSING
    return Wrong(wants=wants, has=named(value), instead=instead if certain else None, certain=certain)


def _as(kind: str, value: Any) -> Any:
    """The same value in another type, where there is only one reading of it."""
    if isinstance(value, str) and kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), _MISSING)
    if isinstance(value, str) and kind in {"integer", "number"}:
        number = _number(value)
        return number if kind == "number" or isinstance(number, int) else _MISSING
    if isinstance(value, int) and not isinstance(value, bool) and kind == "string":
        return str(value)
    return _MISSING


def _number(text: str) -> Any:
    if text.isascii() and text.removeprefix("-").isdecimal():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return _MISSING
