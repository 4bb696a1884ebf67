"""Programs downloaded from a server that is honest, cuts, lies, or hides things in its archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl import tools
from tests.world.run import Ran, quiet_environ, run
from tests.world.web import Answer, Site, program, site, tar_gz, zipped

VERSION = "0.99.7"
ASSET = f"/v{VERSION}/cilium-linux-amd64.tar.gz"


@pytest.fixture
def mirror() -> Iterator[Site]:
    with site() as running:
        running.put("/stable.txt", f"v{VERSION}\n")
        running.put(ASSET, tar_gz({"cilium": program(VERSION)}), checksum=".sha256sum")
        yield running


def install(mirror: Site, folder: Path, *more: str, **environ: str) -> Ran:
    where = folder / "bin"
    env = quiet_environ(folder, CILIUMCTL_CILIUM_BASE_URL=mirror.url, **environ)
    linux = ("--os", "linux", "--arch", "amd64")
    return run("tools", "install", "cilium", "--dir", str(where), *linux, *more, env=env)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "bin").iterdir()) if (folder / "bin").exists() else []


def test_the_stable_version_is_downloaded_verified_and_put_in_place(mirror: Site, tmp_path: Path) -> None:
    ran = install(mirror, tmp_path, "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["version"], data["platform"]) == ("installed", VERSION, "linux-amd64")
    target = tmp_path / "bin" / "cilium"
    assert target.read_bytes() == program(VERSION)
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert left_in(tmp_path) == ["cilium"]


def test_a_second_run_downloads_nothing(mirror: Site, tmp_path: Path) -> None:
    assert install(mirror, tmp_path).code == 0
    ran = install(mirror, tmp_path, "-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")
    assert mirror.count(ASSET) == 1


def test_what_to_add_to_path_is_said(mirror: Site, tmp_path: Path) -> None:
    ran = install(mirror, tmp_path, SHELL="/bin/bash")
    assert 'export PATH="$HOME/bin:$PATH"' in ran.out
    assert "~/.bashrc" in ran.out
    on_path = install(mirror, tmp_path, "--force", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert "PATH" not in on_path.out


def test_without_a_folder_it_goes_below_the_home_when_the_system_s_cannot_be_written(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert tools.default_folder(environ, system=tmp_path) == tmp_path
    assert tools.default_folder(environ, system=tmp_path / "none") == tmp_path / ".local" / "bin"


@pytest.mark.parametrize(
    ("checksum", "said"),
    [
        (b"0" * 64 + b"  cilium-linux-amd64.tar.gz\n", "do not use it"),
        (b"", "checksum"),
        (b"not a checksum\n", "checksum"),
        (b"0" * 20 + b"  cilium-linux-amd64.tar.gz\n", "checksum"),
        (None, "checksum"),
    ],
    ids=["wrong", "empty", "no checksum", "truncated", "missing"],
)
def test_a_checksum_that_is_not_right_changes_nothing(
    mirror: Site, tmp_path: Path, checksum: bytes | None, said: str
) -> None:
    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin" / "cilium"
    old.write_bytes(program("0.1.0"))
    if checksum is None:
        del mirror.files[f"{ASSET}.sha256sum"]
    else:
        mirror.files[f"{ASSET}.sha256sum"] = checksum
    ran = install(mirror, tmp_path)
    assert ran.code == 6, ran.out
    assert said in ran.err
    assert old.read_bytes() == program("0.1.0")
    assert left_in(tmp_path) == ["cilium"]


def strange(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", content: bytes = b"x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return tar_gz([(info, content)])


@pytest.mark.parametrize(
    "archive",
    [
        strange("../cilium"),
        strange("/cilium"),
        strange("cilium", tarfile.SYMTYPE, "/bin/sh"),
        strange("cilium", tarfile.LNKTYPE, "/bin/sh"),
        strange("cilium", tarfile.CHRTYPE),
        strange("cilium", tarfile.FIFOTYPE),
        strange("other"),
        b"not an archive",
        tar_gz({"cilium": program(VERSION)})[:-40],
    ],
    ids=["dots", "absolute", "symlink", "hard link", "device", "pipe", "another", "no archive", "cut"],
)
def test_a_strange_archive_changes_nothing(mirror: Site, tmp_path: Path, archive: bytes) -> None:
    mirror.put(ASSET, archive, checksum=".sha256sum")
    ran = install(mirror, tmp_path)
    assert ran.code == 6, ran.out
    assert left_in(tmp_path) == []


def test_an_archive_that_unpacks_without_end_changes_nothing(mirror: Site, tmp_path: Path) -> None:
    info = tarfile.TarInfo("cilium")
    info.size = 3 << 30
    header = info.tobuf()
    mirror.put(ASSET, gzip.compress(header + b"\0" * (1 << 20)), checksum=".sha256sum")
    ran = install(mirror, tmp_path)
    assert ran.code == 6, ran.out
    assert left_in(tmp_path) == []


def test_a_cut_download_goes_on_where_it_stopped(mirror: Site, tmp_path: Path) -> None:
    whole = tar_gz({"cilium": program(VERSION, padding=200_000) + os.urandom(300_000)})
    mirror.put(ASSET, whole, checksum=".sha256sum")
    mirror.plan(ASSET, Answer(cut=100_000))
    ran = install(mirror, tmp_path)
    assert ran.code == 0, ran.err
    assert mirror.ranges_of(ASSET) == ["", "bytes=100000-"]


def test_a_server_that_lies_about_the_length_is_not_believed(mirror: Site, tmp_path: Path) -> None:
    size = len(mirror.files[ASSET])
    mirror.plan(ASSET, *[Answer(claims=size + 1000)] * 10)
    ran = install(mirror, tmp_path)
    assert ran.code in {0, 6}, ran.err
    if ran.code == 6:
        assert left_in(tmp_path) == []
    else:
        assert (tmp_path / "bin" / "cilium").read_bytes() == program(VERSION)


def test_a_busy_server_is_asked_again_and_a_broken_one_is_told(mirror: Site, tmp_path: Path) -> None:
    mirror.plan(ASSET, Answer(status=503, headers={"Retry-After": "0"}))
    assert install(mirror, tmp_path).code == 0
    mirror.plan(ASSET, *[Answer(status=500)] * 20)
    ran = install(mirror, tmp_path, "--force")
    assert ran.code == 6
    assert "500" in ran.err


def test_a_version_that_is_not_there_is_told(mirror: Site, tmp_path: Path) -> None:
    ran = install(mirror, tmp_path, "--version", "9.9.9")
    assert ran.code == 6
    assert "404" in ran.err
    assert install(mirror, tmp_path, "--version", "newest").code == 2


def test_windows_gets_its_zip(mirror: Site, tmp_path: Path) -> None:
    mirror.put(f"/v{VERSION}/cilium-windows-amd64.zip", zipped({"cilium.exe": b"MZ"}), checksum=".sha256sum")
    env = quiet_environ(tmp_path, CILIUMCTL_CILIUM_BASE_URL=mirror.url)
    where = ("--os", "windows", "--arch", "amd64", "--dir", str(tmp_path / "bin"))
    ran = run("tools", "install", "cilium", *where, env=env)
    assert ran.code == 0, ran.err
    assert (tmp_path / "bin" / "cilium.exe").read_bytes() == b"MZ"


def test_a_local_file_needs_no_network(tmp_path: Path) -> None:
    archive = tmp_path / "cilium-linux-amd64.tar.gz"
    archive.write_bytes(tar_gz({"cilium": program(VERSION)}))
    env = quiet_environ(tmp_path, HTTPS_PROXY="http://127.0.0.1:9")
    arguments = ("tools", "install", "cilium", "--file", str(archive), "--dir", str(tmp_path / "bin"))
    ran = run(*arguments, "--os", "linux", "--arch", "amd64", env=env)
    assert ran.code == 6
    assert "--checksum" in ran.err
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    ran = run(*arguments, "--os", "linux", "--arch", "amd64", "--checksum", digest, env=env)
    assert ran.code == 0, ran.err
    assert (tmp_path / "bin" / "cilium").exists()


def test_an_unknown_tool_and_an_unknown_platform_are_exit_2(tmp_path: Path) -> None:
    env = quiet_environ(tmp_path)
    ran = run("tools", "install", "sillium", env=env)
    assert ran.code == 2
    assert "cilium, hubble, helm" in ran.err
    assert run("tools", "install", "cilium", "--os", "plan9", env=env).code == 2


def test_a_folder_that_cannot_be_written_is_exit_8_before_anything_is_downloaded(mirror: Site, tmp_path: Path) -> None:
    (tmp_path / "bin").write_text("a file")
    ran = install(mirror, tmp_path)
    assert ran.code == 8
    assert "--dir" in ran.err
    assert mirror.count(ASSET) == 0


def test_a_file_is_verified_against_the_sum_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "thing.tar.gz"
    file.write_bytes(b"content")
    env = quiet_environ(tmp_path)
    assert run("tools", "verify", str(file), env=env).code == 6
    digest = hashlib.sha256(b"content").hexdigest()
    (tmp_path / "thing.tar.gz.sha256sum").write_text(f"{digest}  thing.tar.gz\n")
    ran = run("tools", "verify", str(file), "-o", "json", env=env)
    assert (ran.code, ran.json["ok"]) == (0, True)
    file.write_bytes(b"something else")
    ran = run("tools", "verify", str(file), env=env)
    assert ran.code == 1
    assert "do not use it" in ran.out
    assert run("tools", "verify", str(tmp_path / "none"), env=env).code == 2


def test_the_list_has_what_path_has(tmp_path: Path) -> None:
    helm = tmp_path / "path" / "helm"
    helm.parent.mkdir()
    helm.write_text("#!/bin/sh\necho v3.19.1+g1\n")
    helm.chmod(0o755)
    env = quiet_environ(tmp_path, PATH=f"{helm.parent}:/usr/bin:/bin")
    ran = run("tools", "list", "-o", "json", env=env)
    found = {known["tool"]: known for known in ran.json["data"]["tools"]}
    assert (found["helm"]["version"], found["helm"]["path"]) == ("3.19.1", str(helm))
    assert {"cilium", "hubble", "helm"} <= set(
        run("tools", "list", "-o", "name", env=env).out.replace("tool/", "").split()
    )
    assert io.StringIO(ran.out).readline() == "{\n"
