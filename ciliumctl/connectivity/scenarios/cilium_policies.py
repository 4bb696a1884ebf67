"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy between pods: allowing, denying, by label, port, ICMP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, OTHER, UDP, ping, udp
from ciliumctl.connectivity.model import ANSWERED, DENIED, Bed, Probe, Scenario
from ciliumctl.connectivity.scenarios._cilium import (
    CLIENT,
    EVERYBODY,
    EVERYWHERE,
    SERVER,
    clusterwide,
    of_lane,
    policy,
    ports,
    scenario,
)
from ciliumctl.connectivity.scenarios.policies import ask

_NOBODY: dict[str, Any] = {"matchLabels": {"role": "nobody"}}


def _deny_in(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), DENIED)
        for family in bed.families:
            yield udp(client.role, bed.pod("near").target(family), expect=DENIED)


def _deny_out(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), DENIED)
    yield from ask(bed, "other", bed.servers(), ANSWERED)


def _by_label(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "other", bed.servers(), DENIED)


def _not_to_servers(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), DENIED)
    yield from ask(bed, "client", [bed.pod("other")], ANSWERED)


def _not_that_port(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), DENIED)
    yield from ask(bed, "client", bed.servers(), ANSWERED, port=OTHER)


def _only_that_port(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED, port=OTHER)
    for family in bed.families:
        yield udp("client", bed.pod("near").target(family), port=UDP, expect=DENIED)


def _icmp(bed: Bed) -> Iterator[Probe]:
    for family in bed.families:
        yield ping("client", bed.pod("near").target(family))
    yield from ask(bed, "client", [bed.pod("near")], DENIED)


def _no_icmp(bed: Bed) -> Iterator[Probe]:
    for family in bed.families:
        yield ping("client", bed.pod("near").target(family), expect=DENIED)
    yield from ask(bed, "client", [bed.pod("near")], ANSWERED)


_ICMP = [{"fields": [{"family": "IPv4", "type": 8}, {"family": "IPv6", "type": 128}]}]

DENY_IN = scenario(
    "deny-all-ingress",
    "with a default deny for incoming traffic, servers answer nobody",
    _deny_in,
    policy("deny-in", endpointSelector=SERVER, ingress=[{"fromEndpoints": [_NOBODY]}]),
    "all-ingress-deny",
)

DENY_OUT = scenario(
    "deny-all-egress",
    "with a default deny for outgoing traffic, a client reaches nobody",
    _deny_out,
    policy("deny-out", endpointSelector=CLIENT, egress=[{"toEndpoints": [_NOBODY]}]),
    "all-egress-deny",
)

DENY_ENTITIES = scenario(
    "deny-all-entities",
    "a client that is denied every entity reaches nobody",
    _deny_out,
    policy("deny-entities", endpointSelector=CLIENT, egressDeny=EVERYWHERE),
    "all-entities-deny",
)

IN_BY_LABEL = scenario(
    "allow-ingress-by-label",
    "only the client with the right label reaches the servers",
    _by_label,
    policy("by-label", endpointSelector=SERVER, ingress=[{"fromEndpoints": [CLIENT]}]),
    "echo-ingress",
    "client-ingress",
)

CLUSTERWIDE_BY_LABEL = Scenario(
    name="cilium-clusterwide-policy-allow-ingress-by-label",
    about="a clusterwide policy selects by namespace and label",
    category="policy",
    probes=_by_label,
    policies=clusterwide(
        "by-label",
        endpointSelector=lambda bed: {
            "matchLabels": {"kind": "server", "k8s:io.kubernetes.pod.namespace": bed.namespace}
        },
        ingress=lambda bed: [{"fromEndpoints": [of_lane(bed, "client")]}],
    ),
    needs=(needs.clusterwide_policies,),
    official=("ingress-from-specific-namespace-ccnp", "egress-to-specific-namespace-ccnp"),
)

OUT_BY_LABEL = scenario(
    "allow-egress-by-label-and-port",
    "a client reaches the servers' one port, nothing else of them",
    _only_that_port,
    policy(
        "out-by-label",
        endpointSelector=CLIENT,
        egress=[{"toEndpoints": [SERVER], "toPorts": ports((HTTP, "TCP"))}],
    ),
    "client-egress",
)

OUT_BY_EXPRESSION = scenario(
    "allow-egress-by-expression",
    "a client reaches only what an expression selects",
    _only_that_port,
    policy(
        "out-by-expression",
        endpointSelector=CLIENT,
        egress=[
            {
                "toEndpoints": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}],
                "toPorts": ports((HTTP, "TCP")),
            }
        ],
    ),
    "client-egress-expression",
)

OUT_BY_RANGE = scenario(
    "allow-egress-by-port-range",
    "a client reaches a range of ports, and not the port above it",
    _only_that_port,
    policy(
        "out-by-range",
        endpointSelector=CLIENT,
        egress=[{"toEndpoints": [SERVER], "toPorts": ports((HTTP - 10, "TCP"), end=OTHER - 1)}],
    ),
    "client-egress-expression-port-range",
    more_needs=(needs.since(1, 16),),
)

DENY_OTHER = scenario(
    "deny-ingress-by-label",
    "a deny rule shuts one client out, although everybody is allowed",
    _by_label,
    policy(
        "deny-other",
        endpointSelector=SERVER,
        ingress=EVERYBODY,
        ingressDeny=[{"fromEndpoints": [{"matchLabels": {"role": "other"}}]}],
    ),
    "echo-ingress-from-other-client-deny",
)

DENY_SERVERS = scenario(
    "deny-egress-by-label",
    "a deny rule keeps a client from the servers, although it may go everywhere",
    _not_to_servers,
    policy("deny-servers", endpointSelector=CLIENT, egress=EVERYWHERE, egressDeny=[{"toEndpoints": [SERVER]}]),
    "client-egress-to-echo-deny",
)

DENY_EXPRESSION = scenario(
    "deny-egress-by-expression",
    "a deny rule with an expression keeps a client from the servers",
    _not_to_servers,
    policy(
        "deny-expression",
        endpointSelector=CLIENT,
        egress=EVERYWHERE,
        egressDeny=[{"toEndpoints": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}]}],
    ),
    "client-egress-to-echo-expression-deny",
)

DENY_PORT = scenario(
    "deny-egress-by-port",
    "a deny rule closes one port, the other one stays open",
    _not_that_port,
    policy(
        "deny-port",
        endpointSelector=CLIENT,
        egress=EVERYWHERE,
        egressDeny=[{"toEndpoints": [SERVER], "toPorts": ports((HTTP, "TCP"))}],
    ),
)

DENY_NAMED_PORT = scenario(
    "deny-ingress-by-named-port",
    "a deny rule closes a port by the name that the pod gives it",
    _not_that_port,
    policy(
        "deny-named-port",
        endpointSelector=SERVER,
        ingress=EVERYBODY,
        ingressDeny=[{"fromEndpoints": [CLIENT], "toPorts": ports(("http", "TCP"))}],
    ),
    "client-ingress-to-echo-named-port-deny",
)

PING_ONLY = scenario(
    "allow-icmp",
    "a server that may only be pinged is pinged, and not asked",
    _icmp,
    policy("icmp", endpointSelector=SERVER, ingress=[{"fromEndpoints": [CLIENT], "icmps": _ICMP}]),
    "client-ingress-icmp",
)

NO_PING = scenario(
    "deny-icmp",
    "a server that may not be pinged is asked, and not pinged",
    _no_icmp,
    policy("no-icmp", endpointSelector=SERVER, ingress=EVERYBODY, ingressDeny=[{"icmps": _ICMP}]),
    "client-ingress-from-other-client-icmp-deny",
)

DENY_RANGE = scenario(
    "deny-egress-by-port-range",
    "a deny rule closes a range of ports, the port above it stays open",
    _not_that_port,
    policy(
        "deny-range",
        endpointSelector=CLIENT,
        egress=EVERYWHERE,
        egressDeny=[{"toEndpoints": [SERVER], "toPorts": ports((HTTP - 10, "TCP"), end=OTHER - 1)}],
    ),
    "client-egress-to-echo-deny-port-range",
    more_needs=(needs.since(1, 16),),
)

DENY_EXPRESSION_RANGE = scenario(
    "deny-egress-by-expression-and-port-range",
    "a deny rule with an expression closes a range of ports, the port above it stays open",
    _not_that_port,
    policy(
        "deny-expression-range",
        endpointSelector=CLIENT,
        egress=EVERYWHERE,
        egressDeny=[
            {
                "toEndpoints": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}],
                "toPorts": ports((HTTP - 10, "TCP"), end=OTHER - 1),
            }
        ],
    ),
    "client-egress-to-echo-expression-deny-port-range",
    more_needs=(needs.since(1, 16),),
)
