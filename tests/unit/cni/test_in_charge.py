from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import cni, templates
from ciliumctl.clients.kube import ConnectOptions, connect
from tests.world import objects
from tests.world.cluster import FakeCluster


def in_charge(cluster: FakeCluster, folder: Path) -> tuple[cni.OtherCni, ...]:
    return cni.in_charge(connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {}))


@pytest.mark.parametrize(
    ("name", "place", "image", "who"),
    [
        ("kube-flannel-ds", "kube-flannel", "docker.io/flannel/flannel:v0.27.0", "Flannel"),
        ("calico-node", "calico-system", "docker.io/calico/node:v3.30.0", "Calico"),
        ("canal", "kube-system", "docker.io/calico/node:v3.30.0", "Canal"),
        ("rke2-canal", "kube-system", "rancher/hardened-calico:v3", "Canal"),
        ("weave-net", "kube-system", "weaveworks/weave-kube:2.8.1", "Weave Net"),
        ("kube-router", "kube-system", "cloudnativelabs/kube-router:v2", "kube-router"),
        ("antrea-agent", "kube-system", "antrea/antrea-agent-ubuntu:v2", "Antrea"),
        ("kindnet", "kube-system", "kindest/kindnetd:v2025", "kindnet"),
        ("azure-cns", "kube-system", "mcr.microsoft.com/azure-cns:v1", "Azure CNI"),
        ("anetd", "kube-system", "gke.gcr.io/cilium/cilium:v1", "GKE Dataplane V2"),
        ("ovnkube-node", "openshift-ovn-kubernetes", "quay.io/openshift/ovn:1", "OVN-Kubernetes"),
    ],
)
def test_a_cni_in_charge_is_known_by_its_daemonset_and_blocks(
    cluster: FakeCluster, tmp_path: Path, name: str, place: str, image: str, who: str
) -> None:
    cluster.add(objects.daemon_set(name, place=place, image=image))
    found = {other.name: other for other in in_charge(cluster, tmp_path)}
    assert who in found
    assert found[who].blocks
    assert found[who].evidence[0] == f"DaemonSet `{place}/{name}`"
    assert found[who].advice


@pytest.mark.parametrize(("name", "who"), [("aws-node", "AWS VPC CNI"), ("kube-multus-ds", "Multus")])
def test_some_may_stay_beside_cilium(cluster: FakeCluster, tmp_path: Path, name: str, who: str) -> None:
    cluster.add(objects.daemon_set(name, image="x:1"))
    (found,) = in_charge(cluster, tmp_path)
    assert (found.name, found.blocks) == (who, False)


def test_a_renamed_daemonset_is_known_by_its_image(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set("our-network", image="registry.example/calico/node:v3.30.0"))
    assert [other.name for other in in_charge(cluster, tmp_path)] == ["Calico"]


def test_a_daemonset_that_wants_no_pods_is_retired(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set("kube-flannel-ds", desired=0, image="docker.io/flannel/flannel:v0.27.0"))
    assert in_charge(cluster, tmp_path) == ()


def test_cilium_itself_and_innocent_daemonsets_are_none(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(*objects.healthy_cilium(), objects.daemon_set("kube-proxy", image="registry.k8s.io/kube-proxy:v1.30.0"))
    assert in_charge(cluster, tmp_path) == ()


def test_marks_that_flannel_left_on_nodes_are_evidence(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.node("one", annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}))
    (found,) = in_charge(cluster, tmp_path)
    assert found.name == "Flannel"
    assert "on node `one`" in found.evidence[0]


def test_every_entry_of_the_list_can_be_seen_and_says_what_to_do() -> None:
    for entry in templates.load("cnis.yaml"):
        assert entry.get("daemonsets"), entry["name"]
        assert entry["advice"]


def test_the_configuration_of_another_cni_is_found_beside_its_daemonset(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(
        objects.daemon_set("kube-flannel-ds", place="kube-flannel", desired=3),
        objects.config_map("kube-flannel-cfg", {}, "kube-flannel"),
    )
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    found = cni.in_charge(kube)
    assert [(other.name, other.pods, other.running) for other in found] == [("Flannel", 3, True)]
    assert cni.configurations(kube, found) == ("ConfigMap `kube-flannel/kube-flannel-cfg`",)


def test_crds_alone_are_nothing_that_runs(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.kinds.append(("crd.projectcalico.org", "v1", "ippools", "IPPool", False))
    (found,) = in_charge(cluster, tmp_path)
    assert (found.name, found.running, found.blocks) == ("Calico", False, False)
