"""Which templates of a chart use a value, by what their text names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ciliumctl.values.paths import Path

_VALUE = re.compile(r"\.Values((?:\.[A-Za-z0-9_-]+)+)")
_INCLUDE = re.compile(r"(?:include|template)\s+\"([^\"]+)\"")
_DEFINE = re.compile(r"\{\{-?\s*define\s+\"([^\"]+)\"")


def about(path: Path, other: Path) -> bool:
    """Whether one of two paths lies at or below the other."""
    short = min(len(path), len(other))
    return path[:short] == other[:short]


class Uses:
    """Which templates a value is used in, by what their text names."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._texts = {name: data.decode("utf-8", "replace") for name, data in files.items() if _is_template(name)}
        self._defined: dict[str, str] = {}
        for text in self._texts.values():
            parts = _DEFINE.split(text)
            self._defined.update(zip(parts[1::2], parts[2::2], strict=True))
        self._known: dict[str, frozenset[Path]] = {}

    def by(self, source: str, path: Path) -> bool:
        """Whether the template uses the value: no other one names more of its path, or something below it."""
        depth = self._depth(source, path)
        return depth > 0 and depth == max(self._depth(name, path) for name in self._texts)

    def knows(self, path: Path) -> bool:
        """Whether any template names the value, or one below it."""
        return any(path == named[: len(path)] for name in self._texts for named in self._named(name))

    def _depth(self, source: str, path: Path) -> int:
        return max((min(len(path), len(named)) for named in self._named(source) if about(path, named)), default=0)

    def _named(self, source: str) -> frozenset[Path]:
        if source not in self._known:
            found: set[Path] = set()
            self._collect(self._texts.get(source, ""), found, set())
            self._known[source] = frozenset(found)
        return self._known[source]

    def _collect(self, text: str, found: set[Path], seen: set[str]) -> None:
        found.update(tuple(match[1][1:].split(".")) for match in _VALUE.finditer(text))
        for match in _INCLUDE.finditer(text):
            if match[1] not in seen:
                seen.add(match[1])
                self._collect(self._defined.get(match[1], ""), found, seen)


def _is_template(name: str) -> bool:
    return name.startswith("templates/") and PurePosixPath(name).suffix in {".yaml", ".tpl"}
