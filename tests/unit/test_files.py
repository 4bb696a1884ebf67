"""Writing files whole, through links, and into what is no plain file."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.files import why_unwritable, write_whole
from tests.world.devices import device
from tests.world.run import HERE


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_has_its_folders_and_usual_permissions(tmp_path: Path, umask: None) -> None:
    del umask
    path = tmp_path / "a" / "b" / "c.txt"
    write_whole(path, "ö\n")
    assert path.read_text(encoding="utf-8") == "ö\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["c.txt"]


def test_an_old_file_is_replaced_at_once_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("old\n")
    path.chmod(0o604)
    with path.open() as reader:
        write_whole(path, "new\n")
        assert reader.read() == "old\n"
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    write_whole(path, "mine\n", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("before", ["", "old\n"])
def test_a_link_stays_and_what_it_leads_to_gets_the_text(tmp_path: Path, before: str) -> None:
    real = tmp_path / "elsewhere" / "real.txt"
    if before:
        real.parent.mkdir()
        real.write_text(before)
    link = tmp_path / "link.txt"
    link.symlink_to("elsewhere/real.txt")
    write_whole(link, "new\n")
    assert link.is_symlink()
    assert real.read_text() == "new\n"


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null, full = device(tmp_path, "null"), device(tmp_path, "full")
    (tmp_path / "link").symlink_to(null)
    write_whole(null, "text\n")
    write_whole(tmp_path / "link", "text\n")
    with pytest.raises(OSError, match="No space left"):
        write_whole(full, "text\n")
    assert null.is_char_device()
    assert full.is_char_device()
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_to_when_somebody_reads(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="No such device"):
        write_whole(pipe, "text\n")
    number = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(number, True)
    long = "0123456789" * 100_000
    seen: list[str] = []

    def read() -> None:
        # Without this a reader that is earlier than the writer sees the end at once.
        assert select.select([number], [], [], 20)[0]
        with os.fdopen(number) as reader:
            seen.append(reader.read())

    thread = threading.Thread(target=read)
    thread.start()
    write_whole(pipe, long)
    thread.join(timeout=20)
    assert seen == [long]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


_SCRIPT = """\
import sys
from pathlib import Path
from ciliumctl.files import write_whole
print("before")
write_whole(Path(sys.argv[1]), "the file\\n")
print("after")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "out.txt"])
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_our_standard_output_is_written_to_in_its_order(tmp_path: Path, name: str, into: str) -> None:
    argv = [sys.executable, "-c", _SCRIPT, name]
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    path = tmp_path / "out.txt"
    if into == "pipe":
        if not name.startswith("/"):
            return
        text = subprocess.run(
            argv, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True, timeout=20
        ).stdout
    else:
        with path.open("w") as out:
            subprocess.run(argv, env=environ, cwd=tmp_path, stdout=out, check=True, timeout=20)
        text = path.read_text()
    assert text == "before\nthe file\nafter\n"


def test_nothing_is_left_beside_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "loop", Path("/dev/null/x")):
        with pytest.raises(OSError, match=r"\[Errno"):
            write_whole(path, "text\n")


def test_what_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("no/such/folder/file")
    assert why_unwritable(tmp_path) == "it is a folder"
    assert why_unwritable(tmp_path / "file" / "x") == "Not a directory"
    assert why_unwritable(Path("/dev/null/x")) == "Not a directory"
    assert "symbolic links" in why_unwritable(tmp_path / "loop")
    for path in (
        tmp_path / "a" / "b" / "c",
        tmp_path / "link",
        tmp_path / "file",
        device(tmp_path, "null"),
    ):
        assert why_unwritable(path) == ""
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link", "loop", "null"]
