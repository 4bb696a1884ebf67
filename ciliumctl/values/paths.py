"""Values as paths: `hubble.ui.enabled` for `{"hubble": {"ui": {"enabled": …}}}`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def split(text: str) -> Path:
    """The keys of a dotted path; a dot within a key is escaped with a backslash, as in Helm."""
    return tuple(part.replace("\0", ".") for part in text.replace("\\.", "\0").split("."))


def join(path: Path) -> str:
    """The dotted path, with dots inside of keys escaped."""
    return ".".join(key.replace(".", "\\.") for key in path)


def leaves(values: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is not a non-empty mapping, with its path."""
    for key, value in values.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def get(values: Mapping[str, Any], path: Path, default: Any = None) -> Any:
    """The value at a path."""
    found: Any = values
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return default
        found = found[key]
    return found


def put(values: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path, making mappings on the way."""
    for key in path[:-1]:
        below = values.get(key)
        if not isinstance(below, dict):
            below = values[key] = {}
        values = below
    values[path[-1]] = value


def remove(values: dict[str, Any], path: Path) -> None:
    """Delete the value at a path, and the mappings that it leaves empty."""
    below = values.get(path[0])
    if len(path) == 1:
        values.pop(path[0], None)
    elif isinstance(below, dict):
        remove(below, path[1:])
        if not below:
            del values[path[0]]


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """`upper` over `lower` as Helm lays values files over each other: mappings merge, all else is replaced.

    A null stays a null here; Helm lets it delete the chart's default when the template is rendered.
    """
    merged = copy.deepcopy(dict(lower))
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The dotted paths whose values differ, sorted."""
    left, right = dict(leaves(before)), dict(leaves(after))
    missing = object()
    return sorted(
        join(path) for path in left.keys() | right.keys() if left.get(path, missing) != right.get(path, missing)
    )
