"""CiliumEgressGatewayPolicy: a pod leaves the cluster through another node, which a host outside sees.

Each policy selects one pod of the lane, and each scenario another pod, so that they do not meet.
Fields: `pkg/k8s/apis/cilium.io/client/crds/v2/ciliumegressgatewaypolicies.yaml` of cilium/cilium. IPv4 only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from re import escape
from typing import Any

from ciliumctl.agents import AGENT_PROGRAM
from ciliumctl.clients.kube import Resource
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_HTTP
from ciliumctl.connectivity.commands import http
from ciliumctl.connectivity.model import DENIED, Applied, Bed, Expect, Node, Probe, Scenario, Target, World, says
from ciliumctl.connectivity.scenarios._cilium import outside_of_namespaces, policy, ports

POLICIES = Resource("cilium.io", "v2", "ciliumegressgatewaypolicies", namespaced=False)


def _outside(bed: Bed) -> str:
    return bed.pod("outside").addresses[4]


def _through(bed: Bed, name: str, role: str, gateway: Node, **more: Any) -> Applied:
    # The node's own address, so that it is known which one is seen; without it Cilium takes the first one of the
    # device that has the default route.
    manifest = {
        "apiVersion": POLICIES.api_version,
        "kind": "CiliumEgressGatewayPolicy",
        "metadata": outside_of_namespaces(bed, name),
        "spec": {
            "selectors": [
                {
                    "podSelector": {
                        "matchLabels": {"role": role, "io.kubernetes.pod.namespace": bed.namespace},
                    }
                }
            ],
            "destinationCIDRs": [f"{_outside(bed)}/32"],
            "egressGateway": {
                "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": gateway.hostname or gateway.name}},
                "egressIP": gateway.addresses[4],
            },
            **more,
        },
    }
    return Applied(POLICIES, manifest)


def _far_gateway(bed: Bed) -> Sequence[Applied]:
    return [_through(bed, "gateway", "other", bed.world.nodes[1])]


def _far_gateway_for_client(bed: Bed) -> Sequence[Applied]:
    return [_through(bed, "gateway-with-http", "client", bed.world.nodes[1])]


def _excluding(bed: Bed) -> Sequence[Applied]:
    around = str(ipaddress.ip_network(f"{_outside(bed)}/24", strict=False))
    more = {"destinationCIDRs": [around], "excludedCIDRs": [f"{_outside(bed)}/32"]}
    return [_through(bed, "gateway-excluding", "far-client", bed.world.nodes[0], **more)]


def _seen(source: str, bed: Bed, node: Node) -> Probe:
    address = node.addresses[4]
    expect = says(rf"{escape(address)}:\d+", f"the address of {node.name}, {address}")
    return _ask(source, bed, "/clientip", expect)


def _ask(source: str, bed: Bed, path: str, expect: Expect) -> Probe:
    target = Target(name="a host outside", address=_outside(bed), node=bed.pod("outside").node)
    return http(source, target, port=HOST_HTTP, path=path, expect=expect)


def _by_gateway(bed: Bed) -> Iterator[Probe]:
    yield _seen("other", bed, bed.world.nodes[1])


def _excluded(bed: Bed) -> Iterator[Probe]:
    """The pod's own node is seen without any policy as well, so its agent must say that it knows the exclusion.

    The words are those of `cilium-dbg/cmd/bpf_egress_list.go`.
    """
    pod = bed.pod("far-client")
    agents = [one for one in bed.group("agent") if one.node == pod.node]
    if not agents:
        return
    yield _seen(pod.role, bed, bed.world.nodes[1])
    entry = rf"^{escape(pod.addresses[4])} +{escape(_outside(bed))}/32 +[^ ]+ +Excluded CIDR"
    for agent in agents:
        yield Probe(
            name="the exclusion in the agent's table",
            source=agent.role,
            target=Target(name="the agent's egress table", node=agent.node),
            command=f"{AGENT_PROGRAM}\n$c bpf egress list | grep -qE '{entry}' && echo excluded",
            expect=says("excluded", "an entry that excludes the host outside"),
        )


def _with_http(bed: Bed) -> Iterator[Probe]:
    yield _seen("client", bed, bed.world.nodes[1])
    yield _ask("client", bed, "/hostname", DENIED)


def _one_path(bed: Bed) -> list[dict[str, Any]]:
    rule = {**ports((HOST_HTTP, "TCP"))[0], "rules": {"http": [{"path": "/clientip"}]}}
    return [{"toCIDR": [f"{_outside(bed)}/32"], "toPorts": [rule]}]


def _ipv4(world: World) -> str:
    nodes = [*world.nodes, *([world.outside] if world.outside else [])]
    there = 4 in world.families and all(4 in node.addresses for node in nodes)
    return "" if there else "pods or nodes have no IPv4 address"


_OFF = "Cilium's egress gateway is off"
_NEEDS = (
    needs.either(
        needs.switched_on("enable-egress-gateway", _OFF),
        # The key before 1.18.
        needs.switched_on("enable-ipv4-egress-gateway", _OFF),
    ),
    needs.kind("CiliumEgressGatewayPolicy"),
    needs.outside_node,
    needs.two_nodes,
    _ipv4,
)

GATEWAY = Scenario(
    name="cilium-egress-gateway",
    about="a pod that leaves through the other node is seen outside with that node's address",
    category="cilium",
    probes=_by_gateway,
    objects=_far_gateway,
    needs=_NEEDS,
    groups=("outside",),
)
EXCLUDED = Scenario(
    name="cilium-egress-gateway-excluded",
    about="a pod leaves for an excluded address through its own node, although its policy names another",
    category="cilium",
    probes=_excluded,
    objects=_excluding,
    needs=_NEEDS,
    groups=("outside", "agents"),
    official=("egress-gateway-excluded-cidrs",),
)
WITH_HTTP = Scenario(
    name="cilium-policy-http-path-through-egress-gateway",
    about="a rule for HTTP lets one path through to a host outside, and the other node is seen there",
    category="policy",
    probes=_with_http,
    objects=_far_gateway_for_client,
    policies=policy("http-gateway", endpointSelector={"matchLabels": {"role": "client"}}, egress=_one_path),
    # The official test's own gate.
    needs=(*_NEEDS, needs.cilium_policies, needs.l7, needs.since(1, 16)),
    groups=("outside",),
)
