"""Values in layers, and for each value the layer that it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any, ClassVar

import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.helm import Inputs, SetFlag
from ciliumctl.errors import BadFile
from ciliumctl.values import secrets
from ciliumctl.values.paths import Path, join, leaves, split


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values of one origin. `lines` has the line of each value where the origin is a file."""

    origin: str
    values: Mapping[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """The origin of one value, such as `my.yaml:12`."""
        line = self.lines.get(path)
        return f"{self.origin}:{line}" if line else self.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value, where it comes from, and what it hides."""

    key: str
    value: Any
    origin: str
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedValues:
    """All values that an installation would have. `merged` is Helm's own result."""

    kind: ClassVar[str] = "Values"

    chart: str
    version: str
    values: tuple[Value, ...]
    merged: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


def of_file(path: File, *, name: str = "") -> Layer:
    """The layer of a values file. Raises `BadFile`."""
    values = yaml_files.load(path)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise BadFile(
            f"`{name or path}` is not a values file: it holds {_article(values)}", hint="write `key: value` lines"
        )
    return Layer(origin=name or str(path), values=values, lines=_lines(path))


def _article(value: Any) -> str:
    return {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a yes or no"}.get(
        type(value), "something else"
    )


def _lines(path: File) -> dict[Path, int]:
    found: dict[Path, int] = {}

    def walk(node: Any, prefix: Path) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            here = (*prefix, str(key.value))
            found[here] = key.start_mark.line + 1
            walk(value, here)

    walk(yaml.compose(path.read_bytes(), Loader=yaml_files.Loader), ())
    return found


def of_flags(flags: Sequence[SetFlag], parse: Callable[[Inputs], Mapping[str, Any]]) -> list[Layer]:
    """A layer for each `--set…` flag, in Helm's order of precedence; `parse` is Helm's own parser."""
    order = ("set-json", "set", "set-string", "set-file")
    ordered = sorted(flags, key=lambda flag: order.index(flag.kind))
    return [_of_flag(flag, parse(Inputs(flags=(flag,)))) for flag in ordered]


def _of_flag(flag: SetFlag, values: Mapping[str, Any]) -> Layer:
    # Its origin is shown: of a file only the name is.
    private = flag.kind != "set-file" and any(True for _path in secrets.found(values))
    text = f"{flag.text.partition('=')[0]}=…" if private else flag.text
    return Layer(origin=f"--{flag.kind} {text}", values=values)


def without_secrets(merged: MergedValues) -> MergedValues:
    """The same with what looks like a secret hidden."""
    shown = tuple(replace(value, value=secrets.hidden(value.value, split(value.key))) for value in merged.values)
    return replace(merged, values=shown, merged=secrets.hidden(merged.merged))


def trace(layers: Sequence[Layer], merged: Mapping[str, Any]) -> tuple[Value, ...]:
    """For each value of Helm's result the last layer that set it, and the ones that it hides."""
    traced = []
    for path, value in leaves(merged):
        origins = [layer.where(_set_at(layer, path)) for layer in layers if _set_at(layer, path)]
        traced.append(
            Value(
                key=join(path),
                value=value,
                origin=origins[-1] if origins else "Helm",
                hides=tuple(origins[:-1]),
            )
        )
    return tuple(sorted(traced, key=lambda value: value.key))


def _set_at(layer: Layer, path: Path) -> Path:
    """The path, or the nearest one above it that the layer sets; empty when it sets nothing there."""
    below: Any = layer.values
    for depth, key in enumerate(path):
        if not isinstance(below, Mapping) or key not in below:
            return ()
        below = below[key]
        if not isinstance(below, Mapping):
            return path[: depth + 1]
    return path
