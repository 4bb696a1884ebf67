"""`ciliumctl connectivity perf` on real nodes: it measures, leaves nothing, and sees a link that got slower."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from ciliumctl.clients.kube import NAMESPACES, name_of
from ciliumctl.connectivity.session import LABEL
from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO, slow

_IMAGE = ("--image", f"tools={images.PROBE}")
_QUICK = ("connectivity", "perf", *_IMAGE, "--duration", "1")


def beds(nodes: Nodes) -> list[str]:
    return [name_of(found) for found in nodes.cluster.kube.objects(NAMESPACES, labels=LABEL)]


def rows(data: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in data["measurements"]}


def test_every_path_is_measured_in_both_families_and_nothing_is_left(cluster: Nodes, tmp_path: Path) -> None:
    junit = tmp_path / "perf.xml"
    ran = cluster.run(*_QUICK, "-o", "json", "--report", f"junit={junit}")
    assert ran.code == 0, ran.err
    found = rows(ran.json["data"])
    assert {one["outcome"] for one in found.values()} == {"measured"}
    assert len(found) == 12
    for name, one in found.items():
        assert (one["source_node"], one["target_node"]) == (ONE, ONE if "same-node" in name else TWO)
        if one["quantity"] == "throughput":
            assert one["throughput"]["bits_per_second"] > 1e7, name
        else:
            times = one["latency"]
            assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
            assert times["requests_per_second"] > 50, name
        assert (one["of_host"] is None) is ("host-to-host" in name)
    assert 'failures="0" errors="0" skipped="0"' in junit.read_text()
    assert beds(cluster) == []


def test_a_slower_link_is_seen_between_the_nodes(cluster: Nodes, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    ran = cluster.run(*_QUICK, "--ip-families", "ipv4", "-o", "json")
    assert ran.code == 0, ran.err
    base.write_text(ran.out)
    with slow(cluster):
        ran = cluster.run(*_QUICK, "--ip-families", "ipv4", "--compare", str(base), "--fail-below", "90%")
    assert ran.code == 1, ran.err
    for path in ("other-node", "host-to-host"):
        (line,) = [line for line in ran.out.splitlines() if f"throughput-{path}-ipv4" in line]
        assert line.startswith("✗")
    assert "figures are below 90 % of" in ran.out
    assert beds(cluster) == []


def test_an_interrupted_run_leaves_nothing(cluster: Nodes) -> None:
    running = subprocess.Popen(
        cluster.argv(*_QUICK, "--duration", "20"),
        env=cluster.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cluster.cluster.folder,
    )
    assert running.stderr is not None
    assert any("Measuring" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert beds(cluster) == []


def test_an_image_without_the_programs_is_told(cluster: Nodes, tmp_path: Path) -> None:
    report = tmp_path / "perf.json"
    argv = ("--image", f"tools={images.DNS}", "--report", f"json={report}")
    ran = cluster.run("connectivity", "perf", "--single-node", *argv)
    assert ran.code == 6, ran.err
    assert "will not run" in ran.err
    assert "`--image tools=REF` or `--registry PREFIX` name another image with `iperf3` and `python3` in it" in ran.err
    assert json.loads(report.read_text())["error"]["code"] == "outside"
    assert beds(cluster) == []
