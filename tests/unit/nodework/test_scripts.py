"""The scripts themselves, in the shells that images have: dash and busybox. What they remove is tried on real nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ciliumctl import nodefacts, templates
from ciliumctl.nodework.model import answer_in, members

SHELLS = [("sh",), ("busybox", "sh")]


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    argv: tuple[str, ...] = request.param
    if shutil.which(argv[0]) is None:
        pytest.skip(f"`{argv[0]}` is not on this machine")
    return argv


def run(shell: tuple[str, ...], task: str, host: Path, **environ: str) -> str:
    text = "\n".join(templates.path(f"nodework/{name}.sh").read_text(encoding="utf-8") for name in ("report", task))
    told = {
        "PATH": os.environ["PATH"],
        "TASK": task,
        "NODE": "one",
        "HOST": str(host),
        "EXPIRES": "9999999999",
        "CNI_CONF": "/etc/cni/net.d",
        "CNI_BIN": "/opt/cni/bin",
        "RUN_PATH": "/var/run/cilium",
        "OPTIONS": "BPF|VXLAN",
        "PORTS": "1090",
    }
    done = subprocess.run(
        [*shell, "-s"], input=text.encode(), env=told | environ, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8", "replace")


def test_a_script_parses_in_this_shell(shell: tuple[str, ...]) -> None:
    for file in sorted(templates.path("nodework").glob("*.sh")):
        done = subprocess.run([*shell, "-n", str(file)], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), file.name


def test_a_report_is_one_line_of_json_whatever_a_file_holds(shell: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "etc/cni/net.d"
    folder.mkdir(parents=True)
    (folder / "10-a.conflist").write_text(
        '{\n\t"cniVersion": "1.0.0",\n "name": "a\\"b", "plugins": [{"type": "bridge"}]}\n'
    )
    (folder / "20-bytes.conf").write_bytes(bytes(range(256)))
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/bridge").touch()
    out = run(shell, "collect", tmp_path)
    assert out.count("\n") == 1
    answer = answer_in(out, "collect")
    facts = nodefacts.parse("one", answer)
    assert [one.file for one in facts.cni_files] == ["10-a.conflist", "20-bytes.conf"]
    assert facts.cni_files[0].plugins == ("bridge",)
    assert facts.cni_files[1].problems == ("it is no JSON",)
    assert facts.cni_programs == ("bridge",)
    assert facts.kernel == os.uname().release
    assert facts.time > 1_000_000_000


def test_a_script_whose_time_is_over_does_nothing(shell: tuple[str, ...], tmp_path: Path) -> None:
    configuration = tmp_path / "etc/cni/net.d/05-cilium.conflist"
    configuration.parent.mkdir(parents=True)
    configuration.write_text('{"plugins": [{"type": "cilium-cni"}]}')
    for task in ("collect", "clean"):
        said = members(answer_in(run(shell, task, tmp_path, EXPIRES="1000"), task))
        assert "nothing was done" in str(said["refused"])
        assert set(said) == {"ciliumctl", "node", "time", "refused"}
    assert configuration.exists()
