"""Pods and the nodes that they run on: pod to host, host to pod, host ports, the API server."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_HTTP, HOST_PORT
from ciliumctl.connectivity.commands import http, ping, tls
from ciliumctl.connectivity.model import Bed, Probe, Scenario, Target, says


def _pod_to_host(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for node in bed.world.nodes:
            for family in bed.families:
                if family in node.addresses:
                    where = "its own host" if node.name == client.node else "the other host"
                    yield ping(client.role, Target(name=where, address=node.addresses[family], node=node.name))


def _pod_to_host_tcp(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for host in bed.group("host"):
            for family in bed.families:
                if family in host.addresses:
                    yield http(client.role, host.target(family, "a port of the host"), port=HOST_HTTP)


def _host_to_pod(bed: Bed) -> Iterator[Probe]:
    for host in bed.group("host"):
        for server in bed.servers():
            for family in bed.families:
                if family in host.addresses:
                    yield http(host.role, server.target(family), expect=says(server.name, f"`{server.name}`"))


def _host_to_host(bed: Bed) -> Iterator[Probe]:
    hosts = bed.group("host")
    for host in hosts:
        for other in hosts:
            for family in bed.families:
                if other is not host and family in other.addresses and family in host.addresses:
                    yield http(host.role, other.target(family, "the other host"), port=HOST_HTTP)


def _host_port(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for port in bed.group("port"):
            for family in bed.families:
                if family in port.host:
                    target = Target(name=f"the host port of {port.node}", address=port.host[family], node=port.node)
                    yield http(client.role, target, port=HOST_PORT, expect=says(port.name))


def _api_server(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield tls(
            client.role,
            Target(name="the API server", address=f"kubernetes.default.svc.{bed.world.domain}"),
            port=443,
            path="/version",
        )


def _api_server_address(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield Probe(
            name="HTTPS to the API server's address",
            source=client.role,
            target=Target(name="the API server"),
            command="curl -sSk -o /dev/null -w '%{http_code}' --connect-timeout 2 -m 4"
            ' "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version"',
        )


POD_TO_HOST = Scenario(
    name="pod-to-host",
    about="a pod pings its own node and the other",
    category="hosts",
    probes=_pod_to_host,
    smoke=True,
    official=("no-policies", "pod-to-controlplane-host"),
)
POD_TO_HOST_TCP = Scenario(
    name="pod-to-host-port-tcp",
    about="a pod reaches a program in the network of its own node and of the other",
    category="hosts",
    probes=_pod_to_host_tcp,
    groups=("hosts",),
    needs=(needs.privileged,),
    official=("no-policies",),
)
HOST_TO_POD = Scenario(
    name="host-to-pod",
    about="a node reaches pods of its own and of the other node",
    category="hosts",
    probes=_host_to_pod,
    groups=("hosts",),
    needs=(needs.privileged,),
    official=("no-policies",),
)
HOST_TO_HOST = Scenario(
    name="host-to-host",
    about="the nodes reach each other",
    category="hosts",
    probes=_host_to_host,
    groups=("hosts",),
    needs=(needs.privileged, needs.two_nodes),
    official=("health",),
)
HOST_PORT_OF_POD = Scenario(
    name="pod-to-host-port",
    about="a pod reaches a port that another pod has of its node",
    category="hosts",
    probes=_host_port,
    groups=("hosts",),
    needs=(needs.privileged,),
    official=("no-policies",),
)
API_SERVER = Scenario(
    name="pod-to-api-server",
    about="a pod reaches the API server by its name",
    category="hosts",
    probes=_api_server,
    smoke=True,
    official=("pod-to-k8s-on-controlplane",),
)
API_SERVER_ADDRESS = Scenario(
    name="pod-to-api-server-address",
    about="a pod reaches the API server at its cluster address, without a name server",
    category="hosts",
    probes=_api_server_address,
    smoke=True,
    official=("pod-to-k8s-on-controlplane",),
)
