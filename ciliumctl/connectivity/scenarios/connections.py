"""Connections that last: what changes around them must not end them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from ciliumctl.clients.kube import ENDPOINT_SLICES, SERVICES, Manifest
from ciliumctl.connectivity.commands import HTTP
from ciliumctl.connectivity.model import Applied, Bed, Pod, Probe, Scenario, Target, says

#: Requests over one connection, two a second: the change comes in their midst.
_REQUESTS = 14
_SERVICE = "changing"


def _service(bed: Bed) -> Sequence[Applied]:
    """A service whose endpoints are ours to say: one, to begin with."""
    ports = [{"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"}]
    spec = {"ports": ports, "ipFamilies": [_family(bed)], "ipFamilyPolicy": "SingleStack"}
    meta = {"name": _SERVICE, "namespace": bed.namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    return [Applied(SERVICES, service), Applied(ENDPOINT_SLICES, _endpoints(bed, bed.pod("near")))]


def _another_endpoint(bed: Bed) -> Sequence[Applied]:
    return [Applied(ENDPOINT_SLICES, _endpoints(bed, bed.pod("other")))]


def _endpoints(bed: Bed, pod: Pod) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{_SERVICE}-{pod.role}",
            "namespace": bed.namespace,
            "labels": {"kubernetes.io/service-name": _SERVICE},
        },
        "addressType": _family(bed),
        "endpoints": [
            {"addresses": [pod.addresses[bed.families[0]]], "conditions": {"ready": True}, "nodeName": pod.node}
        ],
        "ports": [{"name": "http", "port": HTTP, "protocol": "TCP"}],
    }


def _family(bed: Bed) -> str:
    return "IPv4" if bed.families[0] == 4 else "IPv6"


def _one_connection(bed: Bed) -> Iterator[Probe]:
    url = f"http://{_SERVICE}.{bed.namespace}.svc.{bed.world.domain}:{HTTP}/hostname"
    asking = "curl -sS --fail --rate 2/s --connect-timeout 2 -m 2 -w '%{num_connects}\\n' -o /dev/null"
    lines = [
        # The service is new: until the node knows it there is nothing to hold on to.
        f"for i in 1 2 3 4 5; do curl -sf -m 1 -o /dev/null {quote(url)} && break; sleep 0.2; done",
        f"{asking} {quote(f'{url}?[1-{_REQUESTS}]')} | sort | uniq -c | tr -s ' \\n' ' '",
    ]
    for client in bed.clients():
        yield Probe(
            name=f"{_REQUESTS} requests over one connection while an endpoint comes",
            source=client.role,
            target=Target(name=f"service {_SERVICE}", node=bed.pod("near").node),
            command="\n".join(lines),
            expect=says(rf"{_REQUESTS - 1} 0 1 1", "one connection for all of them"),
            seconds=20,
        )


LASTING = Scenario(
    name="long-lived-connection",
    about="a connection to a service goes on when the service gets another endpoint",
    category="services",
    probes=_one_connection,
    objects=_service,
    changes=_another_endpoint,
)
