"""Read logs to their ends and merge them by time, in memory that does not grow with them.

Thousands of connections cannot stay open while one is waited for. So each log is read at once, as many at a time as
asked for; what is wanted of it goes to a file, and a merge by time reads that file in small blocks.
"""

from __future__ import annotations

import heapq
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import IO

from ciliumctl.clients.kube import Kube, Log
from ciliumctl.errors import CiliumctlError
from ciliumctl.logs import levels
from ciliumctl.logs.model import Failure, LogLine, Part, Source
from ciliumctl.logs.sieve import Sieve
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter

#: Bytes of a block in the file: the merge holds one for each log.
BLOCK = 8 * 1024
#: Lines that are handed on at once.
BATCH = 500
# Bytes in memory before there is a file at all.
_IN_MEMORY = 4 * 1024 * 1024
# From so many logs on, how far the reading is gets told.
_MANY = 32

Record = tuple[str, str, str]


def read(
    kube: Kube,
    sources: Sequence[Source],
    part: Part,
    sieve: Sieve,
    report: Reporter,
    *,
    parallel: int,
    failures: list[Failure],
) -> Iterator[list[LogLine]]:
    """Yield the wanted lines of all logs in the order of their times. One request a log.

    What cannot be read is added to `failures`, and stops no other.
    """
    logs = kube.open_logs([part.of(source) for source in sources])
    sieves = [sieve.again() for _ in logs]
    if len(logs) == 1:
        yield from _batches(_one(sources[0], _records(logs[0], sieves[0]), failures))
        return
    # Gone with the process, too: it has no name.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        spool = _Spool(file)
        sections = _fetch(spool, sources, logs, sieves, report, parallel, failures)
        dated = [_dated(source, section.records()) for source, section in zip(sources, sections, strict=True)]
        yield from _batches(_merged(dated))


def _batches(lines: Iterator[LogLine]) -> Iterator[list[LogLine]]:
    while batch := list(islice(lines, BATCH)):
        yield batch


def line_of(source: Source, record: Record) -> LogLine:
    """A record with all that is known of it."""
    time, level, text = record
    return LogLine(
        time=time,
        node=source.node,
        component=source.component,
        pod=source.pod,
        container=source.container,
        level=level,
        message=levels.read(text).message,
        line=text,
    )


def _merged(logs: Sequence[Iterator[tuple[str, LogLine]]]) -> Iterator[LogLine]:
    """Lines with the times they are sorted by, as one."""
    return (line for _time, line in heapq.merge(*logs, key=lambda dated: dated[0]))


def _one(source: Source, records: Iterator[Record], failures: list[Failure]) -> Iterator[LogLine]:
    try:
        for record in records:
            yield line_of(source, record)
    except CiliumctlError as error:
        failures.append(Failure(source=source, error=error))


def _records(log: Log, sieve: Sieve) -> Iterator[Record]:
    for stamped in log.lines():
        level = sieve.keep(stamped.text)
        if level is not None:
            yield stamped.time, level, stamped.text


def _dated(source: Source, records: Iterator[Record]) -> Iterator[tuple[str, LogLine]]:
    """A line without a time stays behind the one before it."""
    last = ""
    for record in records:
        last = record[0] or last
        yield last, line_of(source, record)


def _fetch(
    spool: _Spool,
    sources: Sequence[Source],
    logs: Sequence[Log],
    sieves: Sequence[Sieve],
    report: Reporter,
    parallel: int,
    failures: list[Failure],
) -> list[_Section]:
    sections = [_Section(spool) for _ in logs]
    done = 0

    def fetch(log: Log, sieve: Sieve, section: _Section) -> None:
        nonlocal done
        try:
            for record in _records(log, sieve):
                section.add(record)
        finally:
            section.flush()
            done += 1
            if step is not None:
                step(f"{done} of {len(logs)}", done=done, total=len(logs))

    calls = [partial(fetch, *each) for each in zip(logs, sieves, sections, strict=True)]
    step = None
    if len(logs) > _MANY:
        with report.step(f"Reading {len(logs)} logs") as step:
            results = gather(calls, limit=parallel)
    else:
        results = gather(calls, limit=parallel)
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, CiliumctlError):
            failures.append(Failure(source=source, error=result))
        elif isinstance(result, Exception):
            raise result
    return sections


class _Spool:
    """A file that many threads write blocks to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, block: bytes) -> tuple[int, int]:
        with self._lock:
            offset = self._file.seek(0, 2)
            self._file.write(block)
            return offset, len(block)

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)


class _Section:
    """One log's blocks in the file."""

    def __init__(self, spool: _Spool) -> None:
        self._spool = spool
        self._blocks: list[tuple[int, int]] = []
        self._held = bytearray()

    def add(self, record: Record) -> None:
        self._held += "\t".join(record).encode("utf-8", "replace") + b"\n"
        if len(self._held) >= BLOCK:
            self.flush()

    def flush(self) -> None:
        if self._held:
            self._blocks.append(self._spool.write(bytes(self._held)))
            self._held.clear()

    def records(self) -> Iterator[Record]:
        for offset, size in self._blocks:
            for line in self._spool.read(offset, size).decode().split("\n")[:-1]:
                time, level, text = line.split("\t", 2)
                yield time, level, text
