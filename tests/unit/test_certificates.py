from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from ciliumctl import certificates


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def certificate(ends: bytes, tag: int = 0x17, *, version: bool = True) -> bytes:
    validity = der(0x30, der(0x17, b"250101000000Z") + der(tag, ends))
    filler = der(0x30, b"\x05\x00" * 100)
    signed = (der(0xA0, der(0x02, b"\x02")) if version else b"") + der(0x02, b"\x01") + filler + filler + validity
    whole = der(0x30, der(0x30, signed + filler) + filler)
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(whole) + b"-----END CERTIFICATE-----\n"


def test_the_end_of_a_certificate_is_read() -> None:
    assert certificates.ends(certificate(b"270304050607Z")) == datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert certificates.ends(certificate(b"20510304050607Z", 0x18)) == datetime(2051, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_the_oldest_form_without_a_version_is_read_too() -> None:
    assert certificates.ends(certificate(b"270304050607Z", version=False)) == datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        certificate(b"9999"),
        certificate(b"270304050607Z", 0x04),
    ],
)
def test_what_is_no_certificate_has_no_end(text: bytes) -> None:
    assert certificates.ends(text) is None
