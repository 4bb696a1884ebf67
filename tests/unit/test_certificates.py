from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.certificates import valid_until
from tests.world.web import authority


@pytest.mark.parametrize("which", [0, 1])
def test_the_end_is_the_one_that_openssl_reads(tmp_path: Path, which: int) -> None:
    pem = authority(tmp_path)[which]
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(pem)],
        check=True,
        capture_output=True,
        text=True,
    )
    said = datetime.fromisoformat(done.stdout.strip().removeprefix("notAfter="))
    found = valid_until(pem.read_bytes())
    assert found == said
    assert timedelta() < found - datetime.now(UTC) <= timedelta(days=2)


def test_an_end_after_2049_is_written_in_another_form(tmp_path: Path) -> None:
    key, cert = tmp_path / "key", tmp_path / "cert"
    days = (datetime(2060, 1, 1, tzinfo=UTC) - datetime.now(UTC)).days
    argv = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert), "-subj", "/CN=far"]
    subprocess.run(["openssl", *argv, "-days", str(days)], check=True, capture_output=True)
    assert valid_until(cert.read_bytes()).year in {2059, 2060}


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_said_to_be_none(pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"certificate"):
        valid_until(pem)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(body) + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError):  # noqa: PT011 - each kind of damage has its own words
        valid_until(pem)


def test_a_certificate_that_was_cut_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    lines = authority(tmp_path)[0].read_text().strip().splitlines()
    der = base64.b64decode("".join(lines[1:-1]))
    for length in range(0, len(der), 7):
        pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der[:length]) + b"\n-----END CERTIFICATE-----\n"
        with pytest.raises(ValueError):  # noqa: PT011 - each kind of damage has its own words
            valid_until(pem)
