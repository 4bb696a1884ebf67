"""The file: whole or not at all, for its owner only, never over another one, never larger than it may be."""

from __future__ import annotations

import random
import stat
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliumctl.errors import Exists, UsageError
from ciliumctl.sysdump.archive import TooLarge, free, writing

NOW = datetime(2026, 1, 2, 3, 4, 5).astimezone()
MEBIBYTE = 1024 * 1024


def test_a_name_that_was_not_given_is_of_the_moment_and_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert free("", NOW) == Path("ciliumctl-sysdump-20260102-030405.zip")
    Path("ciliumctl-sysdump-20260102-030405.zip").touch()
    assert free("", NOW) == Path("ciliumctl-sysdump-20260102-030405-2.zip")


def test_a_given_name_gets_its_ending_and_must_be_free(tmp_path: Path) -> None:
    assert free(str(tmp_path / "a"), NOW) == tmp_path / "a.zip"
    assert free(str(tmp_path / "a.b"), NOW) == tmp_path / "a.b.zip"
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(Exists, match="is there already"):
        free(str(tmp_path / "a.zip"), NOW)
    (tmp_path / "link.zip").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Exists):
        free(str(tmp_path / "link.zip"), NOW)
    with pytest.raises(UsageError, match="is a folder"):
        free(str(tmp_path), NOW)
    with pytest.raises(UsageError, match="does not exist"):
        free(str(tmp_path / "none" / "a.zip"), NOW)


def test_it_is_for_its_owner_only_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"
    with writing(path, MEBIBYTE) as out:
        assert out.add("a/b.txt", "hello") == 5
        assert not path.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["dump.zip"]
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        assert found.read("dump/a/b.txt") == b"hello"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_one_that_was_not_finished_is_nowhere(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with writing(tmp_path / "dump.zip", MEBIBYTE) as out:
            out.add("a.txt", "hello")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_came_to_be_there_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"

    def late() -> None:
        with writing(path, MEBIBYTE):
            path.write_text("mine")

    with pytest.raises(Exists, match="meanwhile"):
        late()
    assert path.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["dump.zip"]


def test_everything_that_goes_in_is_redacted(tmp_path: Path) -> None:
    with writing(tmp_path / "dump.zip", MEBIBYTE) as out:
        out.add("a.txt", "password=hunter2\n")
    assert b"hunter2" not in zipfile.ZipFile(tmp_path / "dump.zip").read("dump/a.txt")


def test_names_from_elsewhere_stay_inside_and_apart(tmp_path: Path) -> None:
    with writing(tmp_path / "dump.zip", MEBIBYTE) as out:
        for name in ("../../etc/passwd", "/etc/passwd", "a\\b", "a:b", "a b"):
            out.add(name, "x")
    assert zipfile.ZipFile(tmp_path / "dump.zip").namelist() == [
        "dump/etc/passwd",
        "dump/etc/passwd.2",
        "dump/a_b",
        "dump/a_b.2",
        "dump/a_b.3",
    ]


@settings(max_examples=10)
@given(st.lists(st.integers(0, 200_000), max_size=12), st.integers(0, 1000))
def test_it_is_never_larger_than_it_may_be(sizes: list[int], seed: int) -> None:
    from tempfile import TemporaryDirectory

    letters = random.Random(seed)  # noqa: S311 - nothing secret
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dump.zip"
        with writing(path, MEBIBYTE) as out:
            for number, size in enumerate(sizes):
                try:
                    out.add(f"{number}.txt", letters.randbytes(size).hex())
                except TooLarge:
                    continue
            out.add("problems.txt", "x" * 1000, last=True)
        assert path.stat().st_size <= MEBIBYTE
        with zipfile.ZipFile(path) as found:
            assert "dump/problems.txt" in found.namelist()
