"""A run's result as test suites, one for each quantity, a case for each measurement; and what is worth a remark."""

from __future__ import annotations

from collections.abc import Mapping

from ciliumctl.connectivity.perf.comparing import FIGURES
from ciliumctl.connectivity.perf.result import PATHS, QUANTITIES, Compared, Measurement, Perf
from ciliumctl.connectivity.perf.running import figures
from ciliumctl.reports import Case, Outcome, Suite

TITLE = "ciliumctl connectivity perf"


def suites(result: Perf) -> list[Suite]:
    """The suites of a run."""
    properties = {
        "context": result.context,
        "nodes": ", ".join(result.nodes),
        "duration": f"{result.duration} s",
        "streams": str(result.streams),
    }
    return [
        Suite(
            name=quantity,
            cases=tuple(_case(one, result) for one in result.measurements if one.quantity == quantity),
            properties=properties,
        )
        for quantity in QUANTITIES
    ]


def _case(one: Measurement, result: Perf) -> Case:
    below = (
        [figure for figure in result.comparison.below if figure.measurement == one.name] if result.comparison else []
    )
    lost = result.comparison is not None and one.name in result.comparison.lost
    outcomes: Mapping[str, Outcome] = {"measured": "failed" if below else "passed", "error": "error"}
    reason = f"the base has it, and it was not measured now: {one.reason}" if lost else one.reason
    return Case(
        name=one.name,
        about=one.about,
        outcome=outcomes.get(one.outcome, "failed" if lost else "skipped"),
        seconds=one.seconds,
        message="; ".join(map(beside, below)) or reason or figures(one),
        details=(f"from {one.source_node} to {one.address} on {one.target_node}", figures(one)) if one.seconds else (),
    )


def beside(figure: Compared) -> str:
    """A figure beside the base's, in words."""
    text = FIGURES[figure.figure].text
    return f"{figure.figure} {text(figure.now)}, {figure.percent:.0f} % of the base's {text(figure.base)}"


def remarks(result: Perf) -> tuple[str, ...]:
    """What people want to know first: how much of the hosts' own network pods have."""
    told = []
    for family in sorted({one.family for one in result.measurements}):
        shares = {
            one.quantity: one.of_host
            for one in result.measurements
            if one.path == "other-node" and one.family == family and one.of_host is not None
        }
        words = {"throughput": "of the throughput", "latency": "of the request rate"}
        parts = [f"{shares[quantity]:.0f} % {words[quantity]}" for quantity in QUANTITIES if quantity in shares]
        if parts:
            told.append(f"{PATHS['other-node']} over IPv{family}: {' and '.join(parts)} of host to host")
    return tuple(told)
