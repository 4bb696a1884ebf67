"""Captures as tcpdump writes them, made here."""

from __future__ import annotations

import struct

#: A capture begins at this moment, in nanoseconds since 1970.
BEGAN = 1_700_000_000 * 10**9


def head(*, order: str = "<", nano: bool = True, link: int = 1, snaplen: int = 262_144) -> bytes:
    """The begin of a file."""
    return struct.pack(f"{order}IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)


def record(nanoseconds: int, data: bytes, *, order: str = "<", nano: bool = True, length: int = 0) -> bytes:
    """One packet, `nanoseconds` after the begin."""
    seconds, fraction = divmod(BEGAN + nanoseconds, 10**9)
    fraction = fraction if nano else fraction // 1000
    return struct.pack(f"{order}IIII", seconds, fraction, len(data), length or len(data)) + data


def frame(payload: bytes, *, source: int = 1, target: int = 2) -> bytes:
    """An Ethernet frame with a UDP packet between two addresses of 192.0.2.0/24, its checksums left at zero."""
    udp = struct.pack(">HHHH", 1000, 2000, 8 + len(payload), 0) + payload
    ends = bytes([192, 0, 2, source, 192, 0, 2, target])
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
    return bytes(12) + b"\x08\x00" + ip + udp
