"""Traffic that comes from outside, and goes there: node ports, masquerading, policies against the world.

It needs a node that the CNI leaves alone. Where the backend's own node is asked and `externalTrafficPolicy` is Local,
the address of who asks reaches the pod, so that policies can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from re import escape
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_HTTP
from ciliumctl.connectivity.commands import http, udp
from ciliumctl.connectivity.model import (
    ANSWERED,
    DENIED,
    Applied,
    Bed,
    Expect,
    Pod,
    Probe,
    Scenario,
    Target,
    World,
    says,
)
from ciliumctl.connectivity.scenarios import _cilium as cilium
from ciliumctl.connectivity.scenarios.policies import ask, policy

_SERVER = {"matchLabels": {"kind": "server"}}


def _families(bed: Bed) -> list[int]:
    """The families that pods, the local service and the host outside all have."""
    of = bed.services["local"]
    return [family for family in bed.families if family in of.addresses and family in bed.pod("outside").addresses]


def _node_ports(bed: Bed) -> Iterator[Probe]:
    of = bed.services["all"]
    any_of_them = says("|".join(pod.name for pod in bed.servers()), "a backend")
    for node in bed.world.nodes:
        for family in _families(bed):
            if family in node.addresses and family in of.addresses:
                name = f"a node port of {node.name}"
                target = Target(name=name, address=node.addresses[family], node=node.name, anywhere=True)
                yield http("outside", target, port=of.node_ports["http"], expect=any_of_them)
                yield udp("outside", target, port=of.node_ports["udp"])


def _local(bed: Bed, expect: Expect, path: str = "/hostname") -> Iterator[Probe]:
    """The node port of the service with `externalTrafficPolicy: Local`, on the node of its backend."""
    of, server = bed.services["local"], bed.servers()[-1]
    for family in _families(bed):
        if family in server.host:
            target = Target(name="a node port of the backend's node", address=server.host[family], node=server.node)
            yield http("outside", target, port=of.node_ports["http"], path=path, expect=expect)


def _source_kept(bed: Bed) -> Iterator[Probe]:
    asking = bed.pod("outside").addresses
    for probe in _local(bed, ANSWERED, "/clientip"):
        address = asking[6 if ":" in probe.target.address else 4]
        yield probe.expecting(says(rf"\[?{escape(address)}\]?:\d+", f"the address of who asks, {address}"))
    of, server = bed.services["local"], bed.servers()[-1]
    for node in bed.world.nodes:
        for family in _families(bed):
            if node.name != server.node and family in node.addresses:
                target = Target(name="a node without a backend", address=node.addresses[family], node=node.name)
                yield http("outside", target, port=of.node_ports["http"], expect=DENIED)


def _masqueraded(bed: Bed) -> Iterator[Probe]:
    outside = bed.pod("outside")
    for client in bed.clients():
        for family in _families(bed):
            own = escape(client.addresses[family])
            # Which of a node's addresses is used is the network's business; that it is not the pod's own is ours.
            hidden = says(rf"(?!\[?{own}\]?:).+", "an address that is not the pod's own")
            target = Target(name="a host outside", address=outside.addresses[family], node=outside.node)
            yield http(client.role, target, port=HOST_HTTP, path="/clientip", expect=hidden)


def _masquerades(world: World) -> str:
    """Only of Cilium is it known that pods must hide; other CNIs differ, and ip-masq-agent has exceptions."""
    if not world.cilium:
        return "whether pods hide behind their node is known of Cilium only"
    if world.config.get("enable-ip-masq-agent", "false") == "true":
        return "an ip-masq-agent configuration says which pods hide, and from whom"
    switches = {4: "enable-ipv4-masquerade", 6: "enable-ipv6-masquerade"}
    off = [switches[family] for family in world.families if world.config.get(switches[family], "false") != "true"]
    return f"Cilium does not masquerade here (`{off[0]}` is off)" if off else ""


def _shut_out(bed: Bed) -> Iterator[Probe]:
    yield from _local(bed, DENIED)
    for client in bed.clients():
        yield from ask(bed, client.role, [bed.servers()[-1]], DENIED)


def _only_client(bed: Bed) -> Iterator[Probe]:
    yield from _local(bed, DENIED)
    yield from ask(bed, "client", [bed.servers()[-1]], ANSWERED)


def _only_outside(bed: Bed) -> Iterator[Probe]:
    yield from _local(bed, ANSWERED)
    for client in bed.clients():
        yield from ask(bed, client.role, [bed.servers()[-1]], DENIED)


def _paths(bed: Bed) -> Iterator[Probe]:
    yield from _local(bed, ANSWERED)
    yield from _local(bed, DENIED, "/clientip")


def _addresses(pod: Pod, families: Sequence[int]) -> list[str]:
    return [f"{pod.addresses[family]}/{32 if family == 4 else 128}" for family in families]


def _blocks(bed: Bed) -> list[dict[str, Any]]:
    cidrs = _addresses(bed.pod("outside"), _families(bed))
    return [{"from": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]}]


def _cidrs(bed: Bed) -> list[dict[str, Any]]:
    return [{"fromCIDR": _addresses(bed.pod("outside"), _families(bed))}]


def _scenario(
    name: str,
    about: str,
    probes: Callable[[Bed], Iterable[Probe]],
    policies: Callable[[Bed], Sequence[Applied]],
    *official: str,
    kind: str = "policy",
    l7: bool = False,
) -> Scenario:
    enforced = needs.cilium_policies if kind == "cilium-policy" else needs.policies
    return Scenario(
        name=f"{kind}-{name}",
        about=about,
        category="policy",
        probes=probes,
        policies=policies,
        needs=(needs.outside_node, enforced, *([needs.l7] if l7 else [])),
        groups=("outside",),
        official=official,
    )


NODE_PORT = Scenario(
    name="outside-to-node-port",
    about="a host outside reaches node ports of every node, over TCP and UDP",
    category="outside",
    probes=_node_ports,
    needs=(needs.outside_node,),
    groups=("outside",),
    official=("north-south-loadbalancing",),
)
SOURCE_KEPT = Scenario(
    name="outside-to-local-node-port",
    about="with externalTrafficPolicy Local a pod sees the address of who asks, and only the backend's node answers",
    category="outside",
    probes=_source_kept,
    needs=(needs.outside_node,),
    groups=("outside",),
)
MASQUERADED = Scenario(
    name="pod-to-outside-masqueraded",
    about="a pod reaches a host outside, which sees the node and not the pod",
    category="outside",
    probes=_masqueraded,
    needs=(needs.outside_node, _masquerades),
    groups=("outside",),
)
DENIED_OUTSIDE = _scenario(
    "deny-ingress-from-outside",
    "with a default deny for incoming traffic, a host outside reaches no server",
    _shut_out,
    policy("deny-outside", podSelector=_SERVER, policyTypes=["Ingress"]),
)
ALLOWED_CIDR = _scenario(
    "allow-ingress-from-outside-by-cidr",
    "a host outside is allowed by its address, and no pod is",
    _only_outside,
    policy("outside-cidr", podSelector=_SERVER, ingress=_blocks),
)
CILIUM_DENIED_OUTSIDE = _scenario(
    "deny-ingress-from-outside",
    "with a default deny for incoming traffic, a host outside reaches no server",
    _shut_out,
    cilium.policy(
        "deny-outside", endpointSelector=_SERVER, ingress=[{"fromEndpoints": [{"matchLabels": {"role": "nobody"}}]}]
    ),
    "all-ingress-deny-from-outside",
    kind="cilium-policy",
)
CILIUM_ONLY_CLIENT = _scenario(
    "deny-outside-by-label",
    "servers that only one client may ask are not reached from outside",
    _only_client,
    cilium.policy("not-outside", endpointSelector=_SERVER, ingress=[{"fromEndpoints": [cilium.CLIENT]}]),
    "echo-ingress-from-outside",
    kind="cilium-policy",
)
CILIUM_ALLOWED_CIDR = _scenario(
    "allow-ingress-from-outside-by-cidr",
    "a host outside is allowed by its address, and no pod is",
    _only_outside,
    cilium.policy("outside-cidr", endpointSelector=_SERVER, ingress=_cidrs),
    "from-cidr-host-netns",
    kind="cilium-policy",
)
CILIUM_WORLD = _scenario(
    "allow-ingress-from-world",
    "servers that only the world may ask answer a host outside, and no pod",
    _only_outside,
    cilium.policy("from-world", endpointSelector=_SERVER, ingress=[{"fromEntities": ["world"]}]),
    kind="cilium-policy",
)
CILIUM_HTTP_FROM_OUTSIDE = _scenario(
    "http-path-from-outside",
    "a rule for HTTP lets one path through to a host outside and refuses the others",
    _paths,
    cilium.policy(
        "http-outside",
        endpointSelector=_SERVER,
        ingress=[
            {
                "fromEntities": ["world"],
                "toPorts": [
                    {"ports": [{"port": "8080", "protocol": "TCP"}], "rules": {"http": [{"path": "/hostname"}]}}
                ],
            }
        ],
    ),
    "north-south-loadbalancing-with-l7-policy",
    kind="cilium-policy",
    l7=True,
)
CILIUM_HTTP_RANGE_FROM_OUTSIDE = _scenario(
    "http-path-from-outside-by-port-range",
    "a rule for HTTP over a range of ports lets one path through to a host outside and refuses the others",
    _paths,
    cilium.policy(
        "http-outside-range",
        endpointSelector=_SERVER,
        ingress=[
            {
                "fromEntities": ["world"],
                "toPorts": [
                    {
                        "ports": [{"port": "8080", "endPort": 8085, "protocol": "TCP"}],
                        "rules": {"http": [{"path": "/hostname"}]},
                    }
                ],
            }
        ],
    ),
    "north-south-loadbalancing-with-l7-policy-port-range",
    kind="cilium-policy",
    l7=True,
)
