"""Packets of several places in the order of their time: out of files, and as they come."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ciliumctl.capture.pcap import Header, Packet, Reader
from ciliumctl.errors import OutsideError

_PIECE = 256 * 1024
#: Seconds that a packet waits for an earlier one of another place: longer than the way through an API server takes.
HOLD = 1.0
#: Bytes that wait at most.
MOST = 32 * 1024 * 1024

Numbered = tuple[int, Packet]


def packets_of(path: Path) -> Iterator[Packet]:
    """The whole packets of a file, a piece of it in memory at a time."""
    reader = Reader()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield from reader.feed(piece)


def header_of(path: Path) -> Header:
    """What a file begins with. Raises `OutsideError` where that is not whole."""
    reader = Reader()
    with path.open("rb") as file:
        list(reader.feed(file.read(_PIECE)))
    if reader.header is None:
        raise OutsideError("a capture ended before it began", hint="run the command again")
    return reader.header


def in_order(streams: Sequence[Iterable[Packet]]) -> Iterator[Numbered]:
    """The packets of all streams with the number of theirs, by time; equal times in the order of the streams."""

    def numbered(number: int, stream: Iterable[Packet]) -> Iterator[Numbered]:
        return ((number, packet) for packet in stream)

    yield from heapq.merge(
        *(numbered(number, stream) for number, stream in enumerate(streams)),
        key=lambda one: (one[1].nanoseconds, one[0]),
    )


class Live:
    """Puts packets that come from several threads in order, and writes those for which nothing is waited any more.

    A packet is written when it is `hold` seconds here, or when too many wait: one that comes later still is written
    late rather than lost.
    """

    def __init__(
        self,
        write: Callable[[int, Packet], None],
        *,
        hold: float = HOLD,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._hold = hold
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, int, float, Packet]] = []
        self._count = 0
        self._bytes = 0

    def add(self, number: int, packet: Packet) -> None:
        """Take a packet of a place. Raises what `write` raises."""
        with self._lock:
            self._count += 1
            # The count keeps equal times in the order of their coming.
            entry = (packet.nanoseconds, number, self._count, self._clock(), packet)
            heapq.heappush(self._waiting, entry)
            self._bytes += len(packet.record)
            self._flush(lambda came: came + self._hold <= self._clock() or self._bytes > self._most)

    def tick(self) -> None:
        """Write what has waited long enough; to be called now and then, for places where nothing happens."""
        with self._lock:
            self._flush(lambda came: came + self._hold <= self._clock())

    def close(self) -> None:
        """Write all that is left."""
        with self._lock:
            self._flush(lambda _came: True)

    def _flush(self, due: Callable[[float], bool]) -> None:
        while self._waiting and due(self._waiting[0][3]):
            _time, number, _count, _came, packet = heapq.heappop(self._waiting)
            self._bytes -= len(packet.record)
            self._write(number, packet)
