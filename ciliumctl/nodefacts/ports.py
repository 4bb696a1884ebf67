"""Ports of the nodes that Cilium binds and something else has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ciliumctl import templates
from ciliumctl.nodefacts.kernel import holds
from ciliumctl.nodefacts.model import Problem, grouped
from ciliumctl.nodefacts.parsing import NodeFacts, Socket
from ciliumctl.values.paths import get, split

_OURS = re.compile(r"cilium|hubble")
#: The kernel's own sockets of tunnels have no process; these links say whose they are.
_OUR_LINKS = ("cilium_vxlan", "cilium_geneve", "cilium_wg0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that these values make Cilium bind."""

    number: int
    protocol: str
    purpose: str


@cache
def _table() -> tuple[Mapping[str, Any], ...]:
    return tuple(templates.load("nodework/ports.yaml"))


def needed(values: Mapping[str, Any]) -> Iterator[Port]:
    """The ports that Cilium binds with these values."""
    for entry in _table():
        if not holds(values, entry.get("when", {})):
            continue
        given = get(values, split(entry["value"])) if "value" in entry else None
        number = given if isinstance(given, int) and 0 < given < 1 << 16 else entry["port"]
        yield Port(number=number, protocol=entry["protocol"], purpose=entry["for"])


def numbers(values: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers to ask nodes for."""
    return tuple(sorted({port.number for port in needed(values)}))


def problems(nodes: Sequence[NodeFacts], values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Ports that something other than Cilium has."""
    wanted = {(port.protocol, port.number): port for port in needed(values)}
    return grouped(
        (_told(socket, wanted[key]), "error", node.node)
        for node in nodes
        for key, socket in sorted({(one.protocol[:3], one.port): one for one in node.sockets}.items())
        if key in wanted and not _ours(node, socket)
    )


def _ours(node: NodeFacts, socket: Socket) -> bool:
    if socket.process:
        return bool(_OURS.search(socket.process))
    return any(link in node.links for link in _OUR_LINKS) or node.agent


def _told(socket: Socket, port: Port) -> str:
    # Flannel's VXLAN has the same port as Cilium's, and the kernel listens for it.
    holder = f"`{socket.process}`" if socket.process else "the kernel, for another tunnel"
    return f"port {port.number}/{port.protocol} is taken by {holder}: Cilium needs it for {port.purpose}"
