from __future__ import annotations

import os
from pathlib import Path

from tests.integration.conftest import Cluster, MakeCluster


def test_two_labs_run_side_by_side_and_down_leaves_nothing(lab: Cluster, make_cluster: MakeCluster) -> None:
    other = make_cluster("other", "--nodes", "1")
    pids = [process["pid"] for process in other.processes().values()]
    assert len(pids) == 5
    assert lab.run("lab", "status").code == 0
    again = other.run("lab", "up", "--name", "other")
    assert again.code == 0
    assert "runs already: unchanged" in again.err
    ran = other.run("lab", "down", "--name", "other", "--yes")
    assert ran.code == 0, ran.err
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists() and _is_alive(pid)]
    assert other.run("lab", "down", "--name", "other", "--yes").code == 0
    assert lab.run("status").code == 1


def test_a_lab_whose_start_is_interrupted_leaves_nothing(lab: Cluster) -> None:
    running = lab.start("lab", "up", "--name", "cut")
    assert running.stderr is not None
    assert any("etcd" in line for line in running.stderr)
    running.terminate()
    running.communicate(timeout=30)
    assert running.returncode == 143
    assert not (lab.folder / "cache" / "labs" / "cut" / "lab.json").exists()
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"/labs/cut/" in _read(path)]
    assert found == []


def test_the_kubeconfig_of_a_lab_is_printed(lab: Cluster) -> None:
    ran = lab.run("lab", "kubeconfig", "--name", lab.name)
    assert ran.code == 0
    assert f"current-context: {lab.name}" in ran.out


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b"State:\tZ" not in _read(Path(f"/proc/{pid}/status"))
