"""What was measured: every figure with its unit, the share of the hosts' own network, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

Path = Literal["same-node", "other-node", "host-to-host"]
Quantity = Literal["throughput", "latency"]
Outcome = Literal["measured", "skipped", "error"]

PATHS: dict[Path, str] = {
    "same-node": "pod to pod on the same node",
    "other-node": "pod to pod on the other node",
    "host-to-host": "host to host",
}
QUANTITIES: dict[Quantity, str] = {
    "throughput": "TCP throughput",
    "latency": "TCP latency",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What arrived over TCP, in bits a second, and how many segments were sent again."""

    bits_per_second: float
    retransmits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Requests one after the other: how many a second, and how long answers took, in microseconds."""

    requests_per_second: float
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One of them. `of_host` is its throughput, or its request rate, in percent of that from host to host."""

    name: str
    quantity: Quantity
    path: Path
    family: int
    outcome: Outcome
    source_node: str = ""
    target_node: str = ""
    address: str = ""
    reason: str = ""
    seconds: float = 0.0
    throughput: Throughput | None = None
    latency: Latency | None = None
    of_host: float | None = None

    @property
    def rate(self) -> float:
        """What is more when it is better: bits or requests a second; 0 when there is none."""
        if self.throughput is not None:
            return self.throughput.bits_per_second
        return self.latency.requests_per_second if self.latency is not None else 0.0

    @property
    def about(self) -> str:
        """What it is, in words."""
        return f"{QUANTITIES[self.quantity]} {PATHS[self.path]}, IPv{self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A figure beside that of the base.

    `percent` is how good it is, 100 being as good as the base: a latency twice as long is 50. `below` says that this is
    less than was asked for.
    """

    measurement: str
    figure: str
    base: float
    now: float
    percent: float
    below: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All figures that both have, and what only one of them has. `fail_below` in percent; null only tells.

    `missing`: measurements of the base that were asked for, too, and could not be made; not those that this run left
    out on purpose, by `--ip-families` or `--single-node`. With a limit they count as failed.
    """

    base: str
    fail_below: float | None
    figures: tuple[Compared, ...]
    not_in_base: tuple[str, ...] = ()
    not_measured_now: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def below(self) -> tuple[Compared, ...]:
        """The figures that are too bad."""
        return tuple(figure for figure in self.figures if figure.below)

    @property
    def ok(self) -> bool:
        """Whether nothing is too bad; with a limit, something must have been compared, and nothing be missing."""
        return self.fail_below is None or (bool(self.figures) and not self.below and not self.lost)

    @property
    def lost(self) -> tuple[str, ...]:
        """The measurements that are missing, when that is a failure."""
        return self.missing if self.fail_below is not None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Perf:
    """The whole run. `duration` of each measurement and `seconds` by part: `setup`, `measuring`, `cleanup`.

    `left` are namespaces that could not be taken away.
    """

    kind: ClassVar[str] = "ConnectivityPerf"

    context: str
    nodes: tuple[str, ...]
    duration: int
    streams: int
    image: str
    measurements: tuple[Measurement, ...]
    comparison: Comparison | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether something was measured, nothing failed, and nothing is below the base."""
        good = self.count("measured") > 0 and not self.count("error")
        return good and (self.comparison is None or self.comparison.ok)

    def count(self, outcome: Outcome) -> int:
        """How many measurements ended so."""
        return sum(one.outcome == outcome for one in self.measurements)

    @property
    def names(self) -> tuple[str, ...]:
        """The measurements that failed, are below the base, or are missing beside it, for `-o name`."""
        bad: set[str] = set()
        if self.comparison is not None:
            bad = {figure.measurement for figure in self.comparison.below} | set(self.comparison.lost)
        return tuple(one.name for one in self.measurements if one.outcome == "error" or one.name in bad)


def percentile(histogram: Sequence[tuple[int, int]], percent: float) -> float:
    """The value that so many percent of all are not above: pairs of value and count, in order. 0 of nothing."""
    total = sum(count for _value, count in histogram)
    seen = 0
    for value, count in histogram:
        seen += count
        if seen * 100 >= total * percent:
            return float(value)
    return 0.0


def against_hosts(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The measurements, those between pods with their share of what is possible from host to host."""
    hosts = {(one.quantity, one.family): one.rate for one in measurements if one.path == "host-to-host"}
    return tuple(
        replace(one, of_host=100 * one.rate / host)
        if one.path != "host-to-host"
        and one.outcome == "measured"
        and (host := hosts.get((one.quantity, one.family), 0.0))
        else one
        for one in measurements
    )


def bits(value: float) -> str:
    """Bits a second, as `9.41 Gbit/s`."""
    for size, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if value >= size:
            return f"{_three(value / size)} {unit}"
    return f"{value:.0f} bit/s"


def micros(value: float) -> str:
    """Microseconds, as `83 µs` or, when they are many, `12.3 ms`."""
    return f"{value:.0f} µs" if value < 10_000 else f"{_three(value / 1000)} ms"


def requests(value: float) -> str:
    """Requests a second, as `12345 req/s`."""
    return f"{value:.0f} req/s" if value >= 10 else f"{value:.1f} req/s"


def _three(value: float) -> str:
    """A number with three digits."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
