"""A bed as the suite sees it, without a cluster."""

from __future__ import annotations

from typing import Any

from ciliumctl.connectivity.bed import roles, services
from ciliumctl.connectivity.model import Bed, Node, Pod, Service, World
from ciliumctl.connectivity.session import new

NODES = (
    Node(name="one", addresses={4: "192.0.2.1", 6: "2001:db8::1"}, hostname="one.test"),
    Node(name="two", addresses={4: "192.0.2.2", 6: "2001:db8::2"}, hostname="two.test"),
)


#: All features on, by their keys in `cilium-config`.
FEATURES = {
    **dict.fromkeys(
        (
            "enable-local-redirect-policy",
            "enable-ingress-controller",
            "enable-gateway-api",
            "enable-bgp-control-plane",
            "enable-bandwidth-manager",
            "enable-host-firewall",
            "enable-egress-gateway",
            "enable-ipsec",
            "kube-proxy-replacement",
        ),
        "true",
    ),
    "loadbalancer-l7": "envoy",
    "policy-cidr-match-mode": "nodes",
    "cluster-id": "1",
}
SERVED = frozenset(
    {
        *(
            ("cilium.io/v2", f"Cilium{kind}")
            for kind in (
                "NetworkPolicy",
                "ClusterwideNetworkPolicy",
                "LocalRedirectPolicy",
                "EgressGatewayPolicy",
                "CIDRGroup",
            )
        ),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    }
)
OUTSIDE = Node(name="outside", addresses={4: "192.0.2.9", 6: "2001:db8::9"})


def world(**more: Any) -> World:
    """Two nodes with Cilium and both families."""
    given: dict[str, Any] = {
        "nodes": NODES,
        "families": (4, 6),
        "cilium": True,
        "cilium_namespace": "kube-system",
        "config": {
            "enable-l7-proxy": "true",
            "enable-wireguard": "true",
            "encrypt-node": "true",
            "enable-ipv4-masquerade": "true",
            "enable-ipv6-masquerade": "true",
            **FEATURES,
        },
        "version": (1, 20),
        "outside": OUTSIDE,
        "served": SERVED,
        "external": "198.51.100.7",
    }
    return World(**{**given, **more})


def bed(**more: Any) -> Bed:
    """A lane with all its pods and services."""
    here = world(**more)
    run = new("somebody", "")
    pods = {role: _pod(role, node, number) for number, (role, node) in enumerate(roles(here).items(), 1)}
    for number, node in enumerate(here.nodes, 1):
        addresses = {family: node.addresses[family] for family in here.families}
        for role in (f"host-{number}", f"sniffer-{number}", f"agent-{number}"):
            pods[role] = _on_host(role, node, addresses)
        pods[f"port-{number}"] = _pod(f"port-{number}", node.name, 20 + number)
    pods["limited"] = _pod("limited", here.nodes[0].name, 31)
    pods["tls"] = _pod("tls", here.nodes[-1].name, 32)
    pods["outside"] = _on_host("outside", OUTSIDE, {family: OUTSIDE.addresses[family] for family in here.families})
    made = {
        manifest["metadata"]["name"]: Service(
            name=manifest["metadata"]["name"],
            namespace="lane",
            addresses={4: f"198.51.100.{number}", 6: f"2001:db8:2::{number}"},
            node_ports={"http": 30000 + number, "udp": 31000 + number},
        )
        for number, manifest in enumerate(services(here, run, "lane"), 1)
    }
    return Bed(namespace="lane", world=here, pods=pods, services=made)


def _on_host(role: str, node: Node, addresses: dict[int, str]) -> Pod:
    return Pod(role=role, name=role, namespace="hosts", node=node.name, addresses=addresses, host=node.addresses)


def _pod(role: str, node: str, number: int) -> Pod:
    return Pod(
        role=role,
        name=role,
        namespace="lane",
        node=node,
        addresses={4: f"203.0.113.{number}", 6: f"2001:db8:1::{number}"},
        host=next(one.addresses for one in NODES if one.name == node),
    )
