"""Read captures from where they were made, whatever becomes of the connection: that is the only copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ciliumctl.capture import ending, filters
from ciliumctl.capture.crew import Crew, Job
from ciliumctl.capture.merging import header_of, in_order, packets_of
from ciliumctl.capture.pcap import Reader
from ciliumctl.capture.writing import Destination, Merged, names_of
from ciliumctl.errors import CiliumctlError, ClusterError, NotFound, OutsideError, TimedOut
from ciliumctl.files import new_file
from ciliumctl.wait import poll

# Seconds between two tries, and for how long it is tried without a byte: an API server needs up to half a minute to
# start, a load balancer a little more to find it. The file is kept for ten minutes.
_PAUSE = 0.5
_PATIENCE = 90.0


def read(crew: Crew, out: Destination) -> None:
    """Read all files, into their own or into one. One exec a file, and one for each time that the connection is cut."""
    out.prepare()
    if not out.merge:
        crew.each(lambda job: _into(crew, job, out.file_of(job.target), str(out.file_of(job.target))))
        return
    with TemporaryDirectory(prefix="ciliumctl-capture-") as folder:
        parts = {job.target.key: Path(folder) / job.target.file for job in crew.jobs}
        crew.each(lambda job: _into(crew, job, parts[job.target.key], str(out.path)))
        if crew.able:
            _merge(crew, parts, out.path)


def _into(crew: Crew, job: Job, path: Path, told: str) -> None:
    try:
        with new_file(path) as file:
            copy = _Copy(crew.wanted.limits.size, file)
            _fetch_all(crew, job, copy)
    except CiliumctlError as error:
        # Where it was made is the only copy, unless there is none.
        job.unread = not isinstance(error, OutsideError)
        raise
    ended = "size" if copy.full else job.captured.ended
    job.captured = replace(job.captured, file=told, packets=copy.packets, bytes=copy.size, ended=ended)
    job.window = (copy.first, copy.last)


def _fetch_all(crew: Crew, job: Job, copy: _Copy) -> None:
    """Read to the end; where the connection is cut, from there on, until nothing has come for as long as it may."""
    problems: list[CiliumctlError] = []
    until = crew.kube.deadline.within(_PATIENCE)

    def look() -> bool:
        nonlocal until
        before = copy.read
        try:
            _fetch(crew, job, copy)
        except NotFound:
            raise
        except (ClusterError, TimedOut) as error:
            # Of any kind: an API server that starts knows nobody's rights yet.
            problems.append(error)
            if copy.read > before:
                until = crew.kube.deadline.within(_PATIENCE)
            return until.passed
        problems.clear()
        return True

    poll(look, bool, deadline=crew.kube.deadline, interval=_PAUSE)
    if problems:
        raise problems[-1]


class _Copy:
    """A file on its way here: only whole packets are written, and no more than the limit."""

    def __init__(self, limit: int, file: BinaryIO) -> None:
        self.read = 0
        self.size = 0
        self.packets = 0
        self.first = 0
        self.last = 0
        self.full = False
        self._limit = limit
        self._file = file
        self._reader = Reader()

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self.read += len(data)
        for packet in self._reader.feed(data):
            self._begin()
            self.full = self.full or self.size + len(packet.record) > self._limit
            if self.full:
                continue
            self._file.write(packet.record)
            self.first = self.first or packet.nanoseconds
            self.last = max(self.last, packet.nanoseconds)
            self.packets += 1
            self.size += len(packet.record)
        # A capture without a packet is one, too.
        self._begin()

    def _begin(self) -> None:
        header = self._reader.header
        if header is not None and not self.size:
            self._file.write(header.raw)
            self.size = len(header.raw)


def _fetch(crew: Crew, job: Job, copy: _Copy) -> None:
    place = job.there
    command = place.script("fetch", job.folder, str(copy.read))
    said = bytearray()
    with crew.kube.open_exec(place.namespace, place.pod, command, container=place.container) as running:
        for channel, piece in running.frames(crew.kube.deadline):
            if channel == "stdout":
                copy.take(piece)
            else:
                said += piece
        if running.exit_code:
            words = filters.words_of(said.decode("utf-8", "replace"))
            raise OutsideError(f"the capture of {job.target.words} cannot be read: {words}")


def _merge(crew: Crew, parts: dict[str, Path], path: Path) -> None:
    jobs = crew.able
    about = f"{ending.targets_of(crew)}{f', filter: {crew.wanted.filter}' if crew.wanted.filter else ''}"
    with new_file(path) as file:
        merged = Merged(file.write, about, names_of(tuple(job.target for job in jobs)))
        files = [parts[job.target.key] for job in jobs]
        for number, (job, part) in enumerate(zip(jobs, files, strict=True)):
            merged.declare(number, job.target.key, ending.about(job), header_of(part), crew.wanted.filter)
        for number, packet in in_order([packets_of(part) for part in files]):
            merged.packet(number, packet)
        for number, job in enumerate(jobs):
            merged.end(number, job.captured.received, job.captured.dropped)
