from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliumctl.errors import UnsafeArchive
from ciliumctl.tools.archives import extract, is_archive
from tests.world.web import tar_gz, zipped

PROGRAM = b"\x7fELF" + bytes(range(256)) * 64


def unpacked(archive: bytes, member: str = "cilium") -> bytes:
    out = io.BytesIO()
    extract(io.BytesIO(archive), member, out, name="a.tar.gz")
    return out.getvalue()


def refused(archive: bytes, member: str = "cilium") -> str:
    with pytest.raises(UnsafeArchive) as caught:
        unpacked(archive, member)
    assert caught.value.exit_code == 6
    assert caught.value.hint
    return caught.value.message


def member(name: str, **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    content = b"x"
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def cilium() -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("cilium")
    info.size = len(PROGRAM)
    return info, PROGRAM


@pytest.mark.parametrize("make", [tar_gz, zipped])
@pytest.mark.parametrize("inside", ["cilium", "linux-amd64/cilium", "./cilium"])
def test_the_program_comes_out(make: Callable[[dict[str, bytes]], bytes], inside: str) -> None:
    archive = make({"LICENSE": b"Apache", inside: PROGRAM, "README.md": b"read"})
    assert unpacked(archive, inside.removeprefix("./")) == PROGRAM


def test_folders_are_no_reason_to_refuse() -> None:
    folder, _ = member("linux-amd64", type=tarfile.DIRTYPE, size=0)
    assert unpacked(tar_gz([(folder, b""), cilium()])) == PROGRAM


@pytest.mark.parametrize("make", [tar_gz, zipped])
@pytest.mark.parametrize(
    "name", ["../cilium", "a/../../cilium", "/usr/local/bin/cilium", "..", "..\\cilium", "C:\\cilium", "C:cilium"]
)
def test_a_path_that_leads_out_spoils_the_whole_archive(make: Callable[[dict[str, bytes]], bytes], name: str) -> None:
    assert "leads out" in refused(make({"cilium": PROGRAM, name: b"x"}))
    assert "leads out" in refused(make({name: b"x", "cilium": PROGRAM}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("name", ["cilium", "other"])
def test_links_and_devices_spoil_the_whole_archive(kind: bytes, name: str) -> None:
    odd, _ = member(name, type=kind, linkname="/etc/passwd", size=0)
    assert "no regular file" in refused(tar_gz([cilium(), (odd, b"")]))


def test_a_link_in_a_zip_spoils_it() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cilium", PROGRAM)
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "no regular file" in refused(out.getvalue())


def test_a_zip_that_is_encrypted_is_refused() -> None:
    plain = bytearray(zipped({"cilium": PROGRAM}))
    entry = plain.rindex(b"PK\x01\x02")
    plain[entry + 8] |= 1
    refused(bytes(plain))


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_an_archive_without_the_program_is_refused(make: Callable[[dict[str, bytes]], bytes]) -> None:
    assert "does not hold `cilium`" in refused(make({"hubble": PROGRAM}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_a_program_that_is_there_twice_is_refused(make: Callable[[dict[str, bytes]], bytes]) -> None:
    if make is tar_gz:
        archive = tar_gz([cilium(), cilium()])
    else:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as files:
            files.writestr("cilium", PROGRAM)
            files.writestr("cilium", b"another")
        archive = out.getvalue()
    assert "twice" in refused(archive)


def test_a_sparse_file_is_refused() -> None:
    info, _ = member(
        "cilium",
        pax_headers={
            "GNU.sparse.major": "0",
            "GNU.sparse.size": "1099511627776",
            "GNU.sparse.numblocks": "1",
            "GNU.sparse.map": "1099511627775,1",
        },
    )
    assert "no regular file" in refused(tar_gz([(info, b"x")]))


def test_a_sparse_file_of_the_old_form_is_refused() -> None:
    block = bytearray(512)
    block[:6] = b"cilium"
    block[100:107], block[124:135] = b"0000755", b"00000000001"
    block[156:157], block[257:265] = b"S", b"ustar  \0"
    block[386:409] = b"00000000000\0" + b"00000000001"
    block[483:494] = b"77777777777"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    refused(gzip.compress(bytes(block) + b"x".ljust(512, b"\0") + bytes(1024)))


def test_a_name_of_another_form_is_looked_at_after_it_was_replaced() -> None:
    info, _ = member("harmless", pax_headers={"path": "../../etc/passwd"})
    assert "leads out" in refused(tar_gz([cilium(), (info, b"x")]))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"".join(_tar_of(200 << 20, "cilium")))
    assert len(bomb) < 1 << 20
    assert "far more than a program" in refused(bomb)


def test_a_bomb_beside_the_program_is_refused_too() -> None:
    bomb = gzip.compress(b"".join(_tar_of(200 << 20, "README.md")))
    refused(bomb)


def test_a_zip_bomb_is_refused() -> None:
    assert "far more than a program" in refused(zipped({"cilium": bytes(200 << 20)}))


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    honest = bytearray(zipped({"cilium": bytes(64 << 20)}))
    entry = honest.rindex(b"PK\x01\x02")
    honest[entry + 24 : entry + 28] = struct.pack("<I", 10)
    refused(bytes(honest))


def test_a_header_without_end_is_refused() -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 100 << 20
    bomb = gzip.compress(header.tobuf() + bytes(100 << 20))
    assert "header" in refused(bomb)


def _tar_of(size: int, name: str) -> list[bytes]:
    info = tarfile.TarInfo(name)
    info.size = size
    return [info.tobuf(), bytes(size), bytes(1024)]


@pytest.mark.parametrize("make", [tar_gz, zipped])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_is_refused(make: Callable[[dict[str, bytes]], bytes], part: float) -> None:
    archive = make({"cilium": PROGRAM + bytes(range(7)) * 999})
    refused(archive[: int(len(archive) * part)])


def test_what_is_no_archive_is_refused() -> None:
    assert "damaged" in refused(b"<html>not found</html>")
    assert "damaged" in refused(b"")
    assert "damaged" in refused(b"PK\x03\x04 not a zip")


def test_an_archive_is_told_from_a_program_by_its_first_bytes() -> None:
    assert is_archive(io.BytesIO(tar_gz({"cilium": PROGRAM})))
    assert is_archive(io.BytesIO(zipped({"cilium": PROGRAM})))
    assert not is_archive(io.BytesIO(PROGRAM))
    assert not is_archive(io.BytesIO(b""))


@settings(max_examples=150)
@given(st.data())
def test_damage_is_refused_or_gives_the_program(data: st.DataObject) -> None:
    archive = bytearray((tar_gz if data.draw(st.booleans()) else zipped)({"cilium": PROGRAM}))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    out = io.BytesIO()
    try:
        extract(io.BytesIO(bytes(archive)), "cilium", out, name="a")
    except UnsafeArchive:
        return
    assert len(out.getvalue()) <= len(PROGRAM) * 2
