"""What is worth looking at: topics as data, and from samples of two moments the rows of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from math import isnan
from typing import Any, Literal

from ciliumctl import templates
from ciliumctl.errors import UsageError
from ciliumctl.metrics.text import Exposition, Sample

Across = Literal["sum", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One thing to look at; the data file says what each field means."""

    name: str
    about: str
    unit: str
    counter: bool
    across: Across
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]
    bad: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one node said, twice where rates are wanted. `seconds` lie between the two."""

    node: str
    now: Exposition
    before: Exposition | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a topic. `value` is by the second for counters that were read twice, else since the agents' start.

    `node` is the one with the largest share, or the only one.
    """

    labels: Mapping[str, str]
    value: float
    node: str
    bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRows:
    """One topic. `quiet` rows are at 0, `left` ones are below those that are shown; `metric` is empty for no series."""

    name: str
    about: str
    unit: str
    metric: str
    rows: tuple[Row, ...]
    quiet: int
    left: int
    hint: str


@cache
def known() -> tuple[Topic, ...]:
    """The topics of Cilium's agents, in the order of their file."""
    return tuple(made(entry) for entry in templates.load("metrics/topics.yaml")["topics"])


def made(entry: Mapping[str, Any]) -> Topic:
    """A topic out of a data file."""
    return Topic(
        name=entry["name"],
        about=entry["about"],
        unit=entry["unit"],
        counter=entry["kind"] == "counter",
        across=entry["across"],
        metrics=tuple(entry["metrics"]),
        labels=tuple(entry["labels"]),
        only={key: tuple(patterns) for key, patterns in entry.get("only", {}).items()},
        bad=entry.get("bad"),
        hint=entry.get("hint", ""),
    )


def chosen(names: Sequence[str]) -> tuple[Topic, ...]:
    """The topics of these names; all when none is given. Raises `UsageError`."""
    by_name = {topic.name: topic for topic in known()}
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no topic `{name}`", hint=f"choose among {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names)) or known()


def summed(topic: Topic, readings: Sequence[Reading], *, by_node: bool = False, most: int = 0) -> TopicRows:
    """A topic's rows that are not at 0, at most `most` of them (0: all), and what is left out."""
    found = rows(topic, readings, by_node=by_node)
    loud = [row for row in found if row.value]
    shown = tuple(loud[:most] if most else loud)
    by_the_second = any(reading.before is not None for reading in readings)
    names = [name_in(topic, reading.now) for reading in readings] if found else []
    return TopicRows(
        name=topic.name,
        about=topic.about,
        unit=topic.unit if by_the_second or not topic.counter else f"{_counted(topic.unit)} since start",
        metric=Counter(names).most_common(1)[0][0] if names else "",
        rows=shown,
        quiet=len(found) - len(loud),
        left=len(loud) - len(shown),
        hint=topic.hint if topic.hint and any(row.bad for row in shown) else "",
    )


def _counted(unit: str) -> str:
    """What is counted, of a unit that says how much of it comes by the second."""
    return "core-seconds" if unit == "cores" else unit.removesuffix("/s")


def rows(topic: Topic, readings: Sequence[Reading], *, by_node: bool = False) -> tuple[Row, ...]:
    """The rows of a topic, largest first; with `by_node` one for each node."""
    shares: dict[tuple[tuple[str, str], ...], dict[str, float]] = defaultdict(dict)
    for reading in readings:
        for labels, value in _values(topic, reading):
            key = (*(("node", reading.node),), *labels) if by_node else labels
            shares[key][reading.node] = shares[key].get(reading.node, 0.0) + value
    found = [_row(topic, key, nodes) for key, nodes in shares.items()]
    return tuple(sorted(found, key=lambda row: (-row.value, sorted(row.labels.items()))))


def _row(topic: Topic, key: tuple[tuple[str, str], ...], nodes: Mapping[str, float]) -> Row:
    value = sum(nodes.values()) if topic.across == "sum" else max(nodes.values())
    first = max(nodes, key=lambda node: nodes[node])
    return Row(labels=dict(key), value=value, node=first, bad=topic.bad is not None and value > topic.bad)


def _values(topic: Topic, reading: Reading) -> Iterator[tuple[tuple[tuple[str, str], ...], float]]:
    """What one node adds to each row."""
    name = name_in(topic, reading.now)
    before = dict(_series(topic, name, reading.before)) if reading.before is not None else {}
    for sample, value in _series(topic, name, reading.now):
        labels = dict(sample)
        key = tuple((label, labels[label]) for label in topic.labels if label in labels)
        if topic.counter and reading.before is not None and reading.seconds > 0:
            # A counter that went back began anew with its agent; a series that is new began at nothing.
            grown = value - before.get(sample, 0.0)
            yield key, (grown if grown >= 0 else value) / reading.seconds
        else:
            yield key, value


def name_in(topic: Topic, exposition: Exposition) -> str:
    """The name that the topic's metric has in this version of Cilium; its newest when it is not there at all."""
    there = {sample.name for sample in exposition.samples}
    return next((name for name in topic.metrics if name in there), topic.metrics[0])


def _series(topic: Topic, name: str, exposition: Exposition) -> Iterator[tuple[tuple[tuple[str, str], ...], float]]:
    for sample in exposition.of(name):
        if _wanted(topic, sample) and not isnan(sample.value):
            yield tuple(sorted(sample.labels.items())), sample.value


def _wanted(topic: Topic, sample: Sample) -> bool:
    return all(_fits(sample.labels.get(label, ""), patterns) for label, patterns in topic.only.items())


def _fits(value: str, patterns: Sequence[str]) -> bool:
    """Whether a value has one of the patterns, and none of those that are turned around."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    if any(fnmatchcase(value, pattern) for pattern in unwanted):
        return False
    return not wanted or any(fnmatchcase(value, pattern) for pattern in wanted)
