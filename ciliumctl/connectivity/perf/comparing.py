"""Compare with an earlier run: read its file, put the figures side by side. Pure, but for reading."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ciliumctl.connectivity.perf.result import Compared, Comparison, Measurement, Perf, bits, micros, requests
from ciliumctl.errors import BadFile, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One that is compared: where it stands in a measurement, whether less of it is better, how it is written."""

    part: str
    name: str
    less: bool
    text: Callable[[float], str]


FIGURES = {
    "throughput": Figure(part="throughput", name="bits_per_second", less=False, text=bits),
    "request rate": Figure(part="latency", name="requests_per_second", less=False, text=requests),
    "p50": Figure(part="latency", name="p50", less=True, text=micros),
    "p99": Figure(part="latency", name="p99", less=True, text=micros),
}
#: What a measurement is found by again, and the figure's name.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An earlier run: its figures, and what it was measured with."""

    file: str
    figures: Mapping[Key, float]
    settings: Mapping[str, Any]


def percent(text: str) -> float:
    """`90%` or `90` as 90. Raises `UsageError`."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%?\s*", text)
    if found is None or not 0 < float(found[1]) <= 100:
        raise UsageError(f"`--fail-below {text}` is no share of the base", hint="write `--fail-below 90%`")
    return float(found[1])


def read(path: Path) -> Base:
    """What `-o json` or `--report json=FILE` wrote.

    Raises:
        BadFile: it is not such a file, or nothing was measured in that run.
    """
    hint = "name what `ciliumctl connectivity perf --report json=FILE` wrote"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check `--compare`") from error
    except ValueError as error:
        raise BadFile(f"`{path}` is no JSON: {error}", hint=hint) from error
    if not isinstance(content, Mapping) or content.get("kind") != Perf.kind:
        raise BadFile(f"`{path}` is not the result of `connectivity perf`", hint=hint)
    data = content.get("data")
    rows = data.get("measurements") if isinstance(data, Mapping) else None
    figures = _figures_of(rows) if isinstance(rows, list) else {}
    if not isinstance(data, Mapping) or not figures:
        raise BadFile(f"nothing was measured in the run that wrote `{path}`", hint=hint)
    return Base(file=str(path), figures=figures, settings=data)


def _figures_of(rows: Sequence[Any]) -> dict[Key, float]:
    found = {}
    for row in rows:
        for name, figure in FIGURES.items():
            part = row.get(figure.part) if isinstance(row, Mapping) else None
            value = part.get(figure.name) if isinstance(part, Mapping) else None
            if isinstance(value, int | float) and value > 0:
                found[str(row.get("name")), name] = float(value)
    return found


def figures_of(measurements: Sequence[Measurement]) -> dict[Key, float]:
    """The figures of measurements that were done."""
    return {
        (one.name, name): float(getattr(part, figure.name))
        for one in measurements
        for name, figure in FIGURES.items()
        if (part := getattr(one, figure.part)) is not None
    }


def compare(perf: Perf, base: Base, fail_below: float | None, *, single_node: bool = False) -> Comparison:
    """The figures of a run beside those of an earlier one. `single_node`: this run was told to use one node."""
    now = figures_of(perf.measurements)
    compared = []
    for (measurement, name), value in now.items():
        before = base.figures.get((measurement, name))
        if before is None:
            continue
        share = _share(before, value, less=FIGURES[name].less)
        compared.append(
            Compared(
                measurement=measurement,
                figure=name,
                base=before,
                now=value,
                percent=share,
                below=fail_below is not None and share < fail_below,
            )
        )
    not_now = _only(base.figures, now)
    # What was left out by `--ip-families` is not among the run's measurements at all.
    wanted = {one.name for one in perf.measurements if not single_node or one.path == "same-node"}
    return Comparison(
        base=base.file,
        fail_below=fail_below,
        figures=tuple(compared),
        not_in_base=_only(now, base.figures),
        not_measured_now=not_now,
        missing=tuple(name for name in not_now if name in wanted),
        differences=tuple(_differences(perf, base)),
    )


def _share(base: float, now: float, *, less: bool) -> float:
    """How good it is, in percent of the base, which is not 0."""
    if less:
        return 100 * base / now if now else 100.0
    return 100 * now / base


def _only(here: Mapping[Key, float], there: Mapping[Key, float]) -> tuple[str, ...]:
    other = {name for name, _figure in there}
    return tuple(dict.fromkeys(name for name, _figure in here if name not in other))


def _differences(perf: Perf, base: Base) -> list[str]:
    """What makes two runs hard to compare."""
    told = []
    for name, words in (("streams", "streams"), ("duration", "seconds for each"), ("image", "as image")):
        then, now = base.settings.get(name), getattr(perf, name)
        if then != now:
            told.append(f"the base has {then} {words}, this run {now}")
    then, now = base.settings.get("nodes"), list(perf.nodes)
    if then != now and isinstance(then, list):
        told.append(f"the base was measured on {' and '.join(map(str, then))}, this run on {' and '.join(now)}")
    return told
