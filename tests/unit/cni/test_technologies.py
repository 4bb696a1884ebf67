"""What CNIs are made of, told by what a cluster has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.cni import technologies
from ciliumctl.cni.technologies import CniDetection, Scene
from ciliumctl.nodefacts import NodeFacts, cniconf
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault


def used(result: CniDetection) -> dict[str, tuple[str, ...]]:
    return {one.name: one.by for one in result.technologies if one.by}


def detect(cluster: FakeCluster, folder: Path) -> CniDetection:
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})
    return technologies.conclude(technologies.look(kube, "kube-system"))


def _antrea(text: str) -> dict[str, Any]:
    return objects.config_map("antrea-config", {"antrea-agent.conf": text})


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        ([objects.config_map("cilium-config", {"tunnel-protocol": "geneve"})], {"eBPF": "Cilium", "Geneve": "Cilium"}),
        ([objects.config_map("cilium-config", {"tunnel": "vxlan"})], {"eBPF": "Cilium", "VXLAN": "Cilium"}),
        (
            [
                objects.config_map(
                    "cilium-config",
                    {
                        "routing-mode": "native",
                        "tunnel-protocol": "vxlan",
                        "auto-direct-node-routes": "true",
                        "enable-bgp-control-plane": "true",
                        "enable-wireguard": "true",
                    },
                )
            ],
            {"eBPF": "Cilium", "host-gw": "Cilium", "BGP": "Cilium", "WireGuard": "Cilium"},
        ),
        ([objects.node("n", annotations={"flannel.alpha.coreos.com/backend-type": "udp"})], {"UDP": "Flannel"}),
        ([objects.node("n", annotations={"flannel.alpha.coreos.com/backend-type": "extension"})], {}),
        (
            [
                objects.daemon_set("kube-flannel-ds", place="kube-flannel", image="flannel/flannel:v1"),
                objects.config_map(
                    "kube-flannel-cfg", {"net-conf.json": '{"Backend": {"Type": "host-gw"}}'}, "kube-flannel"
                ),
            ],
            {"host-gw": "Flannel"},
        ),
        ([objects.config_map("kube-proxy", {"config.conf": "mode: ipvs\n"})], {"IPVS": "kube-proxy"}),
        ([objects.config_map("kube-proxy", {"config.conf": "mode: nftables\n"})], {}),
        ([objects.config_map("kube-proxy", {"config.conf": "{["})], {}),
        ([objects.daemon_set("antrea-agent", image="antrea:1"), _antrea("tunnelType: gre\n")], {"GRE": "Antrea"}),
        ([objects.daemon_set("antrea-agent", image="antrea:1"), _antrea("trafficEncapMode: noEncap\n")], {}),
        ([objects.daemon_set("weave-net", image="weaveworks/weave-kube:2.8.1")], {"VXLAN": "Weave Net"}),
        ([objects.daemon_set("kube-router", image="x/kube-router:v2")], {"BGP": "kube-router"}),
        ([], {}),
    ],
)
def test_objects_tell_the_technology(
    cluster: FakeCluster, tmp_path: Path, things: list[Any], expected: dict[str, str]
) -> None:
    cluster.add(*things)
    assert used(detect(cluster, tmp_path)) == {name: (who,) for name, who in expected.items()}


def test_calico_s_own_objects_and_second_interfaces_are_read_where_they_are_served(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    calico = "crd.projectcalico.org"
    cluster.kinds += [
        (calico, "v1", "ippools", "IPPool", False),
        (calico, "v1", "felixconfigurations", "FelixConfiguration", False),
        (calico, "v1", "bgppeers", "BGPPeer", False),
        ("k8s.cni.cncf.io", "v1", "network-attachment-definitions", "NetworkAttachmentDefinition", True),
    ]
    cluster.add(
        _made(f"{calico}/v1", "IPPool", "wrapped", ipipMode="CrossSubnet", vxlanMode="Never"),
        _made(f"{calico}/v1", "IPPool", "tunnel", vxlanMode="Always"),
        _made(f"{calico}/v1", "FelixConfiguration", "default", bpfEnabled=True, wireguardEnabled=False),
        _made(
            "k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "fast", "apps", config=json.dumps({"type": "sriov"})
        ),
        _made(
            "k8s.cni.cncf.io/v1",
            "NetworkAttachmentDefinition",
            "lan",
            "apps",
            config=json.dumps({"plugins": [{"type": "macvlan"}, 5]}),
        ),
        _made("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "broken", "apps", config="{"),
    )
    result = detect(cluster, tmp_path)
    assert used(result) == {
        "BGP": ("Calico",),
        "VXLAN": ("Calico",),
        "eBPF": ("Calico",),
        "IPIP": ("Calico",),
        "SR-IOV": ("the plugin `sriov`",),
        "MACVLAN": ("the plugin `macvlan`",),
    }
    told = {one.name: one.evidence for one in result.technologies}
    assert told["IPIP"] == ("IPPool `wrapped` has `ipipMode: CrossSubnet`",)
    assert told["MACVLAN"] == ("NetworkAttachmentDefinition `apps/lan`",)


def _made(version: str, kind: str, name: str, place: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": place} if place else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def test_nodes_tell_links_and_files_each_sign_once() -> None:
    file = cniconf.parse("10-lan.conflist", '{"name": "l", "cniVersion": "1.0.0", "plugins": [{"type": "ipvlan"}]}')
    reports = tuple(
        NodeFacts(node=name, links=("lo", "flannel.1", "kube-ipvs0"), cni_files=(file,)) for name in ("a", "b")
    )
    result = technologies.conclude(Scene(reports=reports))
    assert used(result) == {"VXLAN": ("Flannel",), "IPVLAN": ("the plugin `ipvlan`",), "IPVS": ("kube-proxy",)}
    assert next(one for one in result.technologies if one.name == "VXLAN").evidence == ("link `flannel.1` on node `a`",)
    assert result.nodes_asked == 2


def test_nothing_is_read_twice(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.node("n"))
    detect(cluster, tmp_path)
    asked = [seen.path for seen in cluster.seen]
    assert len(asked) == len(set(asked)) == 5


def test_what_may_not_be_read_is_told_and_the_rest_goes_on(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.node("n", annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}))
    cluster.faults.append(Fault(pattern="GET .*/configmaps/kube-proxy", status=403, message="no"))
    result = detect(cluster, tmp_path)
    assert used(result) == {"VXLAN": ("Flannel",)}
    assert len(result.missing) == 1
    assert result.missing[0].startswith("ConfigMap `kube-system/kube-proxy`: ")


def test_every_technology_of_a_sign_is_described() -> None:
    names = {one.name for one in technologies.known()}
    tables: tuple[dict[str, Any], ...] = (technologies.OF_FLANNEL, technologies.OF_TUNNELS, technologies.OF_PLUGINS)
    assert {name for table in tables for name in table.values()} <= names
    assert {technology for technology, _who in technologies.OF_LINKS.values()} <= names
