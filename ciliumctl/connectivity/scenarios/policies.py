"""Kubernetes' NetworkPolicy: what it denies must be denied, what it allows must go on.

Each policy selects pods of one lane's namespace, so that lanes do not meet. `other` is the client that is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ciliumctl.clients.kube import NETWORK_POLICIES
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, OTHER, http, look_up, outside, ping, udp
from ciliumctl.connectivity.model import (
    ANSWERED,
    DENIED,
    Applied,
    Bed,
    Expect,
    Group,
    Need,
    Pod,
    Probe,
    Scenario,
)

_SERVER = {"podSelector": {"matchLabels": {"kind": "server"}}}
_DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


def policy(name: str, **spec: Any) -> Callable[[Bed], Sequence[Applied]]:
    """A NetworkPolicy in the lane's namespace; values that are functions are called with the bed."""

    def made(bed: Bed) -> Sequence[Applied]:
        filled = {key: value(bed) if callable(value) else value for key, value in spec.items()}
        manifest: Mapping[str, Any] = {
            "apiVersion": NETWORK_POLICIES.api_version,
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": bed.namespace},
            "spec": {"podSelector": {}, **filled},
        }
        return [Applied(NETWORK_POLICIES, manifest)]

    return made


def ask(bed: Bed, source: str, servers: Iterable[Pod], expect: Expect, *, port: int = HTTP) -> Iterator[Probe]:
    """HTTP from one pod to servers, in every family."""
    for server in servers:
        for family in bed.families:
            yield http(source, server.target(family), port=port, expect=expect)


def _deny_all_in(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), DENIED)
        for family in bed.families:
            yield udp(client.role, bed.pod("near").target(family), expect=DENIED)
            yield ping(client.role, bed.pod("near").target(family), expect=DENIED)


def _deny_all_out(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), DENIED)
    yield from ask(bed, "other", bed.servers(), ANSWERED)
    for family in bed.families:
        yield udp("client", bed.pod("near").target(family), expect=DENIED)
    # What comes in stays allowed, its answers too.
    for family in bed.families:
        yield http("other", bed.pod("client").target(family))


def _by_label(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "other", bed.servers(), DENIED)
    if "far-client" in bed.pods:
        yield from ask(bed, "far-client", bed.servers(), DENIED)


def _by_namespace(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "port-1", bed.servers(), ANSWERED)
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), DENIED)


def _by_other_namespace(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), DENIED)


def _by_port(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield from ask(bed, client.role, bed.servers(), ANSWERED)
        yield from ask(bed, client.role, bed.servers(), DENIED, port=OTHER)
        for family in bed.families:
            yield udp(client.role, bed.servers()[0].target(family), expect=DENIED)


def _by_cidr(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "other", bed.servers(), DENIED)


def _out_by_label(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "client", [bed.pod("other")], DENIED)


def _out_by_port(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED, port=OTHER)


def _outside(bed: Bed, expect: Expect) -> Probe:
    return outside("client", bed.world.external, address=bed.world.external, expect=expect)


def _outside_excepted(bed: Bed) -> Iterator[Probe]:
    yield _outside(bed, DENIED)


def _only_outside(bed: Bed) -> Iterator[Probe]:
    yield _outside(bed, ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED)


def _only_names(bed: Bed) -> Iterator[Probe]:
    name = f"{bed.services['near'].full_name}.{bed.world.domain}."
    answered = Expect(pattern=".+", words="an address")
    yield look_up("client", name, "A" if 4 in bed.families else "AAAA", answered, about="the name of a service")
    yield from ask(bed, "client", bed.servers(), DENIED)


def _all_but_other(bed: Bed) -> list[dict[str, Any]]:
    """Every address, except that of `other`."""
    blocks = []
    for family, address in bed.pod("other").addresses.items():
        every, length = ("0.0.0.0/0", 32) if family == 4 else ("::/0", 128)
        blocks.append({"ipBlock": {"cidr": every, "except": [f"{address}/{length}"]}})
    return [{"from": blocks}]


def _everywhere_but_outside(bed: Bed) -> list[dict[str, Any]]:
    every = "::/0" if ":" in bed.world.external else "0.0.0.0/0"
    return [{"to": [{"ipBlock": {"cidr": every, "except": [_one(bed.world.external)]}}]}]


def _outside_only(bed: Bed) -> list[dict[str, Any]]:
    return [{"to": [{"ipBlock": {"cidr": _one(bed.world.external)}}]}]


def _one(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _host_namespace(bed: Bed) -> list[dict[str, Any]]:
    name = bed.pod("port-1").namespace
    return [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]}]


def _scenario(
    name: str,
    about: str,
    probes: Callable[[Bed], Iterable[Probe]],
    policies: Callable[[Bed], Sequence[Applied]],
    *official: str,
    smoke: bool = False,
    groups: tuple[Group, ...] = (),
    more_needs: tuple[Need, ...] = (),
) -> Scenario:
    return Scenario(
        name=f"policy-{name}",
        about=about,
        category="policy",
        probes=probes,
        policies=policies,
        needs=(needs.policies, *more_needs),
        groups=groups,
        smoke=smoke,
        official=official,
    )


DENY_IN = _scenario(
    "deny-all-ingress",
    "with a default deny for incoming traffic, servers answer nobody",
    _deny_all_in,
    policy("deny-in", podSelector=_SERVER["podSelector"], policyTypes=["Ingress"]),
    "all-ingress-deny-knp",
    smoke=True,
)
DENY_OUT = _scenario(
    "deny-all-egress",
    "with a default deny for outgoing traffic, a client reaches nobody, and is still reached",
    _deny_all_out,
    policy("deny-out", podSelector={"matchLabels": {"role": "client"}}, policyTypes=["Egress"]),
    "all-egress-deny-knp",
)
IN_BY_LABEL = _scenario(
    "allow-ingress-by-label",
    "only the client with the right label reaches the servers, from its node and from the other",
    _by_label,
    policy(
        "by-label",
        podSelector=_SERVER["podSelector"],
        ingress=[{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}],
    ),
    "echo-ingress-knp",
    "client-ingress-knp",
    smoke=True,
)
IN_BY_NAMESPACE = _scenario(
    "deny-ingress-of-other-namespaces",
    "when only another namespace is allowed, clients of this one are not",
    _by_other_namespace,
    policy(
        "by-namespace",
        podSelector=_SERVER["podSelector"],
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}]}],
    ),
)
IN_OF_NAMESPACE = _scenario(
    "allow-ingress-by-namespace",
    "pods of the allowed namespace reach the servers, those of the servers' own namespace do not",
    _by_namespace,
    policy("of-namespace", podSelector=_SERVER["podSelector"], ingress=_host_namespace),
    groups=("hosts",),
    more_needs=(needs.privileged,),
)
IN_BY_CIDR = _scenario(
    "allow-ingress-by-cidr",
    "every address may reach the servers, except one",
    _by_cidr,
    policy("by-cidr", podSelector=_SERVER["podSelector"], ingress=_all_but_other),
    more_needs=(needs.cidrs_of_pods,),
)
OUT_BY_CIDR = _scenario(
    "deny-egress-to-cidr",
    "a client may go everywhere except to one address outside",
    _outside_excepted,
    policy("out-by-cidr", podSelector={"matchLabels": {"role": "client"}}, egress=_everywhere_but_outside),
    "to-cidr-external-knp",
    more_needs=(needs.external_address,),
)
OUT_TO_CIDR = _scenario(
    "allow-egress-to-cidr",
    "a client may go to one address outside, and nowhere else",
    _only_outside,
    policy("out-to-cidr", podSelector={"matchLabels": {"role": "client"}}, egress=_outside_only),
    "to-cidr-external-knp",
    more_needs=(needs.external_address,),
)
IN_BY_PORT = _scenario(
    "allow-ingress-by-port",
    "only the allowed port of the servers is reached, neither the other one nor UDP",
    _by_port,
    policy(
        "by-port",
        podSelector=_SERVER["podSelector"],
        ingress=[{"ports": [{"protocol": "TCP", "port": HTTP}]}],
    ),
)
IN_BY_NAMED_PORT = _scenario(
    "allow-ingress-by-named-port",
    "a port is allowed by the name that the pod gives it",
    _by_port,
    policy(
        "by-named-port",
        podSelector=_SERVER["podSelector"],
        ingress=[{"ports": [{"protocol": "TCP", "port": "http"}]}],
    ),
)
IN_BY_RANGE = _scenario(
    "allow-ingress-by-port-range",
    "a range of ports is allowed, the port above it is not",
    _by_port,
    policy(
        "by-range",
        podSelector=_SERVER["podSelector"],
        ingress=[{"ports": [{"protocol": "TCP", "port": HTTP - 10, "endPort": OTHER - 1}]}],
    ),
    "client-egress-expression-knp-port-range",
)
OUT_BY_LABEL = _scenario(
    "allow-egress-by-label",
    "a client reaches only the pods that it may, and not another client",
    _out_by_label,
    policy("out-by-label", podSelector={"matchLabels": {"role": "client"}}, egress=[{"to": [_SERVER]}]),
    "client-egress-knp",
)
OUT_BY_EXPRESSION = _scenario(
    "allow-egress-by-expression",
    "a client reaches only the pods that an expression selects",
    _out_by_label,
    policy(
        "out-by-expression",
        podSelector={"matchExpressions": [{"key": "role", "operator": "In", "values": ["client"]}]},
        egress=[
            {"to": [{"podSelector": {"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}}]}
        ],
    ),
    "client-egress-expression-knp",
)
OUT_BY_PORT = _scenario(
    "allow-egress-by-port",
    "a client reaches only the allowed port",
    _out_by_port,
    policy(
        "out-by-port",
        podSelector={"matchLabels": {"role": "client"}},
        egress=[{"to": [_SERVER], "ports": [{"protocol": "TCP", "port": HTTP}]}],
    ),
)
ONLY_NAMES = _scenario(
    "allow-egress-to-dns",
    "a client that may only ask for names gets them, and reaches nobody",
    _only_names,
    policy("only-names", podSelector={"matchLabels": {"role": "client"}}, egress=[_DNS]),
)
