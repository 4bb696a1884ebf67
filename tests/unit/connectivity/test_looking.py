"""What a cluster is, read off its objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.looking import look
from ciliumctl.connectivity.model import World
from ciliumctl.errors import Refused
from tests.world import objects
from tests.world.cluster import FakeCluster

ALONE = {"cilium.io/no-schedule": "true"}


@pytest.fixture
def seen(cluster: FakeCluster, tmp_path: Path) -> Looker:
    return Looker(cluster, tmp_path)


class Looker:
    """Looks at a cluster with these objects."""

    def __init__(self, cluster: FakeCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder

    def __call__(self, *nodes: objects.Object, **settings: object) -> World:
        self.cluster.add(*nodes)
        kube = connect(ConnectOptions(kubeconfig=str(self.cluster.kubeconfig(self.folder))), {})
        return look(kube, Settings(**settings), "kube-system")  # type: ignore[arg-type]


def tainted(name: str, effect: str = "NoSchedule") -> objects.Object:
    made = objects.node(name)
    made["spec"]["taints"] = [{"key": "dedicated", "value": "db", "effect": effect}]
    return made


def test_two_ready_nodes_take_part_workers_first(seen: Looker) -> None:
    master = objects.node("a", labels={"node-role.kubernetes.io/control-plane": ""})
    world = seen(master, objects.node("c"), objects.node("b"), objects.node("d", ready=False))
    assert [node.name for node in world.nodes] == ["b", "c"]
    assert world.outside is None


def test_a_node_that_cilium_leaves_alone_is_outside_ready_or_not(seen: Looker) -> None:
    world = seen(objects.node("a", labels=ALONE), objects.node("b"), objects.node("c", labels=ALONE, ready=False))
    assert [node.name for node in world.nodes] == ["b"]
    assert world.outside is not None
    assert world.outside.name == "a"


def test_an_outside_node_whose_kubelet_is_silent_is_none(seen: Looker) -> None:
    silent = objects.node("a", labels=ALONE)
    silent["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    assert seen(silent, objects.node("b")).outside is None


@pytest.mark.parametrize(
    ("toleration", "names"),
    [
        ({"key": "dedicated", "operator": "Exists"}, ["a", "b"]),
        ({"key": "dedicated", "operator": "Equal", "value": "db"}, ["a", "b"]),
        ({"key": "dedicated", "operator": "Equal", "value": "web"}, ["b"]),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, ["b"]),
        ({"operator": "Exists"}, ["a", "b"]),
    ],
)
def test_a_tainted_node_takes_part_when_its_taint_is_tolerated(
    seen: Looker, toleration: dict[str, str], names: list[str]
) -> None:
    world = seen(tainted("a"), objects.node("b"), tolerations=[toleration])
    assert [node.name for node in world.nodes] == names


def test_a_preference_against_pods_keeps_no_node_out(seen: Looker) -> None:
    assert [node.name for node in seen(tainted("a", "PreferNoSchedule")).nodes] == ["a"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/cilium/cilium:v1.15.6", (1, 15)),
        ("registry.example.com:5000/cilium:v1.20.0@sha256:abc", (1, 20)),
        ("quay.io/cilium/cilium-ci:latest", ()),
        ("quay.io/cilium/cilium@sha256:abc", ()),
    ],
)
def test_the_version_is_that_of_the_agents_image(seen: Looker, image: str, version: tuple[int, ...]) -> None:
    agents = objects.daemon_set(image=image)
    agents["spec"]["template"]["spec"]["containers"][0]["name"] = "cilium-agent"
    world = seen(objects.node("a"), agents)
    assert (world.cilium, world.version) == (True, version)


def test_without_cilium_its_parts_are_empty(seen: Looker) -> None:
    world = seen(objects.node("a"))
    assert (world.cilium, world.version, world.config) == (False, (), {})


def test_no_node_that_takes_pods_is_refused_with_the_way_out(seen: Looker) -> None:
    with pytest.raises(Refused, match="no node is ready and takes pods") as refused:
        seen(tainted("a"))
    assert "--toleration" in refused.value.hint


def test_a_node_s_hostname_is_its_label_and_kinds_are_known_with_their_versions(seen: Looker) -> None:
    world = seen(objects.node("a", labels={"kubernetes.io/hostname": "a.example"}), objects.node("b"))
    assert [node.hostname for node in world.nodes] == ["a.example", "b"]
    assert ("apps/v1", "DaemonSet") in world.served
    assert "DaemonSet" in world.kinds


def test_named_nodes_take_part_in_that_order_also_cordoned_ones_where_that_is_tolerated(seen: Looker) -> None:
    cordoned = objects.node("c")
    cordoned["spec"] |= {
        "unschedulable": True,
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}],
    }
    everything = [{"operator": "Exists"}]
    world = seen(objects.node("a"), objects.node("b"), cordoned, nodes=("c", "a"), tolerations=everything)
    assert [node.name for node in world.nodes] == ["c", "a"]
    assert [node.name for node in seen(nodes=("c", "a")).nodes] == ["a"]
