"""More of Cilium's proxy: HTTP rules over ranges of ports, with names outside, behind host ports; nodes by address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_PORT
from ciliumctl.connectivity.commands import HTTP, http, ping
from ciliumctl.connectivity.model import DENIED, Applied, Bed, Probe, Scenario, Target
from ciliumctl.connectivity.scenarios._cilium import CLIENT, SERVER, clusterwide, policy, ports, scenario
from ciliumctl.connectivity.scenarios.cilium_http import DNS_RULE, methods, paths
from ciliumctl.connectivity.scenarios.policies import ask
from ciliumctl.connectivity.scenarios.policies import policy as kubernetes_policy

#: A range with the servers' port in it, and not the other one that they have.
_FIRST, _LAST = HTTP - 10, HTTP + 5


def _over_range(**rule: str) -> list[dict[str, Any]]:
    return [{**ports((_FIRST, "TCP"), end=_LAST)[0], "rules": {"http": [rule]}}]


def _named(bed: Bed) -> list[dict[str, Any]]:
    rule = {**ports((80, "TCP"))[0], "rules": {"http": [{"method": "GET", "path": "/"}]}}
    return [DNS_RULE, {"toFQDNs": [{"matchName": bed.world.external}], "toPorts": [rule]}]


def _name_and_path(bed: Bed) -> Iterator[Probe]:
    target = Target(name=f"`{bed.world.external}` outside")
    # With `--fail`: what the proxy refuses is a 403, which the host's own would be taken for.
    asked = http("client", target, host=bed.world.external, port=80, path="/")
    yield asked
    # A method, not a path: what another path is answered by a stranger's server is not known.
    yield Probe(
        name=f"another method to `{bed.world.external}`",
        source="client",
        target=target,
        command=asked.command.replace("curl ", "curl -I ", 1),
        expect=DENIED,
    )
    yield from ask(bed, "client", bed.servers(), DENIED)


def _host_port(bed: Bed) -> Iterator[Probe]:
    """On the client's own node: from another one, what arrives depends on tunnels and encryption."""
    for port in (pod for pod in bed.group("port") if pod.node == bed.pod("client").node):
        for family in sorted(set(bed.families) & port.host.keys()):
            target = Target(name=f"the host port of {port.node}", address=port.host[family], node=port.node)
            yield http("client", target, port=HOST_PORT, path="/hostname")
            yield http("client", target, port=HOST_PORT, path="/clientip", expect=DENIED)


def _behind_host_ports(bed: Bed) -> Sequence[Applied]:
    """The pods with host ports are all lanes', in a namespace of their own; whoever asks is held to the path."""
    pods = bed.group("port")
    selector = {
        "matchLabels": {"k8s:io.kubernetes.pod.namespace": pods[0].namespace},
        "matchExpressions": [{"key": "role", "operator": "In", "values": [pod.role for pod in pods]}],
    }
    rule = {**ports((HTTP, "TCP"))[0], "rules": {"http": [{"path": "/hostname"}]}}
    made = clusterwide("host-port", endpointSelector=selector, ingress=[{"fromEntities": ["all"], "toPorts": [rule]}])
    return made(bed)


def _nodes(bed: Bed) -> Iterator[Probe]:
    for node in bed.world.nodes:
        for family in sorted(set(bed.families) & node.addresses.keys()):
            yield ping("client", Target(name=f"node {node.name}", address=node.addresses[family], node=node.name))
    yield from ask(bed, "client", bed.servers(), DENIED)


def _cidrs(bed: Bed) -> list[str]:
    addresses = [address for node in bed.world.nodes for address in node.addresses.values()]
    return [f"{address}/{128 if ':' in address else 32}" for address in addresses]


def _to_nodes(bed: Bed) -> list[dict[str, Any]]:
    return [{"toCIDR": _cidrs(bed)}]


def _to_blocks(bed: Bed) -> list[dict[str, Any]]:
    return [{"to": [{"ipBlock": {"cidr": cidr}} for cidr in _cidrs(bed)]}]


_MATCHES_NODES = needs.set_to(
    "policy-cidr-match-mode", "nodes", "CIDRs do not select nodes here (`policyCIDRMatchMode`)"
)


HTTP_RANGE = scenario(
    "http-path-egress-by-port-range",
    "a rule for outgoing HTTP over a range of ports lets one path through and refuses the others",
    paths,
    policy(
        "http-range",
        endpointSelector=CLIENT,
        egress=[{"toEndpoints": [SERVER], "toPorts": _over_range(path="/hostname")}],
    ),
    "client-egress-l7-port-range",
    more_needs=(needs.l7, needs.since(1, 16)),
)
HTTP_METHOD_RANGE = scenario(
    "http-method-egress-by-port-range",
    "a rule for outgoing HTTP over a range of ports lets GET through and refuses POST",
    methods,
    policy(
        "http-method-range",
        endpointSelector=CLIENT,
        egress=[{"toEndpoints": [SERVER], "toPorts": _over_range(method="GET")}],
    ),
    "client-egress-l7-method-port-range",
    # The official test's own gate.
    more_needs=(needs.l7, needs.since(1, 17)),
)
TO_NAME_WITH_HTTP = scenario(
    "http-method-to-name",
    "a client may ask the one name outside with one method and no other, and reaches no pod",
    _name_and_path,
    policy("http-to-name", endpointSelector=CLIENT, egress=_named),
    "to-fqdns-with-proxy",
    more_needs=(needs.l7, needs.external_name),
)
HTTP_HOST_PORT = Scenario(
    name="cilium-policy-http-path-behind-host-port",
    about="a rule for HTTP lets one path through to a pod behind a port of its node",
    category="policy",
    probes=_host_port,
    policies=_behind_host_ports,
    needs=(needs.clusterwide_policies, needs.l7, needs.privileged),
    groups=("hosts",),
)
TO_NODES = scenario(
    "allow-egress-to-node-by-cidr",
    "a client that may only go to the nodes' addresses reaches them, and no pod",
    _nodes,
    policy("to-nodes", endpointSelector=CLIENT, egress=_to_nodes),
    more_needs=(_MATCHES_NODES,),
)
TO_NODE_BLOCKS = Scenario(
    name="policy-allow-egress-to-node-by-cidr",
    about="a client that may only go to the nodes' addresses reaches them, and no pod",
    category="policy",
    probes=_nodes,
    policies=kubernetes_policy("to-nodes", podSelector=CLIENT, policyTypes=["Egress"], egress=_to_blocks),
    needs=(needs.policies, _MATCHES_NODES),
    official=("pod-to-node-cidrpolicy",),
)
