"""What small questions do not show: large transfers, the path's MTU, connections that outlive a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from ciliumctl.clients.kube import SERVICES
from ciliumctl.connectivity.commands import HTTP, UDP, pairs, url
from ciliumctl.connectivity.model import Applied, Bed, Probe, Scenario, Target, says

#: Bytes each way. In the time that a probe has, a path of 3 Mbit/s carries them.
_BYTES = 2_000_000
_SECONDS = 12
#: The test server's buffer for datagrams.
_DATAGRAM = 2000
_SPARE = "spare"


def _large(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        body = f"{{ printf msg=; head -c {_BYTES} /dev/zero | tr '\\0' x; }}"
        ask = (
            f"curl -sS --fail --connect-timeout 2 -m {_SECONDS - 1} -H Expect: -o /dev/null -w '%{{size_download}}'"
            f" --data-binary @- {url(server.addresses[family], HTTP, '/echo')}"
        )
        yield Probe(
            name=f"2 MB there and back{' over IPv6' if family == 6 else ''}",
            source=client.role,
            target=server.target(family),
            command=f"{body} | {ask}",
            expect=says(str(_BYTES), "2 MB back"),
            seconds=_SECONDS,
        )


def _full_datagrams(bed: Bed) -> Iterator[Probe]:
    for client, server, family in pairs(bed):
        headers = 28 if family == 4 else 48
        device = "$(ip -o route get " + quote(server.addresses[family]) + " | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')"
        lines = [
            f"m=$(cat /sys/class/net/{device}/mtu) || exit 3",
            f"n=$((m - {headers} - 5)); [ $n -gt {_DATAGRAM} ] && n={_DATAGRAM}",
            "p=$(head -c $n /dev/zero | tr '\\0' x)",
            # The kernel forbids to fragment what fits the device; asked twice, as any datagram may be lost.
            f"for i in 1 2; do g=$(printf 'echo %s' $p | nc -u -w 1 {quote(server.addresses[family])} {UDP} | wc -c)",
            '[ $g -eq $n ] && echo whole && exit 0; done; echo "$g of $n bytes came back, MTU $m"; exit 1',
        ]
        yield Probe(
            name=f"a datagram as large as the MTU{' over IPv6' if family == 6 else ''}",
            source=client.role,
            target=server.target(family),
            command="\n".join(lines).replace("; [ $n", "\n[ $n"),
            expect=says("whole", "all of it back"),
        )


def _spare(bed: Bed) -> Sequence[Applied]:
    labels = {"app.kubernetes.io/managed-by": "ciliumctl"}
    selector = {"app.kubernetes.io/managed-by": "ciliumctl", "role": "near"}
    ports = [{"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"}]
    meta = {"name": _SPARE, "namespace": bed.namespace, "labels": labels}
    spec = {"selector": selector, "ports": ports}
    return [Applied(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})]


def _new_service(bed: Bed) -> Iterator[Probe]:
    name = f"{_SPARE}.{bed.namespace}.svc.{bed.world.domain}"
    for client in bed.clients():
        yield Probe(
            name="HTTP to a service made just now",
            source=client.role,
            target=Target(name=f"service {_SPARE}", node=bed.pod("near").node),
            command=f"curl -sS --fail --connect-timeout 2 -m 4 {url(name)}",
            expect=says("near", "`near`"),
        )


LARGE = Scenario(
    name="large-transfer",
    about="two megabytes go there and come back, at no less than a few Mbit/s",
    category="transfer",
    probes=_large,
    smoke=True,
)
MTU = Scenario(
    name="path-mtu",
    about="a datagram of the pod's MTU arrives whole and unfragmented: no tunnel is too large for its path",
    category="transfer",
    probes=_full_datagrams,
    smoke=True,
    official=("pod-to-pod-no-frag",),
)
NEW_SERVICE = Scenario(
    name="new-service",
    about="a service that is made now works within seconds on every node",
    category="services",
    probes=_new_service,
    objects=_spare,
    smoke=True,
)
