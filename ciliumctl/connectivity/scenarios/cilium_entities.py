"""Cilium's policies about what is no pod: the host, the cluster as a whole, the world and its addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import http, outside, ping
from ciliumctl.connectivity.model import ANSWERED, DENIED, Bed, Probe, Scenario, Target
from ciliumctl.connectivity.scenarios._cilium import CLIENT, EVERYWHERE, SERVER, policy, ports, scenario
from ciliumctl.connectivity.scenarios.policies import ask


def _cluster(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    if bed.world.external:
        yield _outside(bed)


def _outside(bed: Bed) -> Probe:
    return outside("client", bed.world.external, address=bed.world.external, expect=DENIED)


def _world(bed: Bed) -> Iterator[Probe]:
    yield _outside(bed).expecting(ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED)


_WEB = ports((80, "TCP"), end=90)


def _no_outside(bed: Bed) -> Iterator[Probe]:
    yield _outside(bed)
    yield from ask(bed, "client", bed.servers(), ANSWERED)


def _to_outside(bed: Bed) -> list[dict[str, Any]]:
    address = bed.world.external
    return [{"toCIDR": [f"{address}/{128 if ':' in address else 32}"]}]


def _from_host(bed: Bed) -> Iterator[Probe]:
    for server in bed.servers():
        for host in (pod for pod in bed.group("host") if pod.node == server.node):
            for family in set(bed.families) & host.addresses.keys():
                yield http(host.role, server.target(family))
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), DENIED)


def _host(bed: Bed) -> Iterator[Probe]:
    node = bed.pod("client").node
    for host in bed.world.nodes:
        if host.name == node:
            for family in set(bed.families) & host.addresses.keys():
                target = Target(name="its own host", address=host.addresses[family], node=node)
                yield ping("client", target)
    yield from ask(bed, "client", bed.servers(), DENIED)


TO_CLUSTER = scenario(
    "allow-egress-to-cluster",
    "a client that may only go inside the cluster does not get out of it",
    _cluster,
    policy("to-cluster", endpointSelector=CLIENT, egress=[{"toEntities": ["cluster"]}]),
    "cluster-entity",
    "allow-all-except-world",
    more_needs=(needs.external_address,),
)

DENY_CIDR = scenario(
    "deny-egress-to-cidr",
    "a deny rule keeps a client from one address outside, although it may go everywhere",
    _no_outside,
    policy("deny-cidr", endpointSelector=CLIENT, egress=EVERYWHERE, egressDeny=_to_outside),
    "client-egress-to-cidr-deny",
    more_needs=(needs.external_address,),
)

DENY_CIDR_DEFAULT = scenario(
    "deny-egress-to-cidr-by-default",
    "a client that is allowed nothing but its own cluster does not reach an address outside",
    _no_outside,
    policy("deny-cidr-default", endpointSelector=CLIENT, egress=[{"toEndpoints": [{}]}]),
    "client-egress-to-cidr-deny-default",
    more_needs=(needs.external_address,),
)

TO_CIDR = scenario(
    "allow-egress-to-cidr",
    "a client may go to one address outside, and nowhere else",
    _world,
    policy("to-cidr", endpointSelector=CLIENT, egress=_to_outside),
    "to-cidr-external",
    more_needs=(needs.external_address,),
)

TO_WORLD = scenario(
    "allow-egress-to-world",
    "a client that may only go outside reaches nothing inside",
    _world,
    policy("to-world", endpointSelector=CLIENT, egress=[{"toEntities": ["world"]}]),
    "to-entities-world",
    more_needs=(needs.external_address,),
)

TO_HOST = scenario(
    "allow-egress-to-host",
    "a client that may only go to its host reaches no pod",
    _host,
    policy("to-host", endpointSelector=CLIENT, egress=[{"toEntities": ["host"]}]),
    "host-entity-egress",
)

FROM_HOST = Scenario(
    name="cilium-policy-allow-ingress-from-host",
    about="servers that only their host may ask are asked by it, and not by other pods",
    category="policy",
    probes=_from_host,
    policies=policy("from-host", endpointSelector=SERVER, ingress=[{"fromEntities": ["host"]}]),
    needs=(needs.cilium_policies, needs.privileged),
    groups=("hosts",),
    official=("host-entity-ingress",),
)

TO_WORLD_RANGE = scenario(
    "allow-egress-to-world-by-port-range",
    "a client that may only go outside, to a range of ports, reaches nothing inside",
    _world,
    policy("to-world-range", endpointSelector=CLIENT, egress=[{"toEntities": ["world"], "toPorts": _WEB}]),
    "to-entities-world-port-range",
    more_needs=(needs.external_address, needs.since(1, 16)),
)
