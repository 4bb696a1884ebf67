"""What the stand-in policy enforcer lets through, checked on its rules: no root, no network."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cluster import policy_filter
from tests.cluster.policy_state import State, from_objects

Json = dict[str, Any]


def pod(name: str, last: int, *, namespace: str = "shop", node: str = "node-1", **labels: str) -> Json:
    number = 0 if node == "node-1" else 1
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": name}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8000 + last}]}],
        },
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": f"198.19.{number}.{last}"}, {"ip": f"2001:db8:19:{number}::{last}"}],
        },
    }


def node(name: str, number: int) -> Json:
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDRs": [f"198.19.{number - 1}.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": f"198.18.128.{10 + number}"}]},
    }


WORLD = [
    node("node-1", 1),
    node("node-2", 2),
    {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}},
    {"kind": "Namespace", "metadata": {"name": "other", "labels": {"team": "b"}}},
    {
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "endpoints": [{"addresses": ["198.18.128.1"]}],
    },
    pod("server", 2),
    pod("client", 3),
    pod("far", 4, node="node-2"),
    pod("stranger", 5, namespace="other", node="node-2"),
]


def state(*policies: Json) -> State:
    return from_objects([*WORLD, *policies])


def kubernetes(**spec: Any) -> Json:
    selector = {"podSelector": {"matchLabels": {"app": "server"}}}
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {**selector, **spec},
    }


def cilium(kind: str = "CiliumNetworkPolicy", **spec: Any) -> Json:
    metadata = {"name": "p"} | ({"namespace": "shop"} if kind == "CiliumNetworkPolicy" else {})
    selector = {"endpointSelector": {"matchLabels": {"app": "server"}}}
    return {"kind": kind, "metadata": metadata, "spec": {**selector, **spec}}


def chain(script: str, start: str) -> list[str]:
    """The lines of the only chain whose name starts so, without what they log and those that let a pod reach itself."""
    (body,) = re.findall(rf"chain {start}-\d+ {{\n(.*?)  }}", script, re.DOTALL)
    lines = [re.sub(r"log group \d+ ", "", line.strip()) for line in body.splitlines()]
    return [line for line in lines if not re.fullmatch(r"ip6? [sd]addr \S+ return", line)]


def ingress(*policies: Json) -> list[str]:
    return chain(policy_filter.rules(state(*policies), "node-1"), "to")


def egress(*policies: Json) -> list[str]:
    return chain(policy_filter.rules(state(*policies), "node-1"), "from")


def test_without_policies_no_rule_is_left() -> None:
    assert policy_filter.rules(state(), "node-1") == policy_filter.NOTHING


def test_a_node_filters_its_own_pods_only() -> None:
    assert policy_filter.rules(state(kubernetes()), "node-2") == policy_filter.NOTHING


def test_an_empty_policy_denies_what_arrives_and_nothing_that_leaves() -> None:
    script = policy_filter.rules(state(kubernetes()), "node-1")
    assert chain(script, "to") == ["drop"]
    assert f"log group {policy_filter.LOGS['ingress', False]} drop" in script
    assert "from-" not in script
    assert "ip daddr 198.19.0.2 jump to-" in script
    assert "ip6 daddr 2001:db8:19:0::2 jump to-" in script


def test_a_pod_reaches_itself_whatever_the_policies_say() -> None:
    script = policy_filter.rules(state(kubernetes(policyTypes=["Ingress", "Egress"])), "node-1")
    assert "ip saddr 198.19.0.2 return" in script
    assert "ip daddr 198.19.0.2 return" in script


def test_connections_that_are_there_go_on() -> None:
    script = policy_filter.rules(state(kubernetes()), "node-1")
    assert script.count("ct state established,related accept") == 2


def test_what_pods_send_to_their_own_node_is_filtered_and_what_it_sends_is_not() -> None:
    script = policy_filter.rules(state(kubernetes(policyTypes=["Ingress", "Egress"])), "node-1")
    (received,) = re.findall(r"hook input.*?  }", script, re.DOTALL)
    assert "jump from-" in received
    assert "jump to-" not in received
    assert "hook output" not in script


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"podSelector": {"matchLabels": {"app": "client"}}}, ["198.19.0.3"]),
        ({"podSelector": {}}, ["198.19.0.2", "198.19.0.3", "198.19.1.4"]),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, ["198.19.1.5"]),
        (
            {"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["stranger", "far"]}]}},
            ["198.19.1.4", "198.19.1.5"],
        ),
    ],
)  # fmt: skip
def test_kubernetes_peers(peer: Json, who: list[str]) -> None:
    lines = ingress(kubernetes(ingress=[{"from": [peer]}]))
    assert lines[0] == f"ip saddr {{ {', '.join(who)} }} return"
    assert lines[-1] == "drop"


def test_an_address_block_means_the_world_outside_of_the_cluster_without_its_exceptions() -> None:
    peer = {"ipBlock": {"cidr": "198.18.0.0/15", "except": ["198.18.128.200/32"]}}
    (line, _drop) = egress(kubernetes(policyTypes=["Egress"], egress=[{"to": [peer]}]))
    assert line == (
        "ip daddr 198.18.0.0/15 ip daddr != "
        "{ 198.19.0.0/16, 198.18.128.11, 198.18.128.12, 198.18.128.200 } return"
    )  # fmt: skip


def test_ports_by_number_range_and_for_all() -> None:
    ports = [
        {"port": 80},
        {"port": 1000, "endPort": 2000, "protocol": "UDP"},
        {"protocol": "SCTP"},
    ]
    assert ingress(kubernetes(ingress=[{"ports": ports}])) == [
        "tcp dport 80 return",
        "udp dport 1000-2000 return",
        "meta l4proto sctp return",
        "drop",
    ]


def test_a_port_name_means_the_port_of_whom_traffic_goes_to() -> None:
    assert ingress(kubernetes(ingress=[{"ports": [{"port": "web"}]}])) == ["tcp dport 8002 return", "drop"]
    peer = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["server"]}]}}
    lines = egress(kubernetes(policyTypes=["Egress"], egress=[{"to": [peer], "ports": [{"port": "web"}]}]))
    assert lines == [
        "ip daddr { 198.19.0.3 } tcp dport 8003 return",
        "ip6 daddr { 2001:db8:19::3 } tcp dport 8003 return",
        "ip daddr { 198.19.1.4 } tcp dport 8004 return",
        "ip6 daddr { 2001:db8:19:1::4 } tcp dport 8004 return",
        "drop",
    ]


def test_a_port_name_that_nobody_has_allows_nothing() -> None:
    assert ingress(kubernetes(ingress=[{"ports": [{"port": "none"}]}])) == ["drop"]


def test_an_egress_section_isolates_without_policy_types() -> None:
    assert egress(kubernetes(egress=[{}])) == ["return", "drop"]


def test_a_cilium_policy_means_its_own_namespace_unless_it_names_another() -> None:
    mine = ingress(cilium(ingress=[{"fromEndpoints": [{}]}]))
    assert mine[0] == "ip saddr { 198.19.0.2, 198.19.0.3, 198.19.1.4 } return"
    label = {"k8s:io.kubernetes.pod.namespace": "other"}
    assert ingress(cilium(ingress=[{"fromEndpoints": [{"matchLabels": label}]}]))[0] == "ip saddr { 198.19.1.5 } return"
    label = {"io.cilium.k8s.namespace.labels.team": "b"}
    assert ingress(cilium(ingress=[{"fromEndpoints": [{"matchLabels": label}]}]))[0] == "ip saddr { 198.19.1.5 } return"


def test_a_clusterwide_cilium_policy_selects_in_all_namespaces() -> None:
    wide = cilium("CiliumClusterwideNetworkPolicy", ingress=[{"fromEndpoints": [{}]}])
    assert ingress(wide)[0] == "ip saddr { 198.19.0.2, 198.19.0.3, 198.19.1.4, 198.19.1.5 } return"


@pytest.mark.parametrize(
    ("entity", "first"),
    [
        ("all", "return"),
        ("world", "ip daddr != { 198.19.0.0/16, 198.18.128.11, 198.18.128.12 } return"),
        ("cluster", "ip daddr { 198.19.0.0/16, 198.18.128.11, 198.18.128.12 } return"),
        ("host", "ip daddr { 198.18.128.11, 198.19.0.1 } return"),
        ("remote-node", "ip daddr { 198.18.128.12, 198.19.1.1 } return"),
        ("kube-apiserver", "ip daddr { 198.18.128.1 } return"),
    ],
)
def test_cilium_entities(entity: str, first: str) -> None:
    assert egress(cilium(egress=[{"toEntities": [entity]}]))[0] == first


def test_deny_rules_come_first() -> None:
    policy = cilium(
        ingress=[{"fromEntities": ["all"]}],
        ingressDeny=[{"fromEndpoints": [{"matchLabels": {"any:app": "client"}}]}],
    )
    assert ingress(policy) == [
        "ip saddr { 198.19.0.3 } drop",
        "ip6 saddr { 2001:db8:19::3 } drop",
        "return",
        "drop",
    ]


def test_an_empty_cilium_rule_allows_nothing_and_isolates() -> None:
    assert ingress(cilium(ingress=[{}])) == ["drop"]


def test_a_cilium_policy_that_does_not_isolate_only_denies() -> None:
    policy = cilium(
        enableDefaultDeny={"ingress": False},
        ingressDeny=[{"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}],
    )
    assert ingress(policy) == ["tcp dport 80 drop"]


def test_cilium_ports_of_any_protocol_and_icmp() -> None:
    rule = {
        "toPorts": [{"ports": [{"port": "53"}]}],
        "icmps": [{"fields": [{"type": 8}, {"family": "IPv6", "type": "EchoRequest"}]}],
    }
    assert ingress(cilium(ingress=[rule])) == [
        "tcp dport 53 return",
        "udp dport 53 return",
        "sctp dport 53 return",
        "icmp type 8 return",
        "icmpv6 type 128 return",
        "drop",
    ]


def test_an_icmp_type_is_matched_in_its_own_family_only() -> None:
    rule = {"fromEntities": ["host"], "icmps": [{"fields": [{"family": "IPv6", "type": 128}]}]}
    assert ingress(cilium(ingress=[rule])) == ["drop"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"toFQDNs": [{"matchName": "example.com"}]}, "toFQDNs"),
        ({"toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{}]}}]}, "toPorts.rules"),
        ({"authentication": {"mode": "required"}, "toEntities": ["all"]}, "authentication"),
        ({"toEntities": ["ingress"]}, "entity ingress"),
    ],
)
def test_what_no_packet_filter_can_do_is_named_and_allows_nothing(rule: Json, said: str) -> None:
    policy = cilium(egress=[rule])
    (read,) = policy_filter.policies(state(policy))
    assert read.unsupported == (f"CiliumNetworkPolicy shop/p: egress: {said}",)
    assert egress(policy) == ["drop"]


def test_pods_that_ended_and_pods_on_the_nodes_network_are_no_peers() -> None:
    over, host = pod("over", 8, app="client"), pod("host", 9, app="client")
    over["status"]["phase"] = "Succeeded"
    host["spec"]["hostNetwork"] = True
    policy = kubernetes(ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}])
    script = policy_filter.rules(from_objects([*WORLD, over, host, policy]), "node-1")
    assert chain(script, "to")[0] == "ip saddr { 198.19.0.3 } return"
