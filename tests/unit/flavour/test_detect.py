"""A fixture for each kind of cluster, as its nodes and objects show it; and clusters that only look like one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.errors import Forbidden
from ciliumctl.flavour.detect import Detection, detect
from ciliumctl.flavour.facts import Facts, NodeFacts
from ciliumctl.values.paths import get


def node(name: str = "node-1", **changes: Any) -> NodeFacts:
    plain = NodeFacts(
        name=name,
        provider_id="",
        labels={},
        annotations={},
        kubelet="v1.30.2",
        os_image="Debian GNU/Linux 12 (bookworm)",
        addresses=("192.0.2.10",),
        pod_range="",
    )
    return replace(plain, **changes)


def facts(*nodes: NodeFacts, **changes: Any) -> Facts:
    plain = Facts(host="https://203.0.113.5:6443", kubernetes="1.30.2", node_count=len(nodes), nodes=nodes)
    return replace(plain, **changes)


def conclusion(found: Detection, subject: str) -> str:
    return next((one.value for one in found.conclusions if one.subject == subject), "")


CLUSTERS = {
    "kind": facts(node(provider_id="kind://docker/it/it-control-plane", pod_range="10.244.0.0/24")),
    "minikube": facts(node("minikube", labels={"minikube.k8s.io/name": "minikube"})),
    "k3s": facts(node(kubelet="v1.30.2+k3s1")),
    "k3d": facts(node("k3d-it-server-0", kubelet="v1.30.2+k3s1")),
    "rancher-desktop": facts(node("lima-rancher-desktop", kubelet="v1.30.2+k3s1")),
    "rke2": facts(node(kubelet="v1.30.2+rke2r1", pod_range="10.42.0.0/24")),
    "talos": facts(node(os_image="Talos (v1.8.0)", pod_range="10.244.0.0/24")),
    "microk8s": facts(node(labels={"microk8s.io/cluster": "true"})),
    "gke": facts(
        node(kubelet="v1.30.2-gke.1", provider_id="gce://it/zone/vm", labels={"cloud.google.com/gke-nodepool": "p"})
    ),
    "eks": facts(node(kubelet="v1.30.2-eks-1de2ab1", provider_id="aws:///eu-west-1a/i-1"), aws_node=True),
    "aks": facts(node(provider_id="azure:///subscriptions/x", labels={"kubernetes.azure.com/cluster": "it"})),
    "openshift": facts(node(), groups=frozenset({"config.openshift.io"})),
    "kubeadm": facts(node(), kubeadm={"networking": {"podSubnet": "198.19.0.0/16"}}),
    "unknown": facts(node()),
}


@pytest.mark.parametrize("flavour", CLUSTERS)
def test_each_kind_of_cluster_is_recognised_with_its_evidence(flavour: str) -> None:
    found = detect(CLUSTERS[flavour])
    assert found.flavour == flavour
    assert found.conclusions[0].evidence
    assert all(one.evidence and one.override for one in found.conclusions)


def test_a_name_alone_makes_no_kind_of_cluster() -> None:
    assert detect(facts(node("k3d-server-0"))).flavour == "unknown"
    assert detect(facts(node("gke-pool-1"), node("rancher-desktop"))).flavour == "unknown"


def test_the_address_of_the_api_server_decides_nothing() -> None:
    clouds = [
        replace(CLUSTERS["unknown"], host=host) for host in ("https://x.eks.amazonaws.com", "https://x.azmk8s.io")
    ]
    assert {detect(one).flavour for one in clouds} == {"unknown"}


def test_openshift_wins_over_what_its_nodes_show() -> None:
    mixed = replace(CLUSTERS["kubeadm"], groups=frozenset({"route.openshift.io"}))
    assert detect(mixed).flavour == "openshift"


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({"daemon_sets": frozenset({"kube-proxy"})}, "DaemonSet `kube-system/kube-proxy`"),
        ({"daemon_sets": frozenset({"kube-proxy-windows"})}, "DaemonSet `kube-system/kube-proxy-windows`"),
        ({"kube_proxy_pods": 3}, "3 pods `kube-proxy-…` in `kube-system` (static pods)"),
    ],
)
def test_a_kube_proxy_that_runs_is_kept(changes: dict[str, Any], evidence: str) -> None:
    found = detect(replace(CLUSTERS["unknown"], **changes, endpoints=(("192.0.2.1", 6443),)))
    assert get(found.values, ("kubeProxyReplacement",)) is False
    assert evidence in next(one for one in found.conclusions if one.subject == "kube-proxy").evidence


def test_k3s_has_one_built_in_unless_its_arguments_say_no() -> None:
    endpoints = (("192.0.2.1", 6443),)
    plain = replace(CLUSTERS["k3s"], endpoints=endpoints)
    assert get(detect(plain).values, ("kubeProxyReplacement",)) is False
    arguments = {"k3s.io/node-args": '["server", "--disable-kube-proxy"]'}
    without = replace(plain, nodes=(node(kubelet="v1.30.2+k3s1", annotations=arguments),))
    assert get(detect(without).values, ("kubeProxyReplacement",)) is True
    garbled = replace(plain, nodes=(node(kubelet="v1.30.2+k3s1", annotations={"k3s.io/node-args": "{"}),))
    assert get(detect(garbled).values, ("kubeProxyReplacement",)) is False


def test_an_absent_kube_proxy_is_replaced_with_an_address_that_nodes_reach() -> None:
    found = detect(replace(CLUSTERS["unknown"], endpoints=(("127.0.0.1", 6443), ("192.0.2.1", 6443))))
    assert found.values["k8sServiceHost"] == "192.0.2.1"
    assert found.values["k8sServicePort"] == 6443
    published = replace(CLUSTERS["unknown"], cluster_info="https://192.0.2.7:8443", endpoints=(("192.0.2.1", 6443),))
    assert detect(published).values["k8sServiceHost"] == "192.0.2.7"


def test_without_such_an_address_it_is_not_replaced() -> None:
    found = detect(replace(CLUSTERS["unknown"], cluster_info="https://127.0.0.1:6443", endpoints=(("::1", 6443),)))
    assert found.values == {"kubeProxyReplacement": False, "operator": {"replicas": 1}}


def test_what_could_not_be_read_is_not_taken_for_absent() -> None:
    blind = replace(
        CLUSTERS["unknown"],
        endpoints=(("192.0.2.1", 6443),),
        failures={"DaemonSets": Forbidden("user `jane` may not list `daemonsets.apps`", hint="")},
    )
    found = detect(blind)
    assert conclusion(found, "kube-proxy") == "not known"
    assert found.values["kubeProxyReplacement"] is False
    assert any("may not list" in warning for warning in found.warnings)


def test_charts_before_1_14_get_words_for_kube_proxy() -> None:
    there = replace(CLUSTERS["unknown"], kube_proxy_pods=1)
    assert detect(there, chart_version="1.13.18").values["kubeProxyReplacement"] == "disabled"
    absent = replace(CLUSTERS["unknown"], endpoints=(("192.0.2.1", 6443),))
    assert detect(absent, chart_version="1.12.0").values["kubeProxyReplacement"] == "strict"
    assert detect(absent, chart_version="1.15.6").values["kubeProxyReplacement"] is True


def test_one_node_gets_one_operator() -> None:
    assert get(detect(facts(node())).values, ("operator", "replicas")) == 1
    assert get(detect(facts(node("a"), node("b"))).values, ("operator", "replicas")) is None


def test_kubeadm_s_pod_subnet_is_cilium_s_pool() -> None:
    dual = replace(CLUSTERS["kubeadm"], kubeadm={"networking": {"podSubnet": "198.19.0.0/16, 2001:db8::/56"}})
    assert get(detect(dual).values, ("ipam", "operator", "clusterPoolIPv4PodCIDRList")) == ["198.19.0.0/16"]


def test_node_addresses_in_the_chart_s_pool_are_a_warning_or_another_ipam() -> None:
    inside = facts(node(addresses=("10.1.2.3",)))
    assert any("10.1.2.3" in warning for warning in detect(inside).warnings)
    ranged = facts(node(addresses=("10.1.2.3",), pod_range="10.244.0.0/24"))
    assert get(detect(ranged).values, ("ipam", "mode")) == "kubernetes"
    assert not detect(ranged).warnings


def test_eksctl_s_name_for_the_cluster_is_taken_when_cilium_takes_it() -> None:
    label = "alpha.eksctl.io/cluster-name"
    assert get(detect(facts(node(labels={label: "prod"}))).values, ("cluster", "name")) == "prod"
    for name in ("Prod", "a" * 33, "my_cluster"):
        assert get(detect(facts(node(labels={label: name}))).values, ("cluster", "name")) is None
    differing = facts(node("a", labels={label: "a"}), node("b", labels={label: "b"}))
    assert get(detect(differing).values, ("cluster", "name")) is None


def test_simulated_nodes_are_told() -> None:
    found = detect(facts(node(kubelet="kwok-v0.8.0")))
    assert found.simulated
    assert "simulated by kwok" in found.notes[-1]


words = st.text(max_size=30)


@given(name=words, kubelet=words, image=words, labels=st.dictionaries(words, words, max_size=3), provider=words)
def test_whatever_a_node_says_something_is_concluded(
    name: str, kubelet: str, image: str, labels: dict[str, str], provider: str
) -> None:
    found = detect(facts(node(name, kubelet=kubelet, os_image=image, labels=labels, provider_id=provider)))
    assert found.flavour
    assert "kubeProxyReplacement" in found.values
