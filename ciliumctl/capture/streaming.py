"""Capture into a stream, for `wireshark -k -i -`: packets as they come, of several targets in the order of their time.

That costs, for each target, one exec to compile the filter, one for as long as it lasts, and what its place costs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from ciliumctl.capture import ending, filters
from ciliumctl.capture.crew import TIDYING, Crew, Job, announce, gathered, note_early_end, opened, why_ended
from ciliumctl.capture.merging import Live
from ciliumctl.capture.model import Capture, Ended, Target, Wanted
from ciliumctl.capture.pcap import Packet, Reader
from ciliumctl.capture.writing import Merged, names_of
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, OutsideError
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, overtime

# Seconds between two looks at what waits to be written.
_TICK = 0.2
_LATE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Where packets go: a binary stream, and how to tell that nobody reads it any more. `merge` makes it pcapng."""

    out: BinaryIO
    gone: Callable[[], bool]
    merge: bool = False


def stream(
    kube: Kube, wanted: Wanted, targets: tuple[Target, ...], to: Stream, report: Reporter
) -> tuple[Capture, CiliumctlError | None]:
    """Capture into a stream until the limits, until an interrupt, or until nobody reads it any more.

    Returns what came of it, and the error with which the command ends when that is not all.

    Raises:
        UsageError: tcpdump does not take the filter, or there is no such interface; nothing was captured.
    """
    began = time.monotonic()
    crew = gathered(kube, wanted, targets, report)
    announce(crew)
    with opened(crew), report.step(f"Capturing {ending.targets_of(crew)}") as step:
        work = _Work(crew, to)
        with work.ticking():
            stopped, raised = ending.until_interrupted(work.all)
            if stopped:
                with overtime(kube, seconds=TIDYING):
                    work.stop("interrupted")
                    work.wait(_LATE / 2)
        work.close()
        step.finish(f"{sum(job.captured.packets for job in crew.jobs)} packets")
    result = crew.result(merged="-" if to.merge else "", seconds=time.monotonic() - began)
    return result, work.problem or ending.error_of(result, crew, raised)


@dataclass(kw_only=True)
class _Tally:
    """What came of one target so far."""

    reader: Reader = field(default_factory=Reader)
    packets: int = 0
    bytes: int = 0
    full: bool = False
    said: bytearray = field(default_factory=bytearray)


class _Work:
    """The streams of all targets, on their way into one."""

    def __init__(self, crew: Crew, to: Stream) -> None:
        self._crew = crew
        self._to = to
        self._lock = threading.Lock()
        self._why: Ended = ""
        self._over = threading.Event()
        self._told: set[str] = set()
        self.problem: CiliumctlError | None = None
        self.ended = {job.target.key: threading.Event() for job in crew.jobs}
        self._merged: Merged | None = None
        self._live: Live | None = None
        if to.merge:
            about = ending.targets_of(crew)
            self._merged = Merged(self._write, about, names_of(tuple(job.target for job in crew.jobs)))
            self._live = Live(self._merged.packet)

    def all(self) -> None:
        """Carry the packets of all targets, none of which waits for the end of another."""
        self._crew.each(self._one, limit=len(self._crew.jobs))

    def wait(self, seconds: float) -> None:
        """Wait until all have ended that began, `seconds` at most."""
        until = Deadline.after(seconds)
        for job in self._crew.able:
            self.ended[job.target.key].wait(until.left(seconds))

    def _one(self, job: Job) -> None:
        """Carry the packets of one target until its tcpdump ends."""
        tally = _Tally()
        try:
            code = self._carry(job, tally)
            self._note(job, tally, code)
        finally:
            self.ended[job.target.key].set()

    def _carry(self, job: Job, tally: _Tally) -> int:
        crew, place = self._crew, job.there
        limits = crew.wanted.limits
        words = filters.arguments(place.plan.interface, limits, crew.wanted.filter, "-")
        command = place.script("stream", job.folder, str(round(limits.seconds)), *place.prefix, *words)
        with crew.kube.open_exec(place.namespace, place.pod, command, container=place.container) as running:
            for channel, piece in running.frames(crew.kube.deadline.within(limits.seconds + _LATE)):
                if channel == "stderr":
                    tally.said += piece
                elif not self._take(job, tally, piece):
                    # What is on its way is read to the end, so that tcpdump can tell its counts.
                    self._end(job)
            return running.exit_code

    def _take(self, job: Job, tally: _Tally, piece: bytes) -> bool:
        """Pass packets on. Returns whether more are wanted."""
        begun = tally.reader.header is not None
        packets = tally.reader.feed(piece)
        for packet in packets:
            begun = self._begin(job, tally, begun=begun)
            tally.full = tally.full or tally.bytes + len(packet.record) > self._crew.wanted.limits.size
            if tally.full or self._over.is_set():
                continue
            tally.packets += 1
            tally.bytes += len(packet.record)
            self._pass(job, packet)
        self._begin(job, tally, begun=begun)
        if self._live is None:
            self._flush()
        return not (tally.full or self._over.is_set())

    def _begin(self, job: Job, tally: _Tally, *, begun: bool) -> bool:
        header = tally.reader.header
        if header is None or begun:
            return begun
        if self._merged is not None:
            with self._lock:
                filter_ = self._crew.wanted.filter
                self._merged.declare(self._number(job), job.target.key, ending.about(job), header, filter_)
        else:
            self._write(header.raw)
        return True

    def _number(self, job: Job) -> int:
        return self._crew.jobs.index(job)

    def _pass(self, job: Job, packet: Packet) -> None:
        if self._live is not None:
            with self._lock:
                self._live.add(self._number(job), packet)
        else:
            self._write(packet.record)

    def _write(self, data: bytes) -> None:
        """Write; a reader that has gone had enough."""
        if self._over.is_set() and self._why == "reader gone":
            return
        with self._writing():
            self._to.out.write(data)

    def _flush(self) -> None:
        with self._writing():
            self._to.out.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Where nothing can be written any more, all captures end; a full disk, unlike a closed pipe, is an error."""
        try:
            yield
        except (BrokenPipeError, ValueError):
            self._reader_gone()
        except OSError as error:
            self.problem = self.problem or OutsideError(f"the packets cannot be written: {error.strerror or error}")
            self._reader_gone()

    def _reader_gone(self) -> None:
        self._why = self._why or "reader gone"
        self._over.set()

    def stop(self, why: Ended) -> None:
        """End all captures; what they still say is read."""
        self._why = self._why or why
        self._over.set()
        self._crew.each(self._end)

    def _end(self, job: Job) -> None:
        with self._lock:
            told = job.target.key in self._told
            self._told.add(job.target.key)
        if not told and not self.ended[job.target.key].is_set():
            job.there.run(self._crew.kube, "end", job.folder)

    def _note(self, job: Job, tally: _Tally, code: int) -> None:
        said = tally.said.decode("utf-8", "replace")
        received, dropped = filters.counts(said)
        ended = why_ended(full=tally.full, stopped=False, packets=tally.packets, limit=self._crew.wanted.limits.packets)
        job.captured = replace(
            job.captured,
            file="-",
            packets=tally.packets,
            bytes=tally.bytes,
            received=received,
            dropped=dropped,
            ended=self._why or ended,
        )
        if not self._over.is_set():
            note_early_end(job, code, said)

    def ticking(self) -> _Ticks:
        """Write what has waited long enough, and look whether somebody still reads, for the time of a block."""
        return _Ticks(self._tick)

    def _tick(self) -> None:
        if self._live is not None:
            with self._lock:
                self._live.tick()
            self._flush()
        if not self._over.is_set() and self._to.gone():
            self._reader_gone()
        if self._over.is_set() and self._why == "reader gone":
            self._crew.each(self._end)

    def close(self) -> None:
        """Write what is left, and what was missed."""
        if self._live is not None and self._merged is not None:
            self._live.close()
            for job in self._crew.jobs:
                self._merged.end(self._number(job), job.captured.received, job.captured.dropped)
        self._flush()


class _Ticks:
    """Calls something every so often, on a thread, until the block ends."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture-ticks", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join(_LATE)

    def _run(self) -> None:
        while not self._end.wait(_TICK):
            self._work()
