from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.checks import _ranges as ranges
from ciliumctl.checks._scene import ServiceRanges
from ciliumctl.cni import OtherCni
from ciliumctl.errors import Forbidden
from ciliumctl.flavour import Facts
from tests.unit.checks.scenes import installed, judge, node, scene, seen


def pool(*cidrs: str, size: int = 24) -> dict[str, Any]:
    operator = {"clusterPoolIPv4PodCIDRList": list(cidrs), "clusterPoolIPv4MaskSize": size}
    return {"ipam": {"mode": "cluster-pool", "operator": operator}}


DEFAULT = pool("10.0.0.0/8")
BY_NODES = {"ipam": {"mode": "kubernetes"}}


@pytest.mark.parametrize(
    ("address", "outcome"), [("10.0.3.4", "failed"), ("10.240.0.4", "warning"), ("192.0.2.4", "passed")]
)
def test_a_node_in_the_pool_is_an_error_where_its_block_is_handed_out_soon(address: str, outcome: str) -> None:
    found = judge("CIL-NET-001", scene(values=DEFAULT, nodes=(node(addresses=(address,)),)))
    assert found.outcome == outcome


def test_a_cilium_that_runs_so_already_is_only_warned_of() -> None:
    look_at = scene(values=DEFAULT, nodes=(node(addresses=("10.0.0.4",)),), existing=installed("1.18.12"))
    assert judge("CIL-NET-001", look_at).outcome == "warning"


def test_a_node_in_another_nodes_own_range_is_an_error() -> None:
    there = (node("a", addresses=("10.1.0.5",), pod_ranges=("10.1.0.0/24",)), node("b", addresses=("192.0.2.1",)))
    found = judge("CIL-NET-001", scene(values=BY_NODES, nodes=there))
    assert (found.outcome, found.findings[0].object) == ("failed", "Node//a")


def test_addresses_that_come_from_a_cloud_are_not_judged() -> None:
    assert judge("CIL-NET-001", scene(values={"ipam": {"mode": "eni"}}, nodes=(node(),))).outcome == "skipped"


@pytest.mark.parametrize(
    ("services", "values", "outcome"),
    [
        ("10.96.0.0/12", DEFAULT, "warning"),
        ("10.0.0.0/24", DEFAULT, "failed"),
        ("10.96.0.0/12", pool("10.42.0.0/16"), "passed"),
        ("10.42.128.0/20", pool("10.42.0.0/16"), "warning"),
        ("192.0.2.0/25", DEFAULT, "failed"),
        ("", DEFAULT, "skipped"),
    ],
)
def test_services_must_have_a_range_of_their_own(services: str, values: dict[str, Any], outcome: str) -> None:
    known = ServiceRanges(ranges=(services,), source="a test") if services else ServiceRanges()
    look_at = scene(values=values, nodes=(node(addresses=("192.0.2.4",)),), service_ranges=known)
    assert judge("CIL-NET-002", look_at).outcome == outcome


def test_the_overlap_says_which_node_would_reach_it() -> None:
    known = ServiceRanges(ranges=("10.96.0.0/12",), source="a test")
    found = judge("CIL-NET-002", scene(values=DEFAULT, service_ranges=known))
    assert (
        found.findings[0].text
        == "pods' 10.0.0.0/8 and services' 10.96.0.0/12 overlap; the pool reaches it with node 24577"
    )


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (DEFAULT, "passed"),
        (pool("10.0.0.0/24"), "failed"),
        (pool("10.0.0.0/23"), "failed"),
        (pool("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"), "warning"),
        (pool("10.0.0.0/22"), "passed"),
        (pool(), "failed"),
        (BY_NODES, "failed"),
        ({"ipam": {"mode": "multi-pool"}}, "skipped"),
    ],
)
def test_the_pool_must_have_a_share_for_each_of_three_nodes(values: dict[str, Any], outcome: str) -> None:
    there = (node("a"), node("b"), node("c"))
    assert judge("CIL-NET-003", scene(values=values, nodes=there)).outcome == outcome


def test_a_pool_that_is_no_range_is_told_as_what_it_is() -> None:
    found = judge("CIL-NET-003", scene(values=pool("ten"), nodes=(node("a"),)))
    assert (found.outcome, found.message) == ("failed", "`ten` is no range of addresses")


def test_two_families_each_need_shares() -> None:
    values = pool("10.0.0.0/8")
    values["ipv6"] = {"enabled": True}
    values["ipam"]["operator"] |= {"clusterPoolIPv6PodCIDRList": ["fd00::/120"], "clusterPoolIPv6MaskSize": 120}
    found = judge("CIL-NET-003", scene(values=values, nodes=(node("a"), node("b"))))
    assert (found.outcome, found.message) == ("failed", "1 share for 2 nodes")


@given(st.integers(0, 2**24 - 1), st.integers(9, 30))
def test_an_address_lies_in_the_block_that_the_operator_counts_to(offset: int, size: int) -> None:
    network = ranges.network("10.0.0.0/8")
    address = ranges.address("10.0.0.0")
    assert network is not None
    assert address is not None
    number = ranges.block_of(network, size, address + offset)
    assert 0 <= number < ranges.blocks(network, size)
    block = ranges.network(f"{address + (number << (32 - size))}/{size}")
    assert block is not None
    assert address + offset in block


def proxy(facts: Facts, values: dict[str, Any], flavour: str = "kubeadm") -> str:
    return judge("CIL-KPR-001", scene(values=values, facts=facts, flavour=flavour)).outcome


WITH = Facts(host="https://192.0.2.10:6443", daemon_sets=frozenset({"kube-proxy"}))
STATIC = Facts(host="https://192.0.2.10:6443", kube_proxy_pods=3)
WITHOUT = Facts(host="https://192.0.2.10:6443", cluster_info="https://192.0.2.10:6443")
K3S = Facts(host="https://192.0.2.10:6443", nodes=(seen("v1.33.1+k3s1"),))
UNKNOWN = Facts(host="https://192.0.2.10:6443", failures={"DaemonSets": Forbidden("not you")})
KWOK = Facts(host="https://192.0.2.10:6443", nodes=(seen("kwok-v0.8.0"),))


@pytest.mark.parametrize(
    ("facts", "values", "outcome"),
    [
        (WITH, {"kubeProxyReplacement": "false"}, "passed"),
        (WITH, {"kubeProxyReplacement": True}, "warning"),
        (STATIC, {"kubeProxyReplacement": "strict"}, "warning"),
        (STATIC, {"kubeProxyReplacement": "disabled"}, "passed"),
        (WITHOUT, {"kubeProxyReplacement": "true"}, "passed"),
        (WITHOUT, {}, "failed"),
        (K3S, {}, "passed"),
        (UNKNOWN, {}, "skipped"),
        (KWOK, {}, "skipped"),
    ],
)
def test_kube_proxy_is_there_or_replaced(facts: Facts, values: dict[str, Any], outcome: str) -> None:
    assert proxy(facts, values) == outcome


def test_a_kube_proxy_outside_of_pods_cannot_be_ruled_out_on_an_unknown_kind_of_cluster() -> None:
    assert proxy(WITHOUT, {}, flavour="unknown") == "warning"


@pytest.mark.parametrize(
    ("host", "port", "flavour", "outcome"),
    [
        ("", "", "kubeadm", "failed"),
        ("127.0.0.1", "6443", "kubeadm", "failed"),
        ("localhost", "7445", "talos", "passed"),
        ("localhost", "6443", "talos", "failed"),
        ("127.0.0.1", "6443", "rke2", "passed"),
        ("192.0.2.10", "6443", "kubeadm", "passed"),
        ("192.0.2.10", "", "kubeadm", "failed"),
        ("api.example.com", "6443", "kubeadm", "passed"),
        ("auto", "", "kubeadm", "passed"),
    ],
)
def test_the_agents_need_an_address_that_is_right_on_every_node(
    host: str, port: str, flavour: str, outcome: str
) -> None:
    values = {"kubeProxyReplacement": "true", "k8sServiceHost": host, "k8sServicePort": port}
    assert judge("CIL-KPR-002", scene(values=values, facts=WITHOUT, flavour=flavour)).outcome == outcome


def test_an_address_that_does_not_answer_is_only_a_warning_for_nodes_may_see_another_network() -> None:
    values = {"kubeProxyReplacement": "true", "k8sServiceHost": "api.example.com", "k8sServicePort": 6443}
    found = judge("CIL-KPR-002", scene(values=values, facts=WITHOUT, endpoint_problem="the name cannot be resolved"))
    assert found.outcome == "warning"


def test_auto_needs_cluster_info() -> None:
    values = {"kubeProxyReplacement": "true", "k8sServiceHost": "auto"}
    assert judge("CIL-KPR-002", scene(values=values, facts=WITH)).outcome == "failed"


def test_with_kube_proxy_no_address_is_needed_even_with_the_replacement() -> None:
    assert judge("CIL-KPR-002", scene(values={"kubeProxyReplacement": True}, facts=WITH)).outcome == "passed"
    assert judge("CIL-KPR-002", scene(values={}, facts=WITH)).outcome == "skipped"


FLANNEL = OtherCni(
    name="Flannel",
    evidence=("DaemonSet `kube-flannel/kube-flannel-ds`",),
    advice="remove it",
    blocks=True,
    pods=3,
)
MULTUS = OtherCni(
    name="Multus", evidence=("DaemonSet `kube-system/kube-multus-ds`",), advice="", blocks=False, beside=True
)


def test_another_cni_is_named_with_its_objects_and_how_to_retire_it() -> None:
    look_at = scene(others=(FLANNEL, MULTUS), cni_configs=("ConfigMap `kube-flannel/kube-flannel-cfg`",))
    found = judge("CIL-CNI-001", look_at)
    assert (found.outcome, found.message, found.hint) == ("failed", "in charge: Flannel (3 pods)", "remove it")
    assert [finding.object for finding in found.findings] == [
        "DaemonSet/kube-flannel/kube-flannel-ds",
        "ConfigMap/kube-flannel/kube-flannel-cfg",
    ]
    assert judge("CIL-CNI-001", scene(others=(MULTUS,))).outcome == "passed"


def test_beside_multus_the_configuration_must_not_be_exclusive() -> None:
    assert judge("CIL-CNI-002", scene(others=(MULTUS,))).outcome == "failed"
    assert judge("CIL-CNI-002", scene(others=(MULTUS,), values={"cni": {"exclusive": False}})).outcome == "passed"
    assert judge("CIL-CNI-002", scene()).outcome == "skipped"


def test_a_chained_cni_keeps_its_configuration() -> None:
    chained = {"cni": {"chainingMode": "aws-cni", "exclusive": True}}
    assert judge("CIL-CNI-002", scene(values=chained)).outcome == "failed"
    assert judge("CIL-CNI-002", scene(values={"cni": {"chainingMode": "portmap"}})).outcome == "skipped"
