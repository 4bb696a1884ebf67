"""Captures of several places in one file: pcapng, with an interface for each place, its name, and what it missed.

Source of the format: draft-ietf-opsawg-pcapng. Only blocks that Wireshark and tcpdump have read for ten years.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ciliumctl import __version__
from ciliumctl.capture.pcap import Packet

_SECTION, _INTERFACE, _NAMES, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 4, 5, 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT = 1
_SECTION_APPLICATION = 4
_IF_NAME, _IF_DESCRIPTION, _IF_RESOLUTION, _IF_FILTER = 2, 3, 9, 11
_STATISTICS_RECEIVED, _STATISTICS_DROPPED = 4, 5
_NAME_IPV4, _NAME_IPV6 = 1, 2
#: Timestamps are powers of ten: 10^-9 s.
_NANO = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A place of capture: its name, what it is, the link type, the snapshot length in bytes, the filter."""

    name: str
    about: str
    link: int
    snaplen: int
    filter: str = ""


def section(comment: str = "") -> bytes:
    """The begin of a file."""
    fixed = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    texts = [(_COMMENT, comment), (_SECTION_APPLICATION, f"ciliumctl {__version__}")]
    return _block(_SECTION, fixed, [(code, text.encode()) for code, text in texts if text])


def interface(one: Interface) -> bytes:
    """The declaration of a place; the packets name it by its number, in the order of declaration."""
    options = [(_IF_NAME, one.name.encode()), (_IF_DESCRIPTION, one.about.encode()), (_IF_RESOLUTION, bytes([_NANO]))]
    if one.filter:
        # The first byte says what kind of filter it is: 0 is a string of libpcap's.
        options.append((_IF_FILTER, b"\0" + one.filter.encode()))
    return _block(_INTERFACE, struct.pack("<HHI", one.link, 0, one.snaplen), options)


def names(addresses: Mapping[str, str]) -> bytes:
    """What addresses are called, for Wireshark's name resolution; empty when there is none."""
    import ipaddress

    records = b""
    for address, name in sorted(addresses.items()):
        parsed = ipaddress.ip_address(address)
        kind = _NAME_IPV4 if parsed.version == 4 else _NAME_IPV6
        records += _option(kind, parsed.packed + name.encode() + b"\0")
    return _block(_NAMES, records + struct.pack("<HH", 0, 0), []) if records else b""


def packet(number: int, one: Packet) -> bytes:
    """A packet of the place with this number."""
    data = one.data
    fixed = struct.pack(
        "<IIIII", number, one.nanoseconds >> 32, one.nanoseconds & 0xFFFFFFFF, len(data), max(one.length, len(data))
    )
    return _block(_PACKET, fixed + _padded(data), [])


def statistics(number: int, nanoseconds: int, *, received: int | None, dropped: int | None) -> bytes:
    """How many packets a place received and dropped; `None` where that is not known."""
    counts = [(_STATISTICS_RECEIVED, received), (_STATISTICS_DROPPED, dropped)]
    fixed = struct.pack("<III", number, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF)
    return _block(_STATISTICS, fixed, [(code, struct.pack("<Q", n)) for code, n in counts if n is not None])


def _block(kind: int, body: bytes, options: Sequence[tuple[int, bytes]]) -> bytes:
    if options:
        body += b"".join(_option(code, value) for code, value in options) + struct.pack("<HH", 0, 0)
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    # A text longer than the field can say is cut, not refused: it is a comment.
    value = value[:0xFFFF]
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
