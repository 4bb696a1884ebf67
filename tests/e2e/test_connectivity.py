"""`connectivity test` on a healthy cluster: it passes, leaves nothing, and says what cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from ciliumctl.clients.kube import NAMESPACES, labels_of, name_of
from ciliumctl.connectivity.session import LABEL
from tests.cluster import images
from tests.e2e.conftest import Nodes

_IMAGE = ("--image", f"probe={images.PROBE}")
#: Runs in a row that must all pass.
_RUNS = 10


def beds(nodes: Nodes) -> list[str]:
    return [name_of(found) for found in nodes.cluster.kube.objects(NAMESPACES, labels=LABEL)]


def start(nodes: Nodes, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        nodes.argv("connectivity", "test", *_IMAGE, *arguments),
        env=nodes.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=nodes.cluster.folder,
    )


def test_everything_passes_and_nothing_is_left(cluster: Nodes, tmp_path: Path) -> None:
    outside = cluster.cluster.segment.outside.v4
    report = tmp_path / "run.json"
    ran = cluster.run(
        "connectivity", "test", *_IMAGE, "--profile", "full", "--external", outside, "--report", f"json={report}"
    )
    assert ran.code == 0, ran.out
    data = json.loads(report.read_text())["data"]
    outcomes = {one["name"]: one["outcome"] for one in data["scenarios"]}
    assert set(outcomes.values()) == {"passed", "skipped"}
    skipped = {one["name"]: one["reason"] for one in data["scenarios"] if one["outcome"] == "skipped"}
    # What the stand-ins for Cilium have not, or what is not switched on.
    words = ("L7", "CIDRs", " off", "the cluster has no ", "in no mesh")
    assert all(any(word in reason for word in words) for reason in skipped.values()), skipped
    assert data["families"] == [4, 6]
    assert beds(cluster) == []


def test_ten_runs_in_a_row_pass(cluster: Nodes) -> None:
    try:
        for _ in range(_RUNS):
            ran = cluster.run("connectivity", "test", *_IMAGE, "--keep", "-q")
            assert ran.code == 0, ran.out
    finally:
        assert cluster.run("connectivity", "cleanup", "--yes").code == 0
    assert beds(cluster) == []


def test_the_pods_obey_the_restricted_level(cluster: Nodes) -> None:
    running = start(cluster, "--test", "^pod-to-pod$")
    assert running.stderr is not None
    assert any("pods ready" in line for line in running.stderr)
    (found,) = cluster.cluster.kube.objects(NAMESPACES, labels=LABEL)
    assert labels_of(found)["pod-security.kubernetes.io/enforce"] == "restricted"
    running.communicate(timeout=120)
    assert running.returncode == 0


@pytest.mark.parametrize(("at", "sign", "code"), [("pods ready", signal.SIGINT, 130), ("Testing", signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(cluster: Nodes, at: str, sign: signal.Signals, code: int) -> None:
    running = start(cluster)
    assert running.stderr is not None
    assert any(at in line for line in running.stderr)
    running.send_signal(sign)
    _out, err = running.communicate(timeout=120)
    assert running.returncode == code, err
    assert "Traceback" not in err
    assert beds(cluster) == []


def test_what_a_killed_run_leaves_is_found_and_removed(cluster: Nodes) -> None:
    running = start(cluster)
    assert running.stderr is not None
    assert any("Testing" in line for line in running.stderr)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate(timeout=20)
    left = beds(cluster)
    assert left
    ran = cluster.run("connectivity", "cleanup")
    assert ran.code == 3, "it may be in use"
    ran = cluster.run("connectivity", "cleanup", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert sorted(ran.json["data"]["removed"]) == sorted(left)
    assert beds(cluster) == []


def test_a_kept_bed_is_used_again_and_one_that_was_killed_is_not(cluster: Nodes) -> None:
    arguments = ("connectivity", "test", *_IMAGE, "--keep", "--test", "^pod-to-pod$", "-o", "json")
    first, second = (cluster.run(*arguments) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    place = first.json["data"]["namespace"]
    assert second.json["data"]["namespace"] == place
    killed = start(cluster, "--keep", "--test", "^policy-deny-all-ingress$")
    assert killed.stderr is not None
    assert any("Testing" in line for line in killed.stderr)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=20)
    after = cluster.run(*arguments)
    assert after.code == 0, after.err
    assert after.json["data"]["namespace"] != place
    assert cluster.run("connectivity", "cleanup", "--yes").code == 0
    assert beds(cluster) == []


def test_an_image_that_cannot_be_had_ends_the_wait_with_its_reason(cluster: Nodes, tmp_path: Path) -> None:
    report = tmp_path / "run.xml"
    image = "probe=registry.invalid/there-is-no:such"
    ran = cluster.run("connectivity", "test", "--image", image, "--report", f"junit={report}")
    assert ran.code == 6, ran.err
    assert "will not run" in ran.err
    assert "registry.invalid/there-is-no:such" in ran.err
    assert 'errors="1"' in report.read_text()
    assert beds(cluster) == []


def test_one_node_is_enough(cluster: Nodes) -> None:
    ran = cluster.run("connectivity", "test", *_IMAGE, "--single-node", "--ip-families", "ipv4", "-o", "json")
    assert ran.code == 0, ran.out
    assert (ran.json["data"]["nodes"], ran.json["data"]["families"]) == (["node-1"], [4])
