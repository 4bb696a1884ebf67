"""How measurements look: tables with bars, what was not measured, the figures beside an earlier run's, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.connectivity.perf import Compared, Comparison, Measurement, Perf

_BAR = 16
_PATHS = {"same-node": "pods, same node", "other-node": "pods, other node", "host-to-host": "host to host"}


def render(out: Writer, result: Perf) -> None:
    """A table for each quantity, what is left out, the comparison, the verdict."""
    from ciliumctl.connectivity import perf

    done = [one for one in result.measurements if one.outcome == "measured"]
    _throughput(out, [one for one in done if one.quantity == "throughput"])
    _latency(out, [one for one in done if one.quantity == "latency"])
    _left_out(out, result.measurements)
    if result.comparison is not None:
        _comparison(out, result.comparison)
    for remark in perf.remarks(result):
        out.line(remark)
    out.line(*_verdict(result))
    out.line((_how(result), "dim"))


def _throughput(out: Writer, done: Sequence[Measurement]) -> None:
    from ciliumctl.connectivity.perf import bits

    rows = [
        (*_start(one, bits(one.rate), bar), str(one.throughput.retransmits))
        for one, bar in zip(done, _bars(done), strict=True)
        if one.throughput is not None
    ]
    _table(out, ("TCP throughput", "", "arrives", "", "of host to host", "retransmits"), rows)


def _latency(out: Writer, done: Sequence[Measurement]) -> None:
    from ciliumctl.connectivity.perf import micros, requests

    rows = [
        (
            *_start(one, requests(one.rate), bar),
            *(micros(value) for value in (times.p50, times.p90, times.p99, times.max)),
        )
        for one, bar in zip(done, _bars(done), strict=True)
        if (times := one.latency) is not None
    ]
    _table(out, ("TCP latency", "", "requests", "", "of host to host", "p50", "p90", "p99", "max"), rows)


def _start(one: Measurement, figure: str, bar: str) -> tuple[str, ...]:
    share = f"{one.of_host:.0f} %" if one.of_host is not None else ""
    return (_PATHS[one.path], f"IPv{one.family}", figure, bar, share)


def _bars(done: Sequence[Measurement]) -> list[str]:
    """Each rate as a bar, the greatest as long as may be."""
    most = max((one.rate for one in done), default=0.0) or 1.0
    return ["█" * max(1, round(_BAR * one.rate / most)) for one in done]


def _table(out: Writer, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    if rows:
        out.table(columns, rows)
        out.line()


def _left_out(out: Writer, measurements: Sequence[Measurement]) -> None:
    """What failed, each with its reason; what was skipped, by reason."""
    bad = [one for one in measurements if one.outcome == "error"]
    for one in bad:
        where = f", from {one.source_node} to {one.address} on {one.target_node}: "
        out.line(("✗ ", "bad"), one.about, where, one.reason)
    reasons: dict[str, list[str]] = {}
    for one in measurements:
        if one.outcome == "skipped":
            reasons.setdefault(one.reason, []).append(one.name)
    for reason, names in reasons.items():
        out.line(("• ", "dim"), "skipped: ", reason, (f": {', '.join(names)}", "dim"))
    if bad or reasons:
        out.line()


def _comparison(out: Writer, found: Comparison) -> None:
    """Every figure beside the base's, then what cannot be compared, and why."""
    rows = [_compared(figure, told=found.fail_below is not None) for figure in found.figures]
    out.table(("", "figure", "", "base", "now", "of the base"), rows)
    not_now = [name for name in found.not_measured_now if name not in found.lost]
    for words, names in (("not in the base", found.not_in_base), ("not measured now", not_now)):
        if names:
            out.line(("• ", "dim"), words, (f": {', '.join(names)}", "dim"))
    for difference in found.differences:
        out.line(("⚠ ", "warn"), difference)
    out.line(("100 % is as good as the base; a latency that is twice as long is 50 %", "dim"))
    out.line()
    if found.lost:
        what = "one measurement" if len(found.lost) == 1 else f"{len(found.lost)} measurements"
        out.line(("✗ ", "bad"), f"{what} of {found.base} could not be made now", (f": {', '.join(found.lost)}", "dim"))
    if not found.figures:
        out.line(("✗ ", "bad"), f"nothing can be compared with {found.base}")
    elif found.below:
        verb = "is" if len(found.below) == 1 else "are"
        out.line(("✗ ", "bad"), f"{len(found.below)} of {len(found.figures)} figures {verb} below {_limit(found)}")
    elif found.fail_below is not None:
        out.line(("✔ ", "good"), f"all {len(found.figures)} figures that both have are at least {_limit(found)}")


def _limit(found: Comparison) -> str:
    return f"{found.fail_below:g} % of {found.base}"


def _compared(figure: Compared, *, told: bool) -> tuple[Cell, ...]:
    from ciliumctl.connectivity.perf import FIGURES

    text = FIGURES[figure.figure].text
    sign: Cell = ("✗ ", "bad") if figure.below else ("✔ ", "good") if told else ""
    share: Cell = (f"{figure.percent:.0f} %", "bad") if figure.below else f"{figure.percent:.0f} %"
    return (sign, figure.measurement, figure.figure, text(figure.base), text(figure.now), share)


def _verdict(result: Perf) -> tuple[Cell, ...]:
    count = result.count
    counts = f"{count('measured')} measured, {count('error')} failed, {count('skipped')} skipped"
    if result.count("error") or not result.count("measured"):
        return ("not everything could be measured", "bad"), f": {counts}"
    if not result.ok:
        slower = result.comparison is not None and bool(result.comparison.below)
        said = "the network is slower than it was" if slower else "the network cannot be held against what it was"
        return (said, "bad"), f": {counts}"
    return ("the network was measured", "good"), f": {counts}"


def _how(result: Perf) -> str:
    streams = "one connection" if result.streams == 1 else f"{result.streams} connections"
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    return f"{' to '.join(result.nodes)} of {result.context}, {streams}, {result.duration} s each; {took}"
