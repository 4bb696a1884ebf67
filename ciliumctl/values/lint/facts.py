"""What a chart itself says about its values: its own, those that its templates read, its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

from ciliumctl.charts import Chart
from ciliumctl.values.lint import scanning, types
from ciliumctl.values.paths import Path, get, join

State = Literal["own", "free", "read", "unknown"]
_MISSING: Any = object()


class Facts:
    """The facts of one chart, each found when it is first asked for."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart

    @cached_property
    def reads(self) -> scanning.Reads:
        """What the templates read; costs some 0.1 s, and is only needed for what values.yaml does not have."""
        return scanning.scan(self.chart.files)

    @cached_property
    def _read(self) -> frozenset[Path]:
        """Every path that is read, and the maps on the way to it."""
        found: set[Path] = set()
        for path in (*self.reads.paths, *self.reads.whole):
            found.update(path[:depth] for depth in range(1, len(path) + 1))
        return frozenset(found)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The chart's schema; empty when it has none."""
        try:
            found = json.loads(self.chart.files.get("values.schema.json", b"{}"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def state(self, path: Path) -> State:
        """Whether the chart knows a path, and from where.

        `own`: it stands in values.yaml. `free`: below a map that takes anything. `read`: only a template reads it.
        """
        below: Any = self.chart.values
        for depth, key in enumerate(path):
            if not isinstance(below, Mapping) or (not below and depth):
                # Below an empty map, a null, a list or a single value: the chart has nothing to compare with.
                return "free"
            if key not in below:
                return self._templates(path)
            below = below[key]
        return "own"

    def _templates(self, path: Path) -> State:
        if path in self._read:
            return "read"
        whole = self.reads.whole
        own = self.chart.values
        for depth in range(len(path) - 1, 0, -1):
            above = path[:depth]
            # A key that only templates know, and that nothing is read below of, takes anything.
            if above in whole or (above in self.reads.paths and get(own, above, _MISSING) is _MISSING):
                return "free"
        return "unknown"

    def default(self, path: Path) -> Any:
        """The chart's own value; None when it has none."""
        return get(self.chart.values, path)

    def wrong_type(self, path: Path, value: Any) -> types.Wrong | None:
        """Why a value has not the type that the chart wants; None when nothing is known against it."""
        if value is None:
            return None
        if self.schema:
            node = types.below(self.schema, path)
            return types.against_schema(node, value) if node is not None else None
        default = get(self.chart.values, path, _MISSING)
        return None if default is _MISSING else types.against_default(default, value)

    def nearest(self, path: Path) -> str:
        """The known key that a misspelt one most looks like; empty when there is none."""
        parent = get(self.chart.values, path[:-1]) if len(path) > 1 else self.chart.values
        siblings = set(parent) if isinstance(parent, Mapping) else set()
        siblings |= {known[-1] for known in self._read if known[:-1] == path[:-1] and known[-1] != "*"}
        lowered = {str(key).lower(): str(key) for key in siblings}
        close = get_close_matches(path[-1].lower(), lowered, n=1, cutoff=0.7)
        if close:
            return join((*path[:-1], lowered[close[0]]))
        # The right name in the wrong place: `ui.enabled` for `hubble.ui.enabled`.
        ends = [known for known in self.all_paths if known[-len(path) :] == path and len(known) > len(path)]
        if ends and len(path) > 1:
            return join(min(ends, key=lambda known: (len(known), known)))
        texts = {join(known).lower(): join(known) for known in self.all_paths}
        close = get_close_matches(join(path).lower(), texts, n=1, cutoff=0.82)
        return texts[close[0]] if close else ""

    @cached_property
    def all_paths(self) -> tuple[Path, ...]:
        """Every path that the chart is known to know."""
        found: set[Path] = set()

        def walk(values: Mapping[str, Any], prefix: Path) -> None:
            for key, value in values.items():
                found.add((*prefix, str(key)))
                if isinstance(value, Mapping):
                    walk(value, (*prefix, str(key)))

        walk(self.chart.values, ())
        found |= {path for path in self._read if "*" not in path}
        return tuple(sorted(found))

    def names(self, near: str, count: int = 3) -> Sequence[str]:
        """The known keys that a text most looks like."""
        texts = {join(path).lower(): join(path) for path in self.all_paths}
        found = get_close_matches(near.lower(), texts, n=count, cutoff=0.6)
        found += [text for text in texts if near.lower() == text.rsplit(".", 1)[-1] and text not in found]
        return [texts[text] for text in found[:count]]
