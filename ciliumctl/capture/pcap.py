"""The files that tcpdump writes: packets out of a stream of bytes, as they come.

Source of the format: pcap-savefile(5) of libpcap. The whole record is kept as it came, so that what is written again is
equal byte for byte, and a stream that was cut ends after a whole packet.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass

from ciliumctl.errors import OutsideError

_MICRO, _NANO = 0xA1B2C3D4, 0xA1B23C4D
_HEAD = 24
_RECORD = 16
#: libpcap's own limit for one packet (`MAXIMUM_SNAPLEN`); a larger one is no packet.
_LARGEST = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet. `nanoseconds` since 1970, `length` in bytes on the wire, `record` as the file has it."""

    nanoseconds: int
    length: int
    record: bytes

    @property
    def data(self) -> bytes:
        """What was captured of it."""
        return self.record[_RECORD:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file begins with: its link type (LINKTYPE_…), the snapshot length in bytes, and the bytes themselves."""

    link: int
    snaplen: int
    raw: bytes
    order: str
    nanoseconds: bool


class Reader:
    """Packets out of the bytes of one capture."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self._left = bytearray()

    def feed(self, data: bytes) -> Generator[Packet, None, None]:
        """Yield the packets that are whole with these bytes.

        Raises:
            OutsideError: this is no capture.
        """
        self._left += data
        if self.header is None:
            if len(self._left) < _HEAD:
                return
            self.header = _header(bytes(self._left[:_HEAD]))
            del self._left[:_HEAD]
        at = 0
        try:
            while (end := self._end(self.header, at)) <= len(self._left):
                packet = _packet(self.header, bytes(self._left[at:end]))
                at = end
                yield packet
        finally:
            del self._left[:at]

    @property
    def rest(self) -> int:
        """Bytes of a packet that is not whole yet."""
        return len(self._left)

    def _end(self, header: Header, at: int) -> int:
        """Where the record at `at` ends; beyond what there is while that cannot be told."""
        if len(self._left) < at + _RECORD:
            return len(self._left) + 1
        (captured,) = struct.unpack_from(f"{header.order}I", self._left, at + 8)
        if captured > _LARGEST:
            raise OutsideError(f"the capture is broken: a packet of {captured} bytes", hint="run the command again")
        return at + _RECORD + int(captured)


def _header(raw: bytes) -> Header:
    for order in ("<", ">"):
        (magic,) = struct.unpack_from(f"{order}I", raw)
        if magic in {_MICRO, _NANO}:
            snaplen, link = struct.unpack_from(f"{order}II", raw, 16)
            # The upper bits are flags (the length of a frame check sequence).
            return Header(link=link & 0xFFFF, snaplen=snaplen, raw=raw, order=order, nanoseconds=magic == _NANO)
    raise OutsideError("what came is no capture of tcpdump's", detail=raw.decode("utf-8", "replace"))


def _packet(header: Header, record: bytes) -> Packet:
    seconds, fraction, _captured, length = struct.unpack_from(f"{header.order}IIII", record)
    nanoseconds = seconds * 10**9 + fraction * (1 if header.nanoseconds else 1000)
    return Packet(nanoseconds=nanoseconds, length=length, record=record)
