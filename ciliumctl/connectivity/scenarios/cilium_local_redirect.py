"""CiliumLocalRedirectPolicy: what a pod sends to an address, or to a service, reaches a pod of its own node.

A policy for an address holds for every pod of the node, whatever its namespace. So the addresses here are link-local
ones on a port that nobody uses: not the metadata server of a cloud (169.254.169.254), not a name server on the node
(169.254.20.10).
Fields: `pkg/k8s/apis/cilium.io/client/crds/v2/ciliumlocalredirectpolicies.yaml` of cilium/cilium.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ciliumctl.clients.kube import SERVICES, Resource
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http
from ciliumctl.connectivity.model import DENIED, Applied, Bed, Probe, Scenario, Target, World, says

REDIRECTS = Resource("cilium.io", "v2", "ciliumlocalredirectpolicies")
_ADDRESS, _SKIPPING, _PORT = "169.254.42.42", "169.254.42.43", 38092
_SERVICE = "redirected"


def _redirect(bed: Bed, name: str, frontend: Mapping[str, Any], **more: Any) -> Applied:
    manifest = {
        "apiVersion": REDIRECTS.api_version,
        "kind": "CiliumLocalRedirectPolicy",
        "metadata": {"name": name, "namespace": bed.namespace},
        "spec": {
            "redirectFrontend": frontend,
            "redirectBackend": {
                "localEndpointSelector": {"matchLabels": {"role": "near"}},
                "toPorts": [{"port": str(HTTP), "protocol": "TCP"}],
            },
            **more,
        },
    }
    return Applied(REDIRECTS, manifest)


def _of_address(address: str) -> dict[str, Any]:
    return {"addressMatcher": {"ip": address, "toPorts": [{"port": str(_PORT), "protocol": "TCP"}]}}


def _to_address(bed: Bed) -> Sequence[Applied]:
    return [_redirect(bed, "redirect-address", _of_address(_ADDRESS))]


def _skipping(bed: Bed) -> Sequence[Applied]:
    return [_redirect(bed, "redirect-skipping", _of_address(_SKIPPING), skipRedirectFromBackend=True)]


def _to_service(bed: Bed) -> Sequence[Applied]:
    """A service of its own, whose backend is the pod `other`: that `near` answers is the policy's work."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _SERVICE, "namespace": bed.namespace},
        "spec": {
            "selector": {"role": "other"},
            "ports": [{"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"}],
        },
    }
    matcher = {"serviceMatcher": {"serviceName": _SERVICE, "namespace": bed.namespace}}
    return [Applied(SERVICES, service), _redirect(bed, "redirect-service", matcher)]


def _target(address: str, bed: Bed) -> Target:
    return Target(name="an address that is redirected", address=address, node=bed.pod("near").node)


def _asked(bed: Bed) -> Iterator[Probe]:
    for source in ("client", "other", "near"):
        yield http(source, _target(_ADDRESS, bed), port=_PORT, expect=says("near", "`near`"))


def _not_from_backend(bed: Bed) -> Iterator[Probe]:
    for source in ("client", "other"):
        yield http(source, _target(_SKIPPING, bed), port=_PORT, expect=says("near", "`near`"))
    yield http("near", _target(_SKIPPING, bed), port=_PORT, expect=DENIED)


def _service(bed: Bed) -> Iterator[Probe]:
    name = f"{_SERVICE}.{bed.namespace}.svc.{bed.world.domain}"
    target = Target(name="a service that is redirected", node=bed.pod("near").node)
    yield http("client", target, host=name, expect=says("near", "`near`"))


def _balances(world: World) -> str:
    """Before 1.17 redirection happened in sockets alone; the official CLI's gate for its own test."""
    replaced = world.config.get("kube-proxy-replacement", "") in {"true", "strict"}
    if not replaced and world.config.get("bpf-lb-sock", "false") != "true":
        return "Cilium balances no load in sockets (`kubeProxyReplacement`)"
    hosts_only = world.config.get("bpf-lb-sock-hostns-only", "false") == "true"
    if hosts_only and world.version and world.version < (1, 17):
        return "Cilium balances load in the hosts' sockets only (`socketLB.hostNamespaceOnly`)"
    return ""


def _allowed(world: World) -> str:
    """Since 1.18 the addresses that policies may redirect can be limited."""
    listed = [part for part in world.config.get("lrp-address-matcher-cidrs", "").split(",") if part]
    wanted = ipaddress.ip_address(_ADDRESS)
    if not listed or any(wanted in ipaddress.ip_network(part.strip(), strict=False) for part in listed):
        return ""
    return f"only some addresses may be redirected here (`lrp-address-matcher-cidrs`), {_ADDRESS} is none of them"


_NEEDS = (
    needs.switched_on("enable-local-redirect-policy", "local redirect policies are off"),
    needs.kind("CiliumLocalRedirectPolicy"),
    _balances,
)

TO_ADDRESS = Scenario(
    name="cilium-local-redirect-address",
    about="what is sent to an address that a policy redirects reaches the pod on its own node, from that pod, too",
    category="cilium",
    probes=_asked,
    objects=_to_address,
    needs=(*_NEEDS, _allowed),
    official=("local-redirect-policy",),
)
SKIPPING = Scenario(
    name="cilium-local-redirect-skips-backend",
    about="a policy that skips its own backend redirects other pods, and not that one",
    category="cilium",
    probes=_not_from_backend,
    objects=_skipping,
    needs=(*_NEEDS, _allowed, needs.since(1, 16)),
    official=("local-redirect-policy",),
)
TO_SERVICE = Scenario(
    name="cilium-local-redirect-service",
    about="what is sent to a service that a policy redirects reaches the pod on its own node, not the service's own",
    category="cilium",
    probes=_service,
    objects=_to_service,
    needs=_NEEDS,
)
