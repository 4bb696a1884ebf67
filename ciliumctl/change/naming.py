"""Which Helm value a key of `cilium-config` comes from: read in the chart's template, proved by rendering."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ciliumctl.change import rules
from ciliumctl.change.uses import Uses
from ciliumctl.charts import Chart
from ciliumctl.errors import CiliumctlError
from ciliumctl.values.paths import Path, get, join, leaves, split

_TEMPLATE = "templates/cilium-configmap.yaml"
_VALUE = re.compile(r"\.Values((?:\.[A-Za-z0-9_-]+)+)")
_VARIABLE = re.compile(r"\$([A-Za-z0-9_]+)")
_KEY = re.compile(r"[a-z0-9][a-z0-9-]*")
# Lines above a key that may hold the condition under which it is written.
_ABOVE = 6
# How many candidates are rendered: each costs a helm process.
_TRIED = 8
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A Helm value that renders a key as wanted, and how many other keys change with it."""

    path: Path
    others: int

    @property
    def key(self) -> str:
        """The dotted path."""
        return join(self.path)


def is_value(chart: Chart, path: Path) -> bool:
    """Whether the chart knows a Helm value, by its defaults or by what its templates read.

    A word that names a map of values, as `debug` does, is none: `cilium-config` has a key of that name.
    """
    at = get(chart.values, path, _MISSING)
    if at is not _MISSING:
        return len(path) > 1 or not (isinstance(at, Mapping) and at)
    for depth in range(len(path) - 1, 0, -1):
        above = get(chart.values, path[:depth], _MISSING)
        if above is _MISSING:
            continue
        if above is None or above == {}:
            # A map for the user to fill.
            return True
        break
    return Uses(chart.files).knows(path)


def is_config_key(text: str) -> bool:
    """Whether it looks like a key of `cilium-config`."""
    return _KEY.fullmatch(text) is not None and ("-" in text or text.islower())


def nearest(chart: Chart, text: str) -> str:
    """The known value that looks most like it; empty when none does."""
    known = [join(path) for path, _value in leaves(chart.values)]
    return next(iter(get_close_matches(text, known, n=1)), "")


def values_behind(
    chart: Chart, key: str, value: str, render: Callable[[Path], Mapping[str, str]], now: Mapping[str, str]
) -> list[Found]:
    """The Helm values that, set to `value`, make `key` be it; those that change least else first.

    `render` gives `cilium-config` with one value set so. Raises nothing: what the chart refuses is no candidate.
    """
    found = []
    for path in list(_candidates(chart, key))[:_TRIED]:
        try:
            rendered = render(path)
        except CiliumctlError:
            continue
        said = rendered.get(key, "")
        # A switch that is off is often left out.
        if said == value or {said, value} <= rules.OFF:
            changed = rules.changed_keys(now, rendered)
            found.append(Found(path=path, others=len([name for name in changed if name != key])))
    return sorted(found, key=lambda item: item.others)


def _candidates(chart: Chart, key: str) -> Iterator[Path]:
    seen: dict[Path, None] = {}
    for path in (*_by_rule(key), *_by_template(chart, key)):
        for candidate in _switches(chart, path):
            seen.setdefault(candidate)
    yield from seen


def _by_rule(key: str) -> Iterator[Path]:
    for rule in rules.of_keys():
        if key in rule.keys:
            yield from (split(value) for value in rule.values)


def _by_template(chart: Chart, key: str) -> Iterator[Path]:
    lines = chart.files.get(_TEMPLATE, b"").decode("utf-8", "replace").splitlines()
    at = [number for number, line in enumerate(lines) if re.match(rf"\s+{re.escape(key)}:", line)]
    for number in at:
        yield from _named(lines[number], lines)
    for number in at:
        for line in reversed(lines[max(0, number - _ABOVE) : number]):
            yield from _named(line, lines)


def _named(line: str, lines: list[str]) -> Iterator[Path]:
    yield from (tuple(match[1][1:].split(".")) for match in _VALUE.finditer(line))
    for name in _VARIABLE.findall(line):
        for other in lines:
            if re.search(rf"\${name}\s*:?=", other):
                yield from (tuple(match[1][1:].split(".")) for match in _VALUE.finditer(other))


def _switches(chart: Chart, path: Path) -> Iterator[Path]:
    """The value itself, or the switch in a map of values."""
    value: Any = get(chart.values, path)
    yield (*path, "enabled") if isinstance(value, Mapping) and "enabled" in value else path
