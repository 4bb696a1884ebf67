"""Services: cluster addresses, headless ones, node ports, affinity, none behind them."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http, refused, service, udp
from ciliumctl.connectivity.model import Bed, Node, Probe, Scenario, Service, Target, says


def _any_server(bed: Bed) -> str:
    return "|".join(pod.name for pod in bed.servers())


def _cluster_ip(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for server in bed.servers():
            of = bed.services[server.role]
            for family in bed.families:
                if family in of.addresses:
                    target = service(of, family, server.node)
                    yield http(client.role, target, expect=says(server.name, f"`{server.name}`"))
                    yield udp(client.role, target)


def _often(of: Service, family: int, count: int) -> str:
    """Ask a service so many times, each over a connection of its own; a line for each answer, or `failed`."""
    return f"{{ {_own_connections()} -m 4 {_numbered(of, family, count)} || echo failed; }}"


def _own_connections(words: str = "") -> str:
    """One program for many requests: what is tested is the network, not how fast a busy node starts programs."""
    return f"curl -sS --fail -H 'Connection: close' -w {quote(words + chr(92) + 'n')}"


def _numbered(of: Service, family: int, count: int) -> str:
    """So many addresses as curl writes them, which all mean the same."""
    address = of.addresses[family]
    host = f"\\[{address}\\]" if family == 6 else address
    return quote(f"http://{host}:{HTTP}/hostname?[1-{count}]")


def _balanced(bed: Bed) -> Iterator[Probe]:
    of = bed.services["all"]
    for client in bed.clients():
        for family in bed.families:
            if family not in of.addresses:
                continue
            names = " ".join(sorted(pod.name for pod in bed.servers()))
            yield Probe(
                name="30 requests reach every backend" + (" over IPv6" if family == 6 else ""),
                source=client.role,
                target=service(of, family),
                command=f"{_often(of, family, 30)} | sort -u | tr '\\n' ' '",
                expect=says(names, f"answers of {names}"),
                seconds=10,
            )


def _sticky(bed: Bed) -> Iterator[Probe]:
    of = bed.services["sticky"]
    for client in bed.clients():
        for family in bed.families:
            if family not in of.addresses:
                continue
            yield Probe(
                name="12 requests reach one backend" + (" over IPv6" if family == 6 else ""),
                source=client.role,
                target=service(of, family),
                command=f"{_often(of, family, 12)} | sort -u | tr '\\n' ' '",
                expect=says(_any_server(bed), "the answers of one backend"),
                seconds=10,
            )


def _itself(bed: Bed) -> Iterator[Probe]:
    of = bed.services["itself"]
    for family in bed.families:
        if family in of.addresses:
            yield http("client", service(of, family, bed.pod("client").node), expect=says("client", "its own name"))


def _headless(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield http(
            client.role,
            Target(name="service headless"),
            host=f"{bed.services['headless'].full_name}.{bed.world.domain}",
            expect=says(_any_server(bed), "the name of a backend"),
        )


def _nobody(bed: Bed) -> Iterator[Probe]:
    of = bed.services["nobody"]
    for client in bed.clients():
        for family in bed.families:
            if family in of.addresses:
                yield refused(client.role, service(of, family))


def _node_port(node: Node, family: int, whose: str = "") -> Target:
    """A node port of a service with backends on several nodes: any of them may answer."""
    name = f"a node port of {whose or node.name}"
    return Target(name=name, address=node.addresses[family], node=node.name, anywhere=True)


def _node_ports(bed: Bed) -> Iterator[Probe]:
    of = bed.services["all"]
    for client in bed.clients():
        for node in bed.world.nodes:
            for family in bed.families:
                # A service may have fewer families than a node.
                if family in node.addresses and family in of.addresses:
                    where = "its own node" if node.name == client.node else "the other node"
                    target = _node_port(node, family, where)
                    yield http(
                        client.role, target, port=of.node_ports["http"], expect=says(_any_server(bed), "a backend")
                    )
                    yield udp(client.role, target, port=of.node_ports["udp"])


def _local_node_port(bed: Bed) -> Iterator[Probe]:
    of, server = bed.services["local"], bed.servers()[-1]
    for client in bed.clients():
        for family in bed.families:
            if family in server.host and family in of.addresses:
                target = Target(name="a node port of the backend's node", address=server.host[family], node=server.node)
                yield http(client.role, target, port=of.node_ports["http"], expect=says(server.name))


def _host_to_node_port(bed: Bed) -> Iterator[Probe]:
    of = bed.services["all"]
    for host in bed.group("host"):
        for node in bed.world.nodes:
            for family in bed.families:
                if family in node.addresses and family in of.addresses:
                    target = _node_port(node, family)
                    yield http(host.role, target, port=of.node_ports["http"], expect=says(_any_server(bed)))


def _host_to_service(bed: Bed) -> Iterator[Probe]:
    for host in bed.group("host"):
        for server in bed.servers():
            of = bed.services[server.role]
            for family in bed.families:
                if family in of.addresses and family in host.addresses:
                    yield http(host.role, service(of, family, server.node), expect=says(server.name))


def _many(bed: Bed) -> Iterator[Probe]:
    of = bed.services["all"]
    for client in bed.clients():
        for family in bed.families:
            if family not in of.addresses:
                continue
            ask = f"{_own_connections('%{http_code}')} --connect-timeout 2 -m 6 -Z --parallel-max 20 -o /dev/null"
            yield Probe(
                name="100 connections, 20 at a time" + (" over IPv6" if family == 6 else ""),
                source=client.role,
                target=service(of, family),
                # Told to be silent, some versions of curl draw a progress meter all the same when they ask in parallel.
                command=f"{ask} {_numbered(of, family, 100)} 2>/dev/null | grep -c 200",
                expect=says("100", "100 answers"),
                seconds=25,
            )


CLUSTER_IP = Scenario(
    name="pod-to-service",
    about="a pod reaches services at their cluster addresses over TCP and UDP, backends here and there",
    category="services",
    probes=_cluster_ip,
    smoke=True,
    official=("no-policies",),
)
BALANCED = Scenario(
    name="service-balances",
    about="a service sends requests to each of its backends",
    category="services",
    probes=_balanced,
    official=("no-policies",),
)
STICKY = Scenario(
    name="service-session-affinity",
    about="a service with session affinity keeps a client at one backend",
    category="services",
    probes=_sticky,
)
ITSELF = Scenario(
    name="pod-to-itself-via-service",
    about="a pod reaches itself through its own service",
    category="services",
    probes=_itself,
    smoke=True,
    official=("pod-to-itself-via-service",),
)
HEADLESS = Scenario(
    name="pod-to-headless-service",
    about="a pod reaches the backends of a headless service by its name",
    category="services",
    probes=_headless,
)
NOBODY = Scenario(
    name="service-without-endpoints",
    about="a service with nothing ready behind it refuses at once",
    category="services",
    probes=_nobody,
    official=("no-policies",),
)
NODE_PORTS = Scenario(
    name="pod-to-node-port",
    about="a pod reaches node ports on its own node and on the other, over TCP and UDP",
    category="services",
    probes=_node_ports,
    smoke=True,
    official=("no-policies-extra",),
)
LOCAL_NODE_PORT = Scenario(
    name="pod-to-local-node-port",
    about="a node port with externalTrafficPolicy Local answers on the backend's node",
    category="services",
    probes=_local_node_port,
)
HOST_TO_SERVICE = Scenario(
    name="host-to-service",
    about="the nodes themselves reach services at their cluster addresses",
    category="services",
    probes=_host_to_service,
    groups=("hosts",),
    needs=(needs.privileged,),
)
HOST_TO_NODE_PORT = Scenario(
    name="host-to-node-port",
    about="the nodes themselves reach node ports, their own and each other's",
    category="services",
    probes=_host_to_node_port,
    groups=("hosts",),
    needs=(needs.privileged,),
    official=("no-policies-extra",),
)
MANY = Scenario(
    name="many-connections",
    about="a hundred short connections to a service all succeed",
    category="services",
    probes=_many,
)
