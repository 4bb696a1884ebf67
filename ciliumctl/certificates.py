"""Until when an X.509 certificate is valid, read from its bytes.

The standard library decodes a certificate only for a connection that it made itself, and a package for cryptography is
4 MB of compiled code: for one date the few lines of DER below do (ITU-T X.690; RFC 5280, section 4.1).
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

_SEQUENCE, _INTEGER, _VERSION = 0x30, 0x02, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def valid_until(pem: bytes) -> datetime:
    """When the first certificate of a PEM file ends. Raises `ValueError` when there is none that can be read."""
    match = _PEM.search(pem)
    if match is None:
        raise ValueError("it holds no certificate")
    try:
        der = base64.b64decode(b"".join(match[1].split()), validate=True)
    except binascii.Error as error:
        raise ValueError("its certificate is damaged") from error
    certificate, _rest = _element(der, _SEQUENCE)
    body, _rest = _element(certificate, _SEQUENCE)
    if body[:1] == bytes([_VERSION]):
        _version, body = _element(body, _VERSION)
    _serial, body = _element(body, _INTEGER)
    _algorithm, body = _element(body, _SEQUENCE)
    _issuer, body = _element(body, _SEQUENCE)
    validity, _rest = _element(body, _SEQUENCE)
    _start, rest = _moment(validity)
    end, _rest = _moment(rest)
    return end


def _element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first element, which must have this tag, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("its certificate is not built as one")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        start += count
        if not 1 <= count <= 4 or len(data) < start:
            raise ValueError("its certificate is cut")
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("its certificate is cut")
    return data[start : start + length], data[start + length :]


def _moment(data: bytes) -> tuple[datetime, bytes]:
    """A time, with the two-digit years of UTCTime from 1950 to 2049, and what follows it."""
    tag = data[0] if data else 0
    if tag not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError("its certificate has no dates")
    text, rest = _element(data, tag)
    digits = text.decode("ascii", "replace")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC), rest
