"""How latencies look: a matrix of few nodes, the slowest pairs of many, who does not reach whom, the verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Cell, Render, Writer

if TYPE_CHECKING:
    from ciliumctl.latency import Latency, Pair

#: Nodes that are shown as a matrix.
_MATRIX = 20
_MOST = 10


def render(*, wide: bool) -> Render:
    """The renderer; a line a node when wide."""
    return lambda out, result: _show(out, result, wide=wide)


def _show(out: Writer, result: Latency, *, wide: bool) -> None:
    if 1 < len(result.nodes) <= _MATRIX:
        _matrix(out, result)
    if wide:
        _lines(out, result)
    if result.slowest and (wide or len(result.nodes) > 2):
        _slowest(out, result)
    _broken(out, result)
    for node in result.silent[:_MOST]:
        out.line(("⚠ ", "warn"), f"{node.name} was not asked: {node.problem}")
    if len(result.silent) > _MOST:
        out.line(("⚠ ", "warn"), f"and {len(result.silent) - _MOST} more nodes were not asked; `-o json` has them all")
    if result.left_out:
        out.line(f"{result.left_out} more nodes take pods; `--max-nodes` measures more of them")
    if result.left:
        out.line(("⚠ ", "warn"), f"left behind: namespace {', '.join(result.left)}")
    out.line(*_verdict(result))


def _matrix(out: Writer, result: Latency) -> None:
    """From the row's node to the column's, which is known by its number."""
    from ciliumctl.latency import WAYS, milliseconds

    pairs = {(pair.source, pair.target): pair for pair in result.pairs}
    names = [node.name for node in result.nodes]

    def cell(source: str, target: str) -> Cell:
        pair = pairs.get((source, target))
        if source == target:
            return ("-", "dim")
        if pair is None:
            return ("?", "dim")
        return ("✗", "bad") if pair.problem else milliseconds(pair.times.get(result.way))

    numbers = [str(number) for number in range(1, len(names) + 1)]
    rows = [
        (number, name, *(cell(name, other) for other in names)) for number, name in zip(numbers, names, strict=True)
    ]
    out.line((WAYS[result.way], "head"), ", milliseconds, from a row to a column")
    out.table(("", "from", *numbers), rows)
    out.line()


def _lines(out: Writer, result: Latency) -> None:
    from ciliumctl.latency import milliseconds

    rows = [
        (
            node.name,
            f"{node.reaches}/{node.others}" if node.asked else "?",
            f"{node.reached_by}/{node.told_by}",
            milliseconds(node.median),
            milliseconds(node.worst),
            node.probed,
        )
        for node in result.nodes
    ]
    out.table(("node", "reaches", "reached by", "median ms", "worst ms", "probed"), rows)
    out.line()


def _slowest(out: Writer, result: Latency) -> None:
    from ciliumctl.latency import milliseconds

    rows = [(pair.source, pair.target, milliseconds(pair.times.get(result.way))) for pair in result.slowest]
    out.table(("slowest from", "to", "ms"), rows)
    out.line()


def _broken(out: Writer, result: Latency) -> None:
    """Pairs that do not get through; of one node that nobody reaches, one line."""
    broken = result.broken
    told = {node.name: node.told_by for node in result.nodes}
    towards = Counter(pair.target for pair in broken)
    gone = {name for name, count in towards.items() if 2 < count == told[name]}
    first: dict[str, Pair] = {}
    for pair in broken:
        first.setdefault(pair.target, pair)
    for name in sorted(gone):
        out.line(("✗ ", "bad"), f"{name} is reached by none of {towards[name]}: {first[name].problem}")
    rest = [pair for pair in broken if pair.target not in gone]
    for pair in rest[:_MOST]:
        out.line(("✗ ", "bad"), f"{pair.source} does not reach {pair.target}: {pair.problem}")
    if len(rest) > _MOST:
        out.line(("✗ ", "bad"), f"and {len(rest) - _MOST} more pairs; `-o name` lists them")


def _verdict(result: Latency) -> tuple[Cell, ...]:
    asked = sum(node.asked for node in result.nodes)
    counts = f": {result.pairs_total} pairs, told by {asked} of {len(result.nodes)} nodes, of {result.context}"
    if result.unreachable:
        return (f"{result.unreachable} of {result.pairs_total} pairs do not reach each other", "bad"), counts
    if result.silent:
        return ("what is known reaches each other, but not all is known", "warn"), counts
    if not result.pairs_total:
        return ("there is one node only, and nothing to measure", "good"), counts
    return ("all nodes reach each other", "good"), counts
