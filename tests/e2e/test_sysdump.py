"""After a failure on real nodes: evidence of the place, and a sysdump that was made while the pods were there."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ciliumctl.clients.kube import NAMESPACES, SECRETS, dig
from ciliumctl.connectivity.session import LABEL
from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO, ranges

_TEST = ("connectivity", "test", "--image", f"probe={images.PROBE}", "--test", "^pod-to-pod$")


@contextmanager
def one_way(nodes: Nodes) -> Iterator[None]:
    """Nothing goes from pods of the first node to those of the second."""
    drops = "".join(
        f"{'ip6' if ':' in cidr else 'ip'} daddr {cidr} tcp dport 8080 drop; " for cidr in ranges(nodes, TWO)
    )
    table = f"table inet fault {{ chain f {{ type filter hook forward priority -200; {drops}}}; }}\n"
    nodes.cluster.inside(ONE, "nft", "-f", "-", stdin=table)
    try:
        yield
    finally:
        nodes.cluster.inside(ONE, "nft", "delete", "table", "inet", "fault")


def inside(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        return {name.partition("/")[2]: found.read(name).decode() for name in found.namelist()}


def secrets(nodes: Nodes) -> list[str]:
    """The values of every Secret of the cluster."""
    found = []
    for one in nodes.cluster.kube.objects(SECRETS):
        values: dict[str, str] = dig(one, "data", default={})
        found += [value for value in values.values() if len(value) > 40]
    return found


def test_a_failure_has_evidence_and_a_sysdump_without_a_secret(cluster: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"
    with one_way(cluster):
        ran = cluster.run(*_TEST, "--sysdump-file", str(path), "-o", "json")
    assert ran.code == 1, ran.err
    assert ran.json["data"]["sysdump"] == str(path)
    (tested,) = ran.json["data"]["scenarios"]
    lines = tested["evidence"]
    far = next(probe["address"] for probe in tested["probes"] if not probe["ok"])
    assert any(line.startswith("source: pod ") and f"on {ONE}" in line for line in lines), lines
    assert any(line.startswith("target: pod ") and f"on {TWO}" in line for line in lines), lines
    assert any(line.startswith(f"route on {ONE} to {far}: via ") for line in lines), lines
    assert any(line.startswith(f"route on {TWO} to ") for line in lines), lines
    flows = [line for line in lines if line.startswith(("flow seen on", "Hubble on"))]
    assert any("stand-in for hubble" in line and "--verdict DROPPED" in line for line in flows), lines
    assert any("--since" in line and "--pod ciliumctl-test-" in line for line in flows), lines
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = inside(path)
    assert '"stand-in"' in found[f"agents/{ONE}/status.txt"]
    assert "dev eth0" in found[f"agents/{TWO}/routes.txt"]
    assert any(name.startswith("logs/cilium-") and "stand-in for cilium-agent" in text for name, text in found.items())
    (pods,) = [text for name, text in found.items() if name.startswith("namespaces/ciliumctl-test-") and "pods" in name]
    assert far in pods, "made before the pods were removed"
    assert json.loads(found["connectivity.json"])[0]["name"] == "pod-to-pod"
    everything = "\n".join(found.values())
    assert not [value for value in secrets(cluster) if value in everything]
    assert "-----BEGIN CERTIFICATE-----\n" not in everything
    assert list(cluster.cluster.kube.objects(NAMESPACES, labels=LABEL)) == []


def test_a_healthy_cluster_is_dumped_whole(cluster: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"
    ran = cluster.run("sysdump", "--output-filename", str(path), "-o", "json")
    assert ran.code == 0, (ran.out, ran.err)
    found = inside(path)
    assert ran.json["data"]["nodes"] == [ONE, TWO]
    assert {
        f"agents/{ONE}/rules.txt",
        f"agents/{TWO}/rules.txt",
        "helm.yaml",
        "cilium.io/ciliumnetworkpolicies.yaml",
    } <= set(found)
