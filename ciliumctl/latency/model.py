"""What a look at the nodes' latency comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import ClassVar, Literal

#: What a pair has a figure for: to the node's own address or into its pod network, by echo requests or by HTTP.
Way = Literal["node-icmp", "node-http", "pod-icmp", "pod-http", "pod-tcp"]
WAYS: dict[Way, str] = {
    "node-icmp": "to the node, ICMP",
    "node-http": "to the node's agent, HTTP",
    "pod-icmp": "into the pod network, ICMP",
    "pod-http": "into the pod network, HTTP",
    "pod-tcp": "pod to pod, TCP",
}
_BY_WORDS: dict[tuple[str, str], Way] = {
    ("node", "icmp"): "node-icmp",
    ("node", "http"): "node-http",
    ("pod", "icmp"): "pod-icmp",
    ("pod", "http"): "pod-http",
}
#: Nodes up to which every pair is kept; above, those that are unreachable or slowest.
KEPT = 100
#: Pairs that are named at most of those that do not reach each other.
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """From one node to another: milliseconds by way, and why one of the ways does not get through."""

    source: str
    target: str
    times: Mapping[str, float]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """A node: how many it reaches, how many reach it, its median and worst time to others in milliseconds.

    `problem` says why it could not be asked; `probed` is when its agent last probed.
    """

    name: str
    asked: bool = False
    problem: str = ""
    probed: str = ""
    others: int = 0
    reaches: int = 0
    told_by: int = 0
    reached_by: int = 0
    median: float | None = None
    worst: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The matrix, or above `KEPT` nodes what is worth knowing of it. `pairs_total` counts what was told."""

    kind: ClassVar[str] = "Latency"

    context: str
    how: Literal["agents", "pods"]
    way: Way
    nodes: tuple[NodeLine, ...]
    pairs: tuple[Pair, ...]
    slowest: tuple[Pair, ...]
    pairs_total: int
    unreachable: int
    left: tuple[str, ...] = ()
    left_out: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every pair that is known reaches each other, and every node could be asked."""
        return not self.unreachable and not self.silent

    @property
    def silent(self) -> tuple[NodeLine, ...]:
        """The nodes that could not be asked."""
        return tuple(node for node in self.nodes if node.problem)

    @property
    def broken(self) -> tuple[Pair, ...]:
        """The pairs that do not reach each other, as far as they are kept."""
        return tuple(pair for pair in self.pairs if pair.problem)

    @property
    def names(self) -> tuple[str, ...]:
        """The pairs that do not reach each other, for `-o name`."""
        return tuple(f"{pair.source}/{pair.target}" for pair in self.broken)


@dataclass(slots=True)
class Tally:
    """Put together from one node's answer after the other; keeps what a result needs, and no more.

    A thousand nodes make a million pairs: those that are neither broken nor slow are counted, and forgotten.
    """

    way: Way
    count: int
    worst: int
    pairs: list[Pair]
    slow: list[Pair]
    lines: dict[str, NodeLine]
    told: dict[str, list[int]]
    total: int = 0
    unreachable: int = 0

    @classmethod
    def of(cls, way: Way, count: int, worst: int) -> Tally:
        """An empty one, for `count` nodes; the `worst` slowest pairs are kept."""
        return cls(way=way, count=count, worst=worst, pairs=[], slow=[], lines={}, told={})

    def silent(self, name: str, problem: str) -> None:
        """A node that could not be asked."""
        self.lines[name] = NodeLine(name=name, problem=problem)

    def add(self, name: str, probed: str, pairs: Iterable[Pair]) -> None:
        """What one node says of the others."""
        found = list(pairs)
        times = sorted(pair.times[self.way] for pair in found if self.way in pair.times)
        fine = [pair for pair in found if not pair.problem]
        self.lines[name] = NodeLine(
            name=name,
            asked=True,
            probed=probed,
            others=len(found),
            reaches=len(fine),
            median=median(times) if times else None,
            worst=times[-1] if times else None,
        )
        for pair in found:
            told = self.told.setdefault(pair.target, [0, 0])
            told[0] += 1
            told[1] += not pair.problem
        self.total += len(found)
        self.unreachable += len(found) - len(fine)
        broken = [pair for pair in found if pair.problem]
        self.pairs += found if self.count <= KEPT else broken[: max(0, MOST - len(self.pairs))]
        measured = [pair for pair in found if self.way in pair.times]
        self.slow = sorted([*self.slow, *measured], key=self._slowness)[: self.worst]

    def _slowness(self, pair: Pair) -> tuple[float, str, str]:
        # The same order whoever answers first.
        return -pair.times[self.way], pair.source, pair.target

    def nodes(self) -> tuple[NodeLine, ...]:
        """Every node that was asked or told of, by name."""
        names = sorted({*self.lines, *self.told})
        return tuple(self._line(name) for name in names)

    def result(self, *, context: str, how: Literal["agents", "pods"], seconds: float) -> Latency:
        """What all of it comes to."""
        return Latency(
            context=context,
            how=how,
            way=self.way,
            nodes=self.nodes(),
            pairs=tuple(sorted(self.pairs, key=lambda pair: (pair.source, pair.target))),
            slowest=tuple(self.slow),
            pairs_total=self.total,
            unreachable=self.unreachable,
            seconds=seconds,
        )

    def _line(self, name: str) -> NodeLine:
        line = self.lines.get(name, NodeLine(name=name))
        told_by, reached_by = self.told.get(name, (0, 0))
        return replace(line, told_by=told_by, reached_by=reached_by)


def way(path: str, protocol: str) -> Way:
    """The agents' probe by where it goes, `node` or `pod`, and its protocol, `icmp` or `http`."""
    return _BY_WORDS[path, protocol]


def milliseconds(value: float | None) -> str:
    """A time in as many digits as are worth reading."""
    if value is None:
        return "?"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
