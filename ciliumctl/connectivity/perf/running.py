"""A whole run: the pods, one measurement after the other, what is told meanwhile, nothing left afterwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import deploy, looking, session
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.perf import bed as beds
from ciliumctl.connectivity.perf import comparing
from ciliumctl.connectivity.perf.bed import Bed
from ciliumctl.connectivity.perf.measure import SLACK, How, measure, placed, planned
from ciliumctl.connectivity.perf.result import Measurement, Perf, against_hosts, bits, micros, requests
from ciliumctl.errors import CiliumctlError, TimedOut
from ciliumctl.report import Outcome as Ended
from ciliumctl.report import Reporter

#: Seconds that making and removing the pods may need.
_AROUND = 420
_TOO_LATE = "the time was up before it began"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to measure, and how. `duration` of one measurement in seconds; `fail_below` in percent of `base`."""

    owner: str
    namespace: str
    duration: int
    streams: int = 1
    settings: Settings = field(default_factory=Settings)
    compare: Path | None = None
    fail_below: float | None = None

    @property
    def longest(self) -> float:
        """Seconds in which all is done."""
        return _AROUND + len(planned(self.settings.families)) * (self.duration + SLACK)


def run(kube: Kube, wanted: Wanted, report: Reporter) -> Perf:
    """Make the pods, measure, clean up: always, whatever ends it.

    Raises:
        UsageError, BadFile, Refused, Forbidden, OutsideError, TimedOut: nothing could be measured.
    """
    settings = wanted.settings
    settings.check()
    base = comparing.read(wanted.compare) if wanted.compare is not None else None
    how = How(duration=wanted.duration, streams=wanted.streams, image=settings.image(beds.IMAGE))
    began = time.monotonic()
    with report.step("Looking at the cluster") as step:
        world = looking.look(kube, settings, wanted.namespace)
        step.finish(f"measuring on {' and '.join(node.name for node in world.nodes)}")
    deploy.check_rights(kube)
    mark = session.new(wanted.owner, "perf")
    report.resume = "`ciliumctl connectivity cleanup` removes what is left"
    try:
        bed = beds.make(kube, mark, world, settings, report)
        ready = time.monotonic()
        wishes = [placed(one, bed, world) for one in planned(settings.families)]
        done = against_hosts(_all(kube, wishes, bed, how, report))
        ended = time.monotonic()
    except BaseException:
        deploy.take_away(kube, beds.namespaces(mark, world), report)
        raise
    left = deploy.take_away(kube, beds.namespaces(mark, world), report)
    result = Perf(
        context=kube.context,
        nodes=tuple(node.name for node in world.nodes),
        duration=how.duration,
        streams=how.streams,
        image=how.image,
        measurements=done,
        left=left,
        seconds={"setup": ready - began, "measuring": ended - ready, "cleanup": time.monotonic() - ended},
    )
    if base is None:
        return result
    compared = comparing.compare(result, base, wanted.fail_below, single_node=settings.single_node)
    return replace(result, comparison=compared)


def _all(kube: Kube, wishes: Sequence[Measurement], bed: Bed, how: How, report: Reporter) -> list[Measurement]:
    """One after the other: two at once would measure each other."""
    able = sum(not one.reason for one in wishes)
    done: list[Measurement] = []
    with report.step(f"Measuring {able} times {how.duration} s") as step:
        for one in wishes:
            if one.reason:
                done.append(one)
                continue
            step.glance(f"{sum(bool(other.seconds) for other in done)} of {able}", [one.about])
            found = _one(kube, one, bed, how)
            report.ended(found.about, *_told(found), found.seconds)
            done.append(found)
        failed = sum(one.outcome == "error" for one in done)
        step.finish(f"{failed} failed" if failed else "all done", outcome="failed" if failed else "done")
    return done


def _one(kube: Kube, one: Measurement, bed: Bed, how: How) -> Measurement:
    if kube.deadline.left() < how.duration:
        return replace(one, outcome="error", reason=_TOO_LATE)
    return measure(kube, one, bed, how)


def _told(one: Measurement) -> tuple[Ended, str]:
    return ("failed", one.reason) if one.outcome == "error" else ("done", figures(one))


def figures(one: Measurement) -> str:
    """What was measured, in a few words; empty when nothing was."""
    if one.throughput is not None:
        return bits(one.throughput.bits_per_second)
    if one.latency is not None:
        return (
            f"{requests(one.latency.requests_per_second)}, p50 {micros(one.latency.p50)}, p99 {micros(one.latency.p99)}"
        )
    return ""


def incomplete(result: Perf, kube: Kube) -> CiliumctlError | None:
    """The error of a run that did not come to its whole end: its time was up, or its pods are still there."""
    reasons = {one.reason for one in result.measurements if one.outcome == "error"}
    if reasons and (_TOO_LATE in reasons or kube.deadline.passed):
        return TimedOut(
            "the time was up before everything was measured", hint="raise `--timeout`, or lower `--duration`"
        )
    return deploy.still_there(result.left) if result.ok and result.left else None
