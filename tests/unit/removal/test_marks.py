from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import NODES, ConnectOptions, Kube, connect
from ciliumctl.errors import ClusterError
from ciliumctl.removal import Marks, marks
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)


def marked(name: str) -> dict[str, Any]:
    node = objects.node(
        name,
        annotations={
            "io.cilium.network.ipv4-cilium-host": "198.18.0.1",
            "network.cilium.io/wg-pub-key": "abc",
            "cilium.io/bgp-virtual-router.64512": "local-port=179",
            "example.org/mine": "stays",
        },
    )
    node["spec"]["taints"] = [
        {"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"},
        {"key": "example.org/gpu", "effect": "NoSchedule"},
    ]
    node["status"]["conditions"].append({"type": "NetworkUnavailable", "status": "False", "reason": "CiliumIsUp"})
    return node


def test_all_of_cilium_s_marks_go_and_nothing_else(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(marked("one"), objects.node("two"))
    assert marks.count(list(kube.objects(NODES))) == Marks(annotations=1, taints=1, conditions=1)
    assert marks.remove(kube) == "1 nodes"
    node = kube.get(NODES, "one")
    assert set(node["metadata"]["annotations"]) == {"cilium.io/bgp-virtual-router.64512", "example.org/mine"}
    assert [taint["key"] for taint in node["spec"]["taints"]] == ["example.org/gpu"]
    assert [condition["type"] for condition in node["status"]["conditions"]] == ["Ready"]
    assert not marks.count(list(kube.objects(NODES)))


def test_a_condition_of_somebody_else_stays(cluster: FakeCluster, kube: Kube) -> None:
    node = objects.node("one")
    node["status"]["conditions"].append({"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated"})
    cluster.add(node)
    assert not marks.count(list(kube.objects(NODES)))


def test_a_second_run_changes_nothing(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(marked("one"))
    marks.remove(kube)
    before = len([seen for seen in cluster.seen if seen.method == "PATCH"])
    assert marks.remove(kube) == "0 nodes"
    assert len([seen for seen in cluster.seen if seen.method == "PATCH"]) == before


def test_one_node_that_cannot_be_changed_stops_no_other(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(marked("one"), marked("two"))
    cluster.faults.append(Fault(pattern="PATCH .*/nodes/one", status=403, message="no"))
    with pytest.raises(ClusterError) as raised:
        marks.remove(kube)
    assert "1 of 2 nodes could not be changed, `one` first" in raised.value.message
    assert len(kube.get(NODES, "two")["spec"]["taints"]) == 1


def test_a_node_that_changed_meanwhile_is_read_again(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(marked("one"))
    cluster.faults.append(Fault(pattern="PATCH .*/nodes/one", status=409, message="modified", times=2))
    assert marks.remove(kube) == "1 nodes"
    assert not marks.count(list(kube.objects(NODES)))
