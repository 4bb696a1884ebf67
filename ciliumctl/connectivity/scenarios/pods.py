"""Pods ask pods, on the same node and on the other, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.connectivity.commands import HTTP, http, pairs, ping, refused, udp
from ciliumctl.connectivity.model import Bed, Probe, Scenario, says


def _http(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        # Its own name comes back: an address that two pods have is seen here.
        yield http(client.role, server.target(family), expect=says(server.name, f"`{server.name}`"))


def _udp(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        yield udp(client.role, server.target(family))


def _icmp(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        yield ping(client.role, server.target(family))


def _lossless(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        yield ping(client.role, server.target(family), count=10)


def _source(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        address = client.addresses[family].replace(".", r"\.")
        yield http(
            client.role,
            server.target(family),
            path="/clientip",
            name=f"the address that {server.role} sees" + (" over IPv6" if family == 6 else ""),
            expect=says(rf"\[?{address}\]?:\d+", f"the pod's own address {client.addresses[family]}"),
        )


def _refused(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        target = server.target(family)
        # That the same pod answers elsewhere: a pod that is gone refuses, too.
        yield http(client.role, target, expect=says(server.name, f"`{server.name}`"))
        yield refused(client.role, target, port=HTTP + 9)


POD_TO_POD = Scenario(
    name="pod-to-pod",
    about="a pod reaches pods on its own node and on the other over TCP and HTTP",
    category="pods",
    probes=_http,
    smoke=True,
    official=("no-policies",),
)
POD_TO_POD_UDP = Scenario(
    name="pod-to-pod-udp",
    about="a pod reaches pods on its own node and on the other over UDP",
    category="pods",
    probes=_udp,
    smoke=True,
)
POD_TO_POD_ICMP = Scenario(
    name="pod-to-pod-icmp",
    about="a pod pings pods on its own node and on the other",
    category="pods",
    probes=_icmp,
    smoke=True,
    official=("no-policies",),
)
NO_LOSS = Scenario(
    name="pod-to-pod-no-loss",
    about="ten pings in a row are all answered",
    category="pods",
    probes=_lossless,
    smoke=True,
)
SOURCE_ADDRESS = Scenario(
    name="pod-to-pod-source-address",
    about="a pod is seen with its own address by other pods: nothing masquerades inside the cluster",
    category="pods",
    probes=_source,
    smoke=True,
)
CLOSED_PORT = Scenario(
    name="pod-to-pod-closed-port",
    about="a port that nobody listens on is refused at once, not dropped, by a pod that answers on another",
    category="pods",
    probes=_refused,
)
