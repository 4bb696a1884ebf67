"""Which fields a policy may have: from a CRD's schema, or kept in `templates/policies/lint/schemas/`.

A shape is the short form of a schema: a map of fields, a list of one shape, `{"*": shape}` for a map of any keys, or a
word for a value: `text`, `number`, `yes-or-no`, `number-or-text`, `any`, or `one of A, B`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ciliumctl import templates

Path = tuple[str | int, ...]
Shape = Any
_WORDS = {"string": "text", "integer": "number", "number": "number", "boolean": "yes-or-no"}
_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "number-or-text": (int, float, str)}


def of_schema(schema: Mapping[str, Any]) -> Shape:
    """The short form of an `openAPIV3Schema`, or of a part of one."""
    if schema.get("x-kubernetes-int-or-string"):
        return "number-or-text"
    if "properties" in schema:
        return {key: of_schema(value) for key, value in schema["properties"].items()}
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], Mapping):
        return {"*": of_schema(schema["additionalProperties"])}
    if schema.get("type") == "array":
        return [of_schema(schema.get("items", {}))]
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    return _WORDS.get(str(schema.get("type")), "any")


def kept(kind: str) -> Shape:
    """The shape of a kind's `spec` that comes with the program: of Cilium 1.20, and of Kubernetes 1.34."""
    name = "NetworkPolicy" if kind == "NetworkPolicy" else "CiliumNetworkPolicy"
    return templates.load(f"policies/lint/schemas/{name}.yaml")


def of_crd(crd: Mapping[str, Any]) -> Shape | None:
    """The shape of `spec` in a CRD; `None` when the CRD says nothing about fields."""
    for version in crd.get("spec", {}).get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        spec = (schema.get("properties") or {}).get("spec") or {}
        if version.get("served") and spec.get("properties"):
            return of_schema(spec)
    return None


def problems(value: Any, shape: Shape, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """What does not fit, as (where, `unknown` or `type`, a sentence)."""
    if value is None or shape == "any":
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            yield path, "type", f"a list is wanted, not {_called(value)}: write `- ` before each entry"
            return
        for number, item in enumerate(value):
            yield from problems(item, shape[0], (*path, number))
    elif isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            yield path, "type", f"fields are wanted, not {_called(value)}"
            return
        for key, item in value.items():
            if key not in shape and "*" not in shape:
                yield (*path, key), "unknown", _unknown(str(key), shape, path)
            else:
                yield from problems(item, shape.get(key, shape.get("*")), (*path, key))
    elif wrong := _wrong(value, str(shape)):
        yield path, "type", wrong


def _unknown(key: str, shape: Mapping[str, Any], path: Path) -> str:
    near = difflib.get_close_matches(key, shape, n=1)
    # One that is right but for its capitals is nearer than any other.
    near = [one for one in shape if one.lower() == key.lower()] or near
    place = f"`{path[-1]}`" if path and isinstance(path[-1], str) else "this place"
    known = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(shape))}"
    return f"there is no field `{key}` in {place}: {known}"


def _wrong(value: Any, word: str) -> str:
    if word.startswith("one of "):
        allowed = word.removeprefix("one of ").split(", ")
        if str(value) in allowed:
            return ""
        near = difflib.get_close_matches(str(value), allowed, n=1)
        near = [one for one in allowed if one.lower() == str(value).lower()] or near
        return f"`{value}` is none of {', '.join(allowed)}" + (f": did you mean `{near[0]}`?" if near else "")
    if word == "yes-or-no":
        return "" if isinstance(value, bool) else f"true or false is wanted, not {_called(value)}"
    if isinstance(value, bool) or not isinstance(value, _TYPES[word]):
        advice = f': write `"{value}"`' if word == "text" and isinstance(value, int) else ""
        if word == "text" and isinstance(value, bool):
            advice = ": put it in quotes, YAML takes it for yes or no"
        return f"{'a text' if word == 'text' else 'a number'} is wanted, not {_called(value)}{advice}"
    return ""


def _called(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text `{value}`"
    return "a list" if isinstance(value, list) else "fields"
