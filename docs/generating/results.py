"""`json.md` and the JSON schemas: what `-o json` prints, read from the results' dataclasses."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, make_dataclass
from types import ModuleType
from typing import Any, ClassVar, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

import ciliumctl
from ciliumctl.cli.output import API_VERSION
from docs.generating.commands import commands
from docs.generating.text import NOTICE, prose, table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/{model}"
_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["code", "message", "hint"],
}
_INTRODUCTION = """\
# JSON output

`-o json` and `-o yaml` print one envelope on standard output, on success and on failure alike:

```json
{
  "apiVersion": "ciliumctl/v1",
  "kind": "Status",
  "ok": true,
  "data": {},
  "error": null
}
```

| field | meaning |
| --- | --- |
| `apiVersion` | the version of this shape |
| `kind` | what `data` is: one of the kinds below |
| `ok` | whether the answer is yes. It decides between the [exit codes](exit-codes.md) 0 and 1 |
| `data` | the result; null when a failure left none |
| `error` | null, or `code`, `message` and `hint`; the codes stand in [exit codes](exit-codes.md#error-codes) |

A command that fails prints the same kind, with `data` null when no result was reached; `Error` when the command line
could not be read. An envelope without `data` has the schema [Failure](schemas/Failure.json). A wait that ran out of
time, an installation that `--atomic` took back, and an uninstallation that some step of failed have both `data` and
`error`.

`completion` and `lab kubeconfig` print a format of their own, whatever `-o` is. `install --export` prints what it made;
with `-o json` that is in the envelope, file by file.

Progress is on standard error; `--progress json` makes it one JSON object a line, with `event`, `time` (Unix seconds)
and the event's own fields.

"""


class PrintedSchema(GenerateJsonSchema):
    """Schemas of what is printed: every field is there, its default too."""

    def field_is_required(self, *_field: Any, **_more: Any) -> bool:  # noqa: D102 - pydantic's
        return True

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002, D102 - pydantic's
        return False

    def default_schema(self, schema: Any) -> Any:  # noqa: D102 - pydantic's
        return self.generate_inner(schema["schema"])


def results() -> dict[str, type[Any]]:
    """Every result's class by its kind, found in all modules of the package."""
    found: dict[str, type[Any]] = {}
    for module in _modules():
        classes: list[type[Any]] = [value for value in vars(module).values() if inspect.isclass(value)]
        found |= {value.kind: value for value in classes if value.__module__ == module.__name__ and is_result(value)}
    return dict(sorted(found.items()))


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(ciliumctl.__path__, "ciliumctl."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def is_result(value: type[Any]) -> bool:
    """Whether a class is a dataclass with a `kind` of its own."""
    return is_dataclass(value) and get_type_hints(value).get("kind") == ClassVar[str]


def schemas() -> dict[str, dict[str, Any]]:
    """Every kind's envelope as a JSON schema, and `Failure` for those without a kind of their own."""
    made = {kind: _envelope(kind, result) for kind, result in results().items()}
    made["Failure"] = {
        "$schema": DIALECT,
        "title": "Failure",
        "description": "What a command prints that failed before it had a result of its own kind.",
        **_object({"kind": {"type": "string"}, "ok": {"const": False}, "data": {"type": ["object", "null"]}}, _ERROR),
    }
    return made


def _envelope(kind: str, result: type[Any]) -> dict[str, Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(_printed(result))
    data = adapter.json_schema(ref_template=REFERENCE, schema_generator=PrintedSchema, mode="serialization")
    inner = data.pop("$defs", {})
    data["title"] = kind
    return {
        "$schema": DIALECT,
        "title": kind,
        "description": f"What `-o json` prints: the envelope with a result of kind {kind}.",
        **_object(
            {"kind": {"const": kind}, "ok": {"type": "boolean"}, "data": data},
            {"anyOf": [_ERROR, {"type": "null"}]},
        ),
        **({"$defs": inner} if inner else {}),
    }


def _printed(result: type[Any]) -> type[Any]:
    """A result's class with its fields' types looked up.

    A field `status: status.Status` hides the module of its name from pydantic, not from `get_type_hints`.
    """
    hints = get_type_hints(result)
    shown = [(field.name, hints[field.name]) for field in fields(result) if not field.name.startswith("_")]
    return make_dataclass(result.__name__, shown, namespace={"__doc__": inspect.getdoc(result)})


def _object(middle: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"apiVersion": {"const": API_VERSION}, **middle, "error": error}
    return {"type": "object", "properties": properties, "required": list(properties)}


def printed_by() -> dict[str, list[str]]:
    """The commands that print each kind: the one that the command declares, and those that its renderers take."""
    found: dict[str, list[str]] = {}
    by_name = {value.__name__: kind for kind, value in results().items()}
    for words, command in commands():
        if not words or hasattr(command, "list_commands"):
            continue
        module = importlib.import_module(".".join(["ciliumctl.cli.commands", *words]).replace("-", "_"))
        # Their types are imported for type checkers only, so that `--help` stays fast: the names must do.
        taken = [
            by_name[name]
            for function in vars(module).values()
            if inspect.isfunction(function) and function.__module__ == module.__name__
            for name in function.__annotations__.values()
            if name in by_name
        ]
        for kind in dict.fromkeys([getattr(module, "KIND", ""), *taken]):
            if kind:
                found.setdefault(kind, []).append(" ".join(words))
    return found


def page() -> str:
    """The envelope, and each kind with its fields."""
    by, everything = printed_by(), schemas()
    del everything["Failure"]
    text = NOTICE + _INTRODUCTION + "## Kinds\n\n"
    rows = (
        (f"[`{kind}`](#{kind.lower()})", ", ".join(f"`{name}`" for name in by.get(kind, ()))) for kind in everything
    )
    text += table(("kind", "printed by"), rows)
    shared: dict[str, Mapping[str, Any]] = {}
    for kind, schema in everything.items():
        shared |= {name: inner for name, inner in schema.get("$defs", {}).items() if name not in everything}
        text += f"## {kind}\n\nSchema: [{kind}.json](schemas/{kind}.json).\n\n"
        text += _fields(schema["properties"]["data"])
    text += "## Parts of results\n\n"
    for name, inner in sorted(shared.items()):
        text += f"### {name}\n\n{_fields(inner)}"
    return text.rstrip() + "\n"


def _fields(schema: Mapping[str, Any]) -> str:
    text = f"{prose(str(schema['description']))}\n\n" if "description" in schema else ""
    return text + table(("field", "type"), ((f"`{name}`", _type(kind)) for name, kind in schema["properties"].items()))


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array" and schema.get("items"):
        return f"array of {_type(schema['items'])}"
    below = schema.get("additionalProperties")
    return f"object of {_type(below)}" if isinstance(below, dict) else kind
