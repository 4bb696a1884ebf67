"""Read YAML as Helm reads it.

Helm keeps dates and `12:34:56` as strings and reads `1e3` as a number, where PyYAML's own loaders make a date, a
base-60 integer and a string of them. The C loader is ten times as fast as the pure one.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import IO, Any

import yaml

from ciliumctl.errors import BadFile

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Loader(_Base):  # type: ignore[misc]  # the C loader has no type stubs
    """A safe loader with the scalars of the YAML package that Helm uses (checked against Helm 3.22 and 4.3)."""


_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"])
_BOOL = re.compile(f"^(?:{'|'.join(sorted(_TRUE | _FALSE))})$")
_INT = re.compile(r"^[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
    r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_MERGE = re.compile(r"^<<$")


def _boolean(loader: Any, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node) in _TRUE


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    if base != 10:
        digits = digits[2:]
    elif digits.startswith("0") and set(digits) <= set("01234567"):
        base = 8
    # Helm turns YAML into JSON, whose numbers are 64-bit floats: what they cannot hold is rounded.
    return int(float(sign * int(digits, base)))


def _number(loader: Any, node: yaml.ScalarNode) -> float | int | str:
    text: str = loader.construct_scalar(node)
    value = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").lower())
    if math.isinf(value) and "inf" not in text.lower():
        return text
    return int(value) if value.is_integer() else value


def _text(loader: Any, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


# An integer also looks like a float to some patterns: the first resolver that matches wins.
_RESOLVERS: tuple[tuple[str, re.Pattern[str], list[str]], ...] = (
    ("tag:yaml.org,2002:bool", _BOOL, list("yYnNtTfFoO")),
    ("tag:yaml.org,2002:int", _INT, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789.")),
    ("tag:yaml.org,2002:null", _NULL, ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:merge", _MERGE, ["<"]),
)
Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _RESOLVERS:
    Loader.add_implicit_resolver(_tag, _pattern, _first)
Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)
Loader.add_constructor("tag:yaml.org,2002:int", _integer)
Loader.add_constructor("tag:yaml.org,2002:float", _number)
# A plain `=` is a string to everybody but PyYAML (pyyaml issue 89).
Loader.add_constructor("tag:yaml.org,2002:value", _text)
Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


class _Dumper(_BaseDumper):  # type: ignore[misc]  # the C dumper has no type stubs
    """Quotes what either PyYAML or Helm would take for something else than a string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


for _tag, _pattern, _first in _RESOLVERS:
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def parse(text: str | bytes | IO[str]) -> Any:
    """The single document in `text`. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=Loader)  # noqa: S506 - Loader is a safe loader


def first(text: str | bytes) -> Any:
    """The first document in `text`, which is all of it that Helm 3 reads. Raises `yaml.YAMLError`."""
    return next(yaml.load_all(text, Loader=Loader), None)


def parse_all(text: str | bytes) -> list[Any]:
    """The documents in `text`, without empty ones. Raises `yaml.YAMLError`."""
    return [document for document in yaml.load_all(text, Loader=Loader) if document is not None]


def load(path: Path) -> Any:
    """The single document in the file at `path`.

    Raises:
        BadFile: the file cannot be read, or is not YAML; the message names the line.
    """
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check the path") from error
    except yaml.YAMLError as error:
        raise BadFile(f"`{path}` is not valid YAML: {problem(error)}", hint="mend the file") from error


def problem(error: yaml.YAMLError) -> str:
    """What is wrong with the YAML and where, in one phrase."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"
    return str(error).replace("\n", " ")


def dump(value: Any) -> str:
    """`value` as block-style YAML, keys in their order, without aliases."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=100))


class _BlockDumper(_Dumper):
    """Writes texts of several lines as such."""


def _lines(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text.strip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BlockDumper.add_representer(str, _lines)


def lay_out(value: Any) -> str:
    """`value` as YAML to compare line by line: keys sorted, texts of several lines as such, long lines whole."""
    dumper = _BlockDumper
    return str(
        yaml.dump(value, Dumper=dumper, sort_keys=True, default_flow_style=False, width=1 << 20, allow_unicode=True)
    )


def dump_flow(value: Any) -> str:
    """`value` as YAML in one line, with braces."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=1 << 20))
