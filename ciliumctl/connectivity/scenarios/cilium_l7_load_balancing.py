"""Services that Cilium's proxy balances request by request, rather than the kernel connection by connection.

The annotation is `service.cilium.io/lb-l7` (Documentation/network/servicemesh/envoy-load-balancing.rst of
cilium/cilium). That the proxy was in between is seen in the header that it adds: the test server sends no `Server`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from ciliumctl.clients.kube import SERVICES
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http
from ciliumctl.connectivity.model import Applied, Bed, Probe, Scenario, Target, World, says

_ALL, _NEAR = "proxied", "proxied-near"


def _services(bed: Bed) -> Sequence[Applied]:
    return [_service(bed, _ALL, {"kind": "server"}), _service(bed, _NEAR, {"role": "near"})]


def _service(bed: Bed, name: str, selector: dict[str, str]) -> Applied:
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": bed.namespace,
            "annotations": {"service.cilium.io/lb-l7": "enabled"},
        },
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"}],
        },
    }
    return Applied(SERVICES, manifest)


def _probes(bed: Bed) -> Iterator[Probe]:
    target = Target(name="a service behind the proxy")
    where = quote(f"http://{_ALL}.{bed.namespace}.svc.{bed.world.domain}:{HTTP}/hostname")
    names = " ".join(sorted(pod.name for pod in bed.servers()))
    for client in bed.clients():
        yield Probe(
            name="the proxy's mark on an answer",
            source=client.role,
            target=target,
            command=f"curl -sS --fail -m 4 -D - -o /dev/null {where} | tr -d '\\r' | grep -i -x 'server: envoy'",
            expect=says("(?i)server: envoy", "the header of Cilium's proxy"),
        )
        # One connection: whoever balances connections sends all of these to one backend.
        yield Probe(
            name="20 requests over one connection reach every backend",
            source=client.role,
            target=target,
            command=f"curl -sS --fail -m 8 -w '\\n' {where}'?'[1-20] | sort -u | tr '\\n' ' '",
            expect=says(names, f"answers of {names}"),
            seconds=12,
        )
    itself = f"{_NEAR}.{bed.namespace}.svc.{bed.world.domain}"
    yield http(
        "near",
        Target(name="itself behind the proxy", node=bed.pod("near").node),
        host=itself,
        expect=says("near", "`near`"),
    )


def _every_port(world: World) -> str:
    listed = world.config.get("loadbalancer-l7-ports", "").replace(",", " ").split()
    return f"the proxy balances some ports only, not {HTTP}" if listed and str(HTTP) not in listed else ""


L7 = Scenario(
    name="cilium-l7-load-balancing",
    about="a service behind Cilium's proxy sends the requests of one connection to each of its backends",
    category="cilium",
    probes=_probes,
    objects=_services,
    needs=(
        needs.set_to("loadbalancer-l7", "envoy", "load balancing by Cilium's proxy is off (`loadBalancer.l7.backend`)"),
        _every_port,
    ),
    official=("l7-lb",),
)
