"""When a certificate ends, read from its DER form (RFC 5280, 4.1): no library for one date."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0x18, 0xA0
_LONG = 0x80


def ends(pem: bytes) -> datetime | None:
    """When the first certificate in a PEM text ends; `None` when there is none that can be read."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        return _ends(base64.b64decode(found[1]))
    except (ValueError, IndexError):
        return None


def _ends(der: bytes) -> datetime:
    _tag, certificate, _rest = _next(der)
    _tag, signed, _rest = _next(certificate)
    tag, _version, rest = _next(signed)
    if tag != _EXPLICIT_VERSION:
        rest = signed
    for _field in ("serial number", "algorithm", "issuer"):
        _tag, _skipped, rest = _next(rest)
    tag, validity, _rest = _next(rest)
    if tag != _SEQUENCE:
        raise ValueError("no certificate")
    _tag, _begins, rest = _next(validity)
    tag, text, _rest = _next(rest)
    form = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}[tag] if tag in _TIMES else ""
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)


_TIMES = (_UTC_TIME, _GENERALIZED_TIME)


def _next(data: bytes) -> tuple[int, bytes, bytes]:
    """The first value of DER data: its tag, its content, and what follows."""
    tag, length, start = data[0], data[1], 2
    if length & _LONG:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]
