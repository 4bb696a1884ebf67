"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: twins of the Kubernetes ones, and what only they can say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ciliumctl.clients.kube import Resource
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, OTHER, UDP, http, ping, tls, udp
from ciliumctl.connectivity.model import ANSWERED, DENIED, Applied, Bed, Need, Probe, Scenario, Target
from ciliumctl.connectivity.scenarios.policies import ask

POLICIES = Resource("cilium.io", "v2", "ciliumnetworkpolicies")
CLUSTERWIDE = Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", namespaced=False)
_SERVER = {"matchLabels": {"kind": "server"}}
_CLIENT = {"matchLabels": {"role": "client"}}
_NOBODY: dict[str, Any] = {"matchLabels": {"role": "nobody"}}
_EVERYBODY: list[dict[str, Any]] = [{"fromEntities": ["all"]}]
_EVERYWHERE: list[dict[str, Any]] = [{"toEntities": ["all"]}]


def policy(name: str, **spec: Any) -> Callable[[Bed], Sequence[Applied]]:
    """A CiliumNetworkPolicy in the lane's namespace; values that are functions are called with the bed."""

    def made(bed: Bed) -> Sequence[Applied]:
        filled = {key: value(bed) if callable(value) else value for key, value in spec.items()}
        manifest = {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": name, "namespace": bed.namespace},
            "spec": filled,
        }
        return [Applied(POLICIES, manifest)]

    return made


def _clusterwide(bed: Bed) -> Sequence[Applied]:
    here = {"k8s:io.kubernetes.pod.namespace": bed.namespace}
    manifest = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {
            "name": f"{bed.namespace}-by-label",
            "labels": {"app.kubernetes.io/managed-by": "ciliumctl", "ciliumctl.io/connectivity": "policy"},
        },
        "spec": {
            "endpointSelector": {"matchLabels": {"kind": "server", **here}},
            "ingress": [{"fromEndpoints": [{"matchLabels": {"role": "client", **here}}]}],
        },
    }
    return [Applied(CLUSTERWIDE, manifest)]


def _ports(*ports: tuple[int | str, str], end: int = 0) -> list[dict[str, Any]]:
    listed = [{"port": str(port), "protocol": protocol} | ({"endPort": end} if end else {}) for port, protocol in ports]
    return [{"ports": listed}]


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


def _not_other(bed: Bed) -> Iterator[Probe]:
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


def _cluster(bed: Bed) -> Iterator[Probe]:
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    if bed.world.external:
        yield _outside(bed)


def _outside(bed: Bed) -> Probe:
    target = Target(name=f"`{bed.world.external}` outside", address=bed.world.external)
    return http("client", target, port=80, path="/", expect=DENIED)


def _world(bed: Bed) -> Iterator[Probe]:
    yield _outside(bed).expecting(ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED)


def _host(bed: Bed) -> Iterator[Probe]:
    node = bed.pod("client").node
    for host in bed.world.nodes:
        if host.name == node:
            for family in set(bed.families) & host.addresses.keys():
                target = Target(name="its own host", address=host.addresses[family], node=node)
                yield ping("client", target)
    yield from ask(bed, "client", bed.servers(), DENIED)


def _api(bed: Bed) -> Iterator[Probe]:
    target = Target(name="the API server", address=f"kubernetes.default.svc.{bed.world.domain}")
    yield tls("client", target, port=443, path="/version")
    yield from ask(bed, "client", bed.servers(), DENIED)


def _icmp(bed: Bed) -> Iterator[Probe]:
    for family in bed.families:
        yield ping("client", bed.pod("near").target(family))
    yield from ask(bed, "client", [bed.pod("near")], DENIED)


def _no_icmp(bed: Bed) -> Iterator[Probe]:
    for family in bed.families:
        yield ping("client", bed.pod("near").target(family), expect=DENIED)
    yield from ask(bed, "client", [bed.pod("near")], ANSWERED)


def _paths(bed: Bed) -> Iterator[Probe]:
    for server in bed.servers():
        for family in bed.families:
            yield http("client", server.target(family), path="/hostname")
            yield http("client", server.target(family), path="/clientip", expect=DENIED)


def _methods(bed: Bed) -> Iterator[Probe]:
    for server in bed.servers():
        for family in bed.families:
            asked = http("client", server.target(family))
            yield asked
            yield Probe(
                name=f"POST to {server.role}" + (" over IPv6" if family == 6 else ""),
                source="client",
                target=asked.target,
                command=asked.command.replace("curl ", "curl -X POST ", 1),
                expect=DENIED,
            )


_ICMP = [{"fields": [{"family": "IPv4", "type": 8}, {"family": "IPv6", "type": 128}]}]
_DNS_RULE = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}}],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
}


def _only_named(bed: Bed) -> Iterator[Probe]:
    target = Target(name=f"`{bed.world.external}` outside")
    yield http("client", target, host=bed.world.external, port=80, path="/")
    yield from ask(bed, "client", bed.servers(), DENIED)


def _named(bed: Bed) -> list[dict[str, Any]]:
    return [_DNS_RULE, {"toFQDNs": [{"matchName": bed.world.external}]}]


def _http_rule(**rule: str) -> list[dict[str, Any]]:
    return [
        {
            "fromEndpoints": [_CLIENT],
            "toPorts": [{"ports": [{"port": str(HTTP), "protocol": "TCP"}], "rules": {"http": [rule]}}],
        }
    ]


def _scenario(
    name: str,
    about: str,
    probes: Callable[[Bed], Iterable[Probe]],
    policies: Callable[[Bed], Sequence[Applied]],
    *official: str,
    more_needs: tuple[Need, ...] = (),
) -> Scenario:
    return Scenario(
        name=f"cilium-policy-{name}",
        about=about,
        category="policy",
        probes=probes,
        policies=policies,
        needs=(needs.cilium_policies, *more_needs),
        official=official,
    )


DENY_IN = _scenario(
    "deny-all-ingress",
    "with a default deny for incoming traffic, servers answer nobody",
    _deny_in,
    policy("deny-in", endpointSelector=_SERVER, ingress=[{"fromEndpoints": [_NOBODY]}]),
    "all-ingress-deny",
)
DENY_OUT = _scenario(
    "deny-all-egress",
    "with a default deny for outgoing traffic, a client reaches nobody",
    _deny_out,
    policy("deny-out", endpointSelector=_CLIENT, egress=[{"toEndpoints": [_NOBODY]}]),
    "all-egress-deny",
)
DENY_ENTITIES = _scenario(
    "deny-all-entities",
    "a client that is denied every entity reaches nobody",
    _deny_out,
    policy("deny-entities", endpointSelector=_CLIENT, egressDeny=_EVERYWHERE),
    "all-entities-deny",
)
IN_BY_LABEL = _scenario(
    "allow-ingress-by-label",
    "only the client with the right label reaches the servers",
    _by_label,
    policy("by-label", endpointSelector=_SERVER, ingress=[{"fromEndpoints": [_CLIENT]}]),
    "echo-ingress",
    "client-ingress",
)
CLUSTERWIDE_BY_LABEL = Scenario(
    name="cilium-clusterwide-policy-allow-ingress-by-label",
    about="a clusterwide policy selects by namespace and label",
    category="policy",
    probes=_by_label,
    policies=_clusterwide,
    needs=(needs.clusterwide_policies,),
    official=("ingress-from-specific-namespace-ccnp", "egress-to-specific-namespace-ccnp"),
)
OUT_BY_LABEL = _scenario(
    "allow-egress-by-label-and-port",
    "a client reaches the servers' one port, nothing else of them",
    _only_that_port,
    policy(
        "out-by-label",
        endpointSelector=_CLIENT,
        egress=[{"toEndpoints": [_SERVER], "toPorts": _ports((HTTP, "TCP"))}],
    ),
    "client-egress",
)
OUT_BY_EXPRESSION = _scenario(
    "allow-egress-by-expression",
    "a client reaches only what an expression selects",
    _only_that_port,
    policy(
        "out-by-expression",
        endpointSelector=_CLIENT,
        egress=[
            {
                "toEndpoints": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}],
                "toPorts": _ports((HTTP, "TCP")),
            }
        ],
    ),
    "client-egress-expression",
)
OUT_BY_RANGE = _scenario(
    "allow-egress-by-port-range",
    "a client reaches a range of ports, and not the port above it",
    _only_that_port,
    policy(
        "out-by-range",
        endpointSelector=_CLIENT,
        egress=[{"toEndpoints": [_SERVER], "toPorts": _ports((HTTP - 10, "TCP"), end=OTHER - 1)}],
    ),
    "client-egress-expression-port-range",
)
DENY_OTHER = _scenario(
    "deny-ingress-by-label",
    "a deny rule shuts one client out, although everybody is allowed",
    _not_other,
    policy(
        "deny-other",
        endpointSelector=_SERVER,
        ingress=_EVERYBODY,
        ingressDeny=[{"fromEndpoints": [{"matchLabels": {"role": "other"}}]}],
    ),
    "echo-ingress-from-other-client-deny",
)
DENY_SERVERS = _scenario(
    "deny-egress-by-label",
    "a deny rule keeps a client from the servers, although it may go everywhere",
    _not_to_servers,
    policy("deny-servers", endpointSelector=_CLIENT, egress=_EVERYWHERE, egressDeny=[{"toEndpoints": [_SERVER]}]),
    "client-egress-to-echo-deny",
)
DENY_EXPRESSION = _scenario(
    "deny-egress-by-expression",
    "a deny rule with an expression keeps a client from the servers",
    _not_to_servers,
    policy(
        "deny-expression",
        endpointSelector=_CLIENT,
        egress=_EVERYWHERE,
        egressDeny=[{"toEndpoints": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["server"]}]}]}],
    ),
    "client-egress-to-echo-expression-deny",
)
DENY_PORT = _scenario(
    "deny-egress-by-port",
    "a deny rule closes one port, the other one stays open",
    _not_that_port,
    policy(
        "deny-port",
        endpointSelector=_CLIENT,
        egress=_EVERYWHERE,
        egressDeny=[{"toEndpoints": [_SERVER], "toPorts": _ports((HTTP, "TCP"))}],
    ),
    "client-egress-to-echo-deny-port-range",
)
DENY_NAMED_PORT = _scenario(
    "deny-ingress-by-named-port",
    "a deny rule closes a port by the name that the pod gives it",
    _not_that_port,
    policy(
        "deny-named-port",
        endpointSelector=_SERVER,
        ingress=_EVERYBODY,
        ingressDeny=[{"fromEndpoints": [_CLIENT], "toPorts": _ports(("http", "TCP"))}],
    ),
    "client-ingress-to-echo-named-port-deny",
)
TO_CLUSTER = _scenario(
    "allow-egress-to-cluster",
    "a client that may only go inside the cluster does not get out of it",
    _cluster,
    policy("to-cluster", endpointSelector=_CLIENT, egress=[{"toEntities": ["cluster"]}]),
    "cluster-entity",
    "allow-all-except-world",
    more_needs=(needs.external_address,),
)
TO_WORLD = _scenario(
    "allow-egress-to-world",
    "a client that may only go outside reaches nothing inside",
    _world,
    policy("to-world", endpointSelector=_CLIENT, egress=[{"toEntities": ["world"]}]),
    "to-entities-world",
    more_needs=(needs.external_address,),
)
TO_HOST = _scenario(
    "allow-egress-to-host",
    "a client that may only go to its host reaches no pod",
    _host,
    policy("to-host", endpointSelector=_CLIENT, egress=[{"toEntities": ["host"]}]),
    "host-entity-egress",
)
TO_API_SERVER = _scenario(
    "allow-egress-to-api-server",
    "a client that may only ask for names and the API server reaches no pod",
    _api,
    policy("to-api", endpointSelector=_CLIENT, egress=[{"toEntities": ["kube-apiserver"]}, _DNS_RULE]),
    "pod-to-k8s-on-controlplane-cidr",
    more_needs=(needs.l7,),
)
PING_ONLY = _scenario(
    "allow-icmp",
    "a server that may only be pinged is pinged, and not asked",
    _icmp,
    policy("icmp", endpointSelector=_SERVER, ingress=[{"fromEndpoints": [_CLIENT], "icmps": _ICMP}]),
    "client-ingress-icmp",
)
NO_PING = _scenario(
    "deny-icmp",
    "a server that may not be pinged is asked, and not pinged",
    _no_icmp,
    policy("no-icmp", endpointSelector=_SERVER, ingress=_EVERYBODY, ingressDeny=[{"icmps": _ICMP}]),
    "client-ingress-from-other-client-icmp-deny",
)
HTTP_PATH = _scenario(
    "http-path",
    "a rule for HTTP lets one path through and refuses the others",
    _paths,
    policy("http-path", endpointSelector=_SERVER, ingress=_http_rule(path="/hostname")),
    "echo-ingress-l7",
    more_needs=(needs.l7,),
)
HTTP_METHOD = _scenario(
    "http-method",
    "a rule for HTTP lets GET through and refuses POST",
    _methods,
    policy("http-method", endpointSelector=_SERVER, ingress=_http_rule(method="GET")),
    "client-egress-l7-method",
    more_needs=(needs.l7,),
)
TO_NAME = _scenario(
    "allow-egress-to-name",
    "a client reaches the one name outside that it may, and no pod",
    _only_named,
    policy("to-name", endpointSelector=_CLIENT, egress=_named),
    "to-fqdns",
    "dns-only",
    more_needs=(needs.l7, needs.external_name),
)
