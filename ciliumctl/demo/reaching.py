"""Where the application is reached from outside of the cluster: load balancer, node ports, a forwarded port."""

from __future__ import annotations

from dataclasses import dataclass

from ciliumctl import services
from ciliumctl.clients.kube import NODES, Kube, Manifest, PodPort, dig
from ciliumctl.clients.web import Web
from ciliumctl.demo import ours
from ciliumctl.demo.model import NAME, DemoUrl

#: Nodes whose address is tried for `demo url`: one that answers is enough.
_NODES = 8
#: Seconds that an address has to answer.
PATIENCE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """A ready node, and the address to ask from outside: its external one where it has one, else the internal one."""

    node: str
    internal: str
    external: str

    @property
    def outer(self) -> str:
        """Where others ask it."""
        return self.external or self.internal


def nodes(kube: Kube) -> list[NodeAddress]:
    """The ready nodes. One request, 300 bytes a node."""
    table = kube.table(NODES)
    columns = [table.column(name) for name in ("name", "status", "internal-ip", "external-ip")]
    return [
        NodeAddress(node=str(name), internal=_address(internal), external=_address(external))
        for name, state, internal, external in zip(*columns, strict=True)
        if str(state).split(",")[0] == "Ready" and (_address(internal) or _address(external))
    ]


def _address(cell: object) -> str:
    text = str(cell or "")
    return "" if text in {"<none>", "<unknown>"} else text


def http(address: str, port: int = 80) -> str:
    """An address as a browser takes it."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}" if port == 80 else f"http://{host}:{port}"


def balanced(service: Manifest) -> list[str]:
    """The addresses that a load balancer has for a Service."""
    ingress: list[Manifest] = dig(service, "status", "loadBalancer", "ingress", default=[])
    return [str(one.get("ip") or one.get("hostname")) for one in ingress if one.get("ip") or one.get("hostname")]


def target(kube: Kube, namespace: str) -> PodPort:
    """A ready pod of the application, to forward to. Three requests. Raises `NotFound`, `ForeignOwner`."""
    ours.service(kube, namespace)
    return services.target(kube, namespace, NAME)


def url(kube: Kube, web: Web, namespace: str) -> DemoUrl:
    """The address of the application that answers from here, else the one that should. Three requests.

    Raises:
        NotFound: it is not there. ForeignOwner: that one is not ours.
    """
    service = ours.service(kube, namespace)
    kind: str = dig(service, "spec", "type", default="")
    port = ours.node_port(service)
    addresses = [http(one) for one in balanced(service)]
    if port:
        addresses += [http(one.outer, port) for one in nodes(kube)[:_NODES]]
    if not addresses:
        said = "no node is ready" if port else f"a service of type {kind or 'ClusterIP'} is reached in the cluster only"
        return DemoUrl(url="", type=kind, answers=False, said=said)
    unreachable = web.unreachable(addresses, seconds=PATIENCE)
    first = next((one for one in addresses if one not in unreachable), "")
    if first:
        return DemoUrl(url=first, type=kind, answers=True, said="", others=_without(addresses, first))
    return DemoUrl(
        url=addresses[0],
        type=kind,
        answers=False,
        said=unreachable[addresses[0]].message,
        others=_without(addresses, addresses[0]),
    )


def _without(addresses: list[str], one: str) -> tuple[str, ...]:
    return tuple(address for address in addresses if address != one)
