"""A small JSON Schema validator: what our own schemas use of the language, and nothing else.

Stricter than a reader should be: a property that the schema does not know is an error, so that nothing that is printed
stays undescribed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_KNOWN = {
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "format",
    "items",
    "properties",
    "required",
    "title",
    "type",
}


def violations(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """What is wrong with `value`, each as one line. Raises `AssertionError` for a keyword that is not known here."""
    assert set(schema) <= _KNOWN, f"the checker does not know {sorted(set(schema) - _KNOWN)}"
    if "$ref" in schema:
        yield from violations(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
        return
    if "anyOf" in schema:
        tries = [list(violations(value, one, root, at)) for one in schema["anyOf"]]
        yield from min(tries, key=len)
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{at}: {value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        yield from _object(value, schema, root, at)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), root, f"{at}[{number}]")


def _is(value: Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    return isinstance(value, tuple(kind for name in names for kind in _TYPES[name]))


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties")
    rest = schema.get("additionalProperties", known is None)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name} is missing"
    for name, item in value.items():
        if known is not None and name in known:
            yield from violations(item, known[name], root, f"{at}.{name}")
        elif rest is False:
            yield f"{at}.{name} is not described"
        elif isinstance(rest, dict):
            yield from violations(item, rest, root, f"{at}.{name}")
