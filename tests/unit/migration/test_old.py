from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import templates
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import AnotherCni, NotFound, UsageError
from ciliumctl.migration import old
from tests.world import objects
from tests.world.cluster import MIGRATION, FakeCluster, Object, fake_cluster
from tests.world.migration import flannel, node


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[FakeCluster, Kube]]:
    with fake_cluster() as cluster:
        cluster.kinds += MIGRATION
        yield cluster, connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


World = tuple[FakeCluster, Kube]


@pytest.mark.parametrize(("backend", "port"), [("vxlan", 8472), ("host-gw", 0), ("wireguard", 51820)])
def test_flannels_network_is_what_its_config_map_says(world: World, backend: str, port: int) -> None:
    cluster, kube = world
    cluster.add(*flannel(backend), node("one", 2))
    found = old.look(kube)
    assert (found.name, found.backend, found.port) == ("Flannel", backend, port)
    assert found.ranges == ("10.244.0.0/16",)
    # Of Flannel's back-ends two were tried.
    assert bool(found.proved) is (backend in {"vxlan", "host-gw"})
    assert found.daemon_sets == ("kube-flannel/kube-flannel-ds",)


def test_a_port_and_an_mtu_of_ones_own_are_read(world: World) -> None:
    cluster, kube = world
    cluster.add(*flannel(Backend={"Type": "vxlan", "Port": 4789, "MTU": 1400}))
    found = old.look(kube, "flannel")
    assert (found.port, found.mtu) == (4789, 1400)


@pytest.mark.parametrize(("on", "count"), [(True, 2), (False, 1)])
def test_flannels_second_range_counts_only_where_ipv6_is_on(world: World, on: bool, count: int) -> None:  # noqa: FBT001
    cluster, kube = world
    cluster.add(*flannel(IPv6Network="fd00:10:244::/56", EnableIPv6=on))
    assert len(old.look(kube).ranges) == count


def test_flannel_inside_of_another_program_is_told_by_its_nodes(world: World) -> None:
    cluster, kube = world
    cluster.add(node("one", 2, annotations={"flannel.alpha.coreos.com/backend-type": "host-gw"}), node("two", 3))
    found = old.look(kube)
    assert (found.backend, found.daemon_sets) == ("host-gw", ())
    assert (found.ranges, found.source) == (("10.244.2.0/23",), "the nodes' `spec.podCIDRs`")


def pool(cidr: str, **modes: str) -> Object:
    spec = {"cidr": cidr, **modes}
    return {"apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": cidr[:4]}, "spec": spec}


@pytest.mark.parametrize(
    ("modes", "backend", "port"),
    [
        ({"vxlanMode": "Always", "ipipMode": "Never"}, "vxlan", 4789),
        ({"vxlanMode": "Never", "ipipMode": "CrossSubnet"}, "ipip", 0),
        ({"vxlanMode": "Never", "ipipMode": "Never"}, "bgp", 0),
    ],
)
def test_calicos_network_is_what_its_pools_say(world: World, modes: dict[str, str], backend: str, port: int) -> None:
    cluster, kube = world
    cluster.kinds.append(("crd.projectcalico.org", "v1", "ippools", "IPPool", False))
    cluster.add(objects.daemon_set("calico-node", labels={}, image="docker.io/calico/node:v3"), node("one", 2))
    cluster.add(pool("172.20.0.0/16", **modes))
    found = old.look(kube, "calico")
    assert (found.ranges, found.backend, found.port) == (("172.20.0.0/16",), backend, port)
    assert found.proved == ""


@pytest.mark.parametrize(
    ("env", "ranges"), [([], "10.32.0.0/12"), ([("IPALLOC_RANGE", "10.99.0.0/16")], "10.99.0.0/16")]
)
def test_weaves_range_is_its_variable_or_its_default(world: World, env: list[tuple[str, str]], ranges: str) -> None:
    cluster, kube = world
    made: dict[str, Any] = objects.daemon_set("weave-net", labels={}, image="weaveworks/weave-kube:2.8.1")
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": key, "value": value} for key, value in env]
    cluster.add(made, node("one", 2))
    assert old.look(kube).ranges == (ranges,)


def test_another_cni_than_the_one_named_is_told(world: World) -> None:
    cluster, kube = world
    cluster.add(*flannel())
    with pytest.raises(NotFound, match="Calico is not in charge here: Flannel is"):
        old.look(kube, "calico")


def test_two_cnis_in_charge_are_a_refusal(world: World) -> None:
    cluster, kube = world
    cluster.add(*flannel(), objects.daemon_set("antrea-agent", labels={}))
    with pytest.raises(AnotherCni, match="Antrea is in charge, too"):
        old.look(kube, "flannel")


def test_a_cni_that_nobody_can_migrate_from_is_named(world: World) -> None:
    cluster, kube = world
    cluster.add(objects.daemon_set("canal", labels={}))
    with pytest.raises(NotFound, match="in charge is Canal"):
        old.look(kube)


def test_an_unknown_origin_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no CNI that a migration from is known"):
        old.entry_of("kindnet")


@pytest.mark.parametrize("origin", old.origins())
def test_every_origin_is_known_to_the_detection_and_says_what_it_leaves(origin: str) -> None:
    entry = old.entry_of(origin)
    assert entry["cni"] in {one["name"] for one in templates.load("cnis.yaml")}
    assert entry["backend"] in entry["ports"]
    assert {"files", "links", "emptied", "tables", "chains", "folders"} == set(entry["node"])
    # What is removed on nodes is never more than one CNI's own.
    assert all(folder.count("/") >= 2 and ".." not in folder for folder in entry["node"]["folders"])
    assert all("/" not in pattern and len(pattern.strip("*")) > 4 for pattern in entry["node"]["files"])
