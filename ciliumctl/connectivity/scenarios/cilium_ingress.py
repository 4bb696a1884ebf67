"""Cilium's ingress controller and its Gateway API: paths in front of services, asked from pods, with policies.

A dedicated load balancer has a service of its own, `cilium-ingress-NAME` and `cilium-gateway-NAME`, in the namespace of
its object; its cluster address is redirected to the proxy as well as its node ports, so that no address from a cloud is
needed. Annotations: `operator/pkg/ingress/annotations/annotations.go` of cilium/cilium.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ciliumctl.clients.kube import Resource
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http, status
from ciliumctl.connectivity.model import ANSWERED, DENIED, Applied, Bed, Expect, Pod, Probe, Scenario, Target, says
from ciliumctl.connectivity.model import World as _World
from ciliumctl.connectivity.scenarios._cilium import CLIENT, SERVER, policy, ports
from ciliumctl.connectivity.scenarios.policies import ask

INGRESSES = Resource("networking.k8s.io", "v1", "ingresses")
GATEWAYS = Resource("gateway.networking.k8s.io", "v1", "gateways")
ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes")
_PATH = "/hostname"


def _ingresses(bed: Bed) -> Sequence[Applied]:
    """One before each server, as `web-near`."""
    return [Applied(INGRESSES, _ingress(bed, server.role)) for server in bed.servers()]


def _ingress(bed: Bed, role: str) -> dict[str, Any]:
    backend = {"service": {"name": role, "port": {"number": HTTP}}}
    return {
        "apiVersion": INGRESSES.api_version,
        "kind": "Ingress",
        "metadata": {
            "name": f"web-{role}",
            "namespace": bed.namespace,
            "annotations": {
                "ingress.cilium.io/loadbalancer-mode": "dedicated",
                "ingress.cilium.io/service-type": "NodePort",
            },
        },
        "spec": {
            "ingressClassName": "cilium",
            "rules": [{"http": {"paths": [{"path": _PATH, "pathType": "Exact", "backend": backend}]}}],
        },
    }


def _gateways(bed: Bed) -> Sequence[Applied]:
    made = []
    for server in bed.servers():
        meta = {"name": f"web-{server.role}", "namespace": bed.namespace}
        listener = {
            "name": "http",
            "protocol": "HTTP",
            "port": 80,
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        }
        gateway = {
            "apiVersion": GATEWAYS.api_version,
            "kind": "Gateway",
            "metadata": meta,
            "spec": {"gatewayClassName": "cilium", "listeners": [listener]},
        }
        rule = {
            "matches": [{"path": {"type": "Exact", "value": _PATH}}],
            "backendRefs": [{"name": server.role, "port": HTTP}],
        }
        route = {
            "apiVersion": ROUTES.api_version,
            "kind": "HTTPRoute",
            "metadata": meta,
            "spec": {"parentRefs": [{"name": meta["name"]}], "rules": [rule]},
        }
        made += [Applied(GATEWAYS, gateway), Applied(ROUTES, route)]
    return made


def _entry(bed: Bed, server: Pod, prefix: str = "cilium-ingress") -> tuple[Target, str]:
    """Where to ask for a server: what it is to people, and the name of its service."""
    name = f"{prefix}-web-{server.role}.{bed.namespace}.svc.{bed.world.domain}"
    return Target(name=f"the way in to {server.role}", node=server.node), name


def _asked(bed: Bed, source: str, server: Pod, expect: Expect, prefix: str = "cilium-ingress") -> Probe:
    target, name = _entry(bed, server, prefix)
    return http(source, target, host=name, port=80, path=_PATH, expect=expect)


def _paths(prefix: str) -> Callable[[Bed], Iterator[Probe]]:
    def probes(bed: Bed) -> Iterator[Probe]:
        for client in bed.clients():
            for server in bed.servers():
                target, name = _entry(bed, server, prefix)
                yield _asked(bed, client.role, server, says(server.name, f"`{server.name}`"), prefix)
                yield status(client.role, target, host=name, port=80, path="/no-such-path", code=404)

    return probes


def _shut(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for server in bed.servers():
            yield _asked(bed, client.role, server, DENIED)


def _only_through_it(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for server in bed.servers():
            yield _asked(bed, client.role, server, ANSWERED)
        yield from ask(bed, client.role, bed.servers(), DENIED)


def _client_is_shut(bed: Bed) -> Iterator[Probe]:
    for server in bed.servers():
        yield _asked(bed, "client", server, DENIED)
        yield _asked(bed, "other", server, ANSWERED)
    yield from ask(bed, "client", [bed.pod("other")], ANSWERED)


def _only_near(bed: Bed) -> Iterator[Probe]:
    yield _asked(bed, "client", bed.pod("near"), ANSWERED)
    if "far" in bed.pods:
        yield _asked(bed, "client", bed.pod("far"), DENIED)


_NAMES = {"toEntities": ["all"], "toPorts": ports((53, "ANY"), (5353, "ANY"))}
_OTHER = {"toEndpoints": [{"matchLabels": {"role": "other"}}]}
_NOBODY = {"fromEndpoints": [{"matchLabels": {"role": "nobody"}}]}


def _on_nodes(world: _World) -> str:
    on = world.config.get("ingress-hostnetwork-enabled", "false") == "true"
    return "ingresses are served on the nodes' own ports (`ingressController.hostNetwork`)" if on else ""


def _gateways_on_nodes(world: _World) -> str:
    on = world.config.get("gateway-api-hostnetwork-enabled", "false") == "true"
    return "gateways are served on the nodes' own ports (`gatewayAPI.hostNetwork`)" if on else ""


_INGRESS_NEEDS = (needs.switched_on("enable-ingress-controller", "Cilium's ingress controller is off"), _on_nodes)


def _with_policy(
    name: str,
    about: str,
    probes: Callable[[Bed], Iterator[Probe]],
    policies: Callable[[Bed], Sequence[Applied]],
    *official: str,
    two_nodes: bool = False,
) -> Scenario:
    more = (needs.two_nodes,) if two_nodes else ()
    return Scenario(
        name=f"cilium-policy-ingress-{name}",
        about=about,
        category="policy",
        probes=probes,
        objects=_ingresses,
        policies=policies,
        needs=(*_INGRESS_NEEDS, needs.cilium_policies, *more),
        official=official,
    )


INGRESS = Scenario(
    name="cilium-ingress",
    about="an ingress leads one path to its service on either node, and answers 404 for another",
    category="cilium",
    probes=_paths("cilium-ingress"),
    objects=_ingresses,
    needs=_INGRESS_NEEDS,
    official=("pod-to-ingress-service",),
)
GATEWAY = Scenario(
    name="cilium-gateway",
    about="a gateway leads the path of its route to its service on either node, and answers 404 for another",
    category="cilium",
    probes=_paths("cilium-gateway"),
    objects=_gateways,
    needs=(
        needs.switched_on("enable-gateway-api", "Cilium's Gateway API is off"),
        needs.kind("Gateway", GATEWAYS.api_version),
        needs.kind("HTTPRoute", ROUTES.api_version),
        _gateways_on_nodes,
    ),
)
DENY_ALL = _with_policy(
    "deny-all",
    "with a default deny for incoming traffic, servers are not reached through an ingress either",
    _shut,
    policy("deny-all-ingress", endpointSelector={}, ingress=[_NOBODY]),
    "pod-to-ingress-service-deny-all",
)
ALLOW_IDENTITY = _with_policy(
    "allow-identity",
    "servers that only the ingress may ask are reached through it, and by no pod itself",
    _only_through_it,
    policy("allow-ingress-identity", endpointSelector=SERVER, ingress=[{"fromEntities": ["ingress"]}]),
    "pod-to-ingress-service-allow-ingress-identity",
)
# The proxy holds the egress policy of the pod that asks against the backend's identity; what neither is allowed nor
# denied by that is shut by the default deny of every rule that has an egress section, as in the official tests.
DENY_BACKEND = _with_policy(
    "deny-backend",
    "a client that may not go to the servers does not reach them through an ingress either",
    _client_is_shut,
    policy("deny-backend", endpointSelector=CLIENT, egress=[_NAMES, _OTHER], egressDeny=[{"toEndpoints": [SERVER]}]),
    "pod-to-ingress-service-deny-backend-service",
)
DENY_IDENTITY = _with_policy(
    "deny-identity",
    "a client that may not go to the ingress reaches nothing through it",
    _client_is_shut,
    policy("deny-identity", endpointSelector=CLIENT, egress=[_NAMES, _OTHER], egressDeny=[{"toEntities": ["ingress"]}]),
    "pod-to-ingress-service-deny-ingress-identity",
)
ONLY_NEAR = _with_policy(
    "allow-one-backend",
    "a client that may only go to the server on its own node reaches that one through an ingress, not the other",
    _only_near,
    policy(
        "only-near",
        endpointSelector=CLIENT,
        egress=[_NAMES, {"toEndpoints": [{"matchLabels": {"role": "near"}}]}],
    ),
    "pod-to-ingress-service-deny-source-egress-other-node",
    two_nodes=True,
)
