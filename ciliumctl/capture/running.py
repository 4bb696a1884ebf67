"""Capture into files: tcpdump writes where the packets are, whatever becomes of the connection; then they are read.

That costs, for each target, one exec to compile the filter, one to begin, one as long as it lasts, one to read, and
what its place costs (`places`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ciliumctl.capture import ending, filters, flows, reading
from ciliumctl.capture.crew import TIDYING, Crew, Job, announce, gathered, note_early_end, opened, why_ended
from ciliumctl.capture.model import Capture, Target, Wanted
from ciliumctl.capture.places import failed
from ciliumctl.capture.writing import Destination
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import ApiFailed, CiliumctlError, TimedOut, Unreachable
from ciliumctl.files import new_file
from ciliumctl.report import Reporter, Step
from ciliumctl.wait import overtime, poll

# Seconds for tcpdump to begin, and those that it may end late.
_BEGINS = 30.0
_LATE = 30.0
_GONE = 9


def preview(kube: Kube, wanted: Wanted, targets: tuple[Target, ...], report: Reporter) -> Capture:
    """What would be created for each target, and nothing of it is. Raises `UsageError`."""
    crew = gathered(kube, wanted, targets, report)
    return replace(crew.result(), dry_run=True)


def capture(
    kube: Kube, wanted: Wanted, targets: tuple[Target, ...], out: Destination, report: Reporter
) -> tuple[Capture, CiliumctlError | None]:
    """Capture each target until its limits, or until an interrupt, and write the files.

    Returns what came of it, and the error with which the command ends when that is not all: an interrupt, targets of
    which nothing came, flows that were asked for and are not there.

    Raises:
        UsageError: tcpdump does not take the filter, or there is no such interface; nothing was captured.
    """
    began = time.monotonic()
    crew = gathered(kube, wanted, targets, report)
    announce(crew)
    with opened(crew):
        since = datetime.now(UTC)
        crew.each(partial(_begin, crew))
        stopped = _wait(crew)
        with overtime(kube, seconds=TIDYING), report.step("Reading what was captured") as step:
            reading.read(crew, out)
            if wanted.flows is not False:
                _ask_flows(crew, out, since)
            step.finish(f"{sum(job.captured.packets for job in crew.jobs)} packets")
    merged = str(out.path) if out.merge and any(job.captured.file for job in crew.jobs) else ""
    result = crew.result(merged=merged, seconds=time.monotonic() - began)
    return result, ending.error_of(result, crew, stopped)


def _begin(crew: Crew, job: Job) -> None:
    place, limits = job.there, crew.wanted.limits
    words = filters.arguments(place.plan.interface, limits, crew.wanted.filter, f"{job.folder}/pcap")
    seconds, size = str(round(limits.seconds)), str(limits.size)
    ran = place.run(crew.kube, "begin", job.folder, seconds, size, *place.prefix, *words, timeout=_BEGINS)
    if ran.code:
        raise failed(job.target, ran.stderr.decode("utf-8", "replace"))


def _wait(crew: Crew) -> BaseException | None:
    """Wait until all have ended. After an interrupt they are told to; what it was comes back."""
    with crew.report.step(f"Capturing {ending.targets_of(crew)}") as step:
        show = _Progress(crew, step)
        stopped, raised = ending.until_interrupted(lambda: crew.each(_lenient(partial(_follow, crew, show))))
        if stopped:
            crew.stopping.set()
            with overtime(crew.kube, seconds=TIDYING):
                crew.each(_lenient(partial(_end, crew)))
                crew.each(_lenient(partial(_follow, crew, show, stopped=True)))
        step.finish("interrupted" if stopped else "")
    return raised


def _lenient(work: Callable[[Job], None]) -> Callable[[Job], None]:
    """Work whose failure keeps nobody from reading what was captured until then."""

    def lenient(job: Job) -> None:
        try:
            work(job)
        except _Lost:
            raise
        except CiliumctlError as error:
            job.captured = replace(job.captured, ended="lost", reason=f"its end was not seen: {error.message}")

    return lenient


class _Progress:
    """How much there is so far."""

    def __init__(self, crew: Crew, step: Step) -> None:
        self._sizes: dict[str, int] = {}
        self._until = time.monotonic() + crew.wanted.limits.seconds
        self._step = step

    def __call__(self, job: Job, size: int) -> None:
        self._sizes[job.target.key] = size
        left = max(0.0, self._until - time.monotonic())
        self._step.glance(f"{sum(self._sizes.values()) / 1024**2:.1f} MiB, at most {left:.0f} s more; Ctrl-C ends it")


def _end(crew: Crew, job: Job) -> None:
    job.there.run(crew.kube, "end", job.folder)


def _follow(crew: Crew, show: Callable[[Job, int], None], job: Job, *, stopped: bool = False) -> None:
    """Wait for the end of one; where the connection is cut, with a new one."""
    problems: list[CiliumctlError] = []

    def look() -> bool:
        try:
            _watch(crew, show, job, stopped=stopped)
        except (ApiFailed, Unreachable, TimedOut) as error:
            problems.append(error)
            return isinstance(error, _Lost)
        problems.clear()
        return True

    seconds = _LATE if stopped else crew.wanted.limits.seconds + _LATE
    poll(look, bool, deadline=crew.kube.deadline.within(seconds), interval=1.0)
    if problems:
        raise problems[-1]


class _Lost(ApiFailed):
    """The capture is not there any more: no use in asking again."""


def _watch(crew: Crew, show: Callable[[Job, int], None], job: Job, *, stopped: bool) -> None:
    place, text, said = job.there, "", bytearray()
    command = place.script("watch", job.folder)
    seconds = crew.wanted.limits.seconds + _LATE
    with crew.kube.open_exec(place.namespace, place.pod, command, container=place.container) as running:
        for channel, piece in running.frames(crew.kube.deadline.within(seconds)):
            if channel == "stderr":
                said += piece
                continue
            text += piece.decode("utf-8", "replace")
            last = text.rstrip("\n").rsplit("\n", 1)[-1].split()
            if last[:1] == ["size"] and len(last) == 2 and text.endswith("\n"):
                show(job, int(last[1]))
                text = ""
        code = running.exit_code
    if code == _GONE:
        raise _Lost(f"the capture of {job.target.words} is gone", hint="its container was restarted; run it again")
    if stopped or not crew.stopping.is_set():
        _note_end(crew, job, text, said.decode("utf-8", "replace"), stopped=stopped)


def _note_end(crew: Crew, job: Job, text: str, said: str, *, stopped: bool) -> None:
    words = text.split()
    full = "full" in words
    code = int(words[words.index("end") + 1]) if "end" in words else 1
    received, dropped = filters.counts(said)
    ended = why_ended(full=full, stopped=stopped, packets=filters.captured(said), limit=crew.wanted.limits.packets)
    job.captured = replace(job.captured, received=received, dropped=dropped, ended=ended, reason="")
    note_early_end(job, code, said)


def _ask_flows(crew: Crew, out: Destination, since: datetime) -> None:
    """Put the flows beside the packets; where Hubble does not answer, that is told and no failure of the capture."""
    lines: dict[str, list[str]] = {}
    crew.each(lambda job: _flows_of(crew, job, since, out, lines))
    for file, some in lines.items():
        some.sort(key=flows.by_time)
        with new_file(Path(file)) as opened_file:
            opened_file.write("".join(f"{line}\n" for line in some).encode())


def _flows_of(crew: Crew, job: Job, since: datetime, out: Destination, lines: dict[str, list[str]]) -> None:
    first, last = job.window
    when = flows.window(first, last) if first else flows.Window(since=since, until=datetime.now(UTC))
    try:
        found = flows.ask(crew.kube, job.target, when, crew.wanted.cilium, flows.MOST // len(crew.jobs))
    except CiliumctlError as error:
        job.captured = replace(job.captured, missing=error.message)
        return
    file = str(out.flows_of(job.target))
    lines.setdefault(file, []).extend(found.lines)
    more = f"only the first {len(found.lines)} were taken" if found.cut else ""
    job.captured = replace(job.captured, flows=file, flow_count=len(found.lines), missing=more)
