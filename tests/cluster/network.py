"""One bridge, a network namespace for each node with a leg on it, and one that plays the outside world."""

from __future__ import annotations

import json
import subprocess
import zlib
from collections.abc import Sequence

from ciliumctl.errors import Missing
from tests.cluster import addresses
from tests.cluster.addresses import Address, Segment

OUTSIDE = "outside"


def run(*argv: str, check: bool = True, stdin: str = "") -> str:
    """Run a program of the machine and return what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, input=stdin)
    if check and done.returncode:
        raise RuntimeError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
    return done.stdout


def inside(cluster: str, node: str, *argv: str, check: bool = True, stdin: str = "") -> str:
    """Run a program in a node's network namespace and return what it said."""
    return run("ip", "netns", "exec", namespace(cluster, node), *argv, check=check, stdin=stdin)


def namespace(cluster: str, node: str) -> str:
    """The name of a node's network namespace."""
    return f"{cluster}-{node}"


def bridge_name(cluster: str) -> str:
    """The name of the bridge."""
    return f"br-{_short(cluster)}"


def leg_name(cluster: str, number: int) -> str:
    """The bridge's end of the cable to node `number`; 0 is the outside world."""
    return f"ve-{_short(cluster)}-{number}"


def _short(cluster: str) -> str:
    """At most eight characters that are no other cluster's: names of links have at most 15."""
    return cluster if len(cluster) <= 8 else f"{cluster[:3]}.{zlib.crc32(cluster.encode()) % 0x10000:04x}"


def free_segment() -> Segment:
    """The first network that no link of this machine is in. Raises `Missing` when all are taken."""
    taken = {entry["local"] for link in json.loads(run("ip", "-j", "addr")) for entry in link.get("addr_info", ())}
    for number in range(addresses.SEGMENTS):
        segment = Segment(number)
        if segment.gateway.v4 not in taken:
            return segment
    raise Missing(
        f"all {addresses.SEGMENTS} test networks from {Segment(0).gateway.v4} on are in use on this machine",
        hint="end a cluster with `python -m tests.cluster down --name NAME`; `ip -br addr` shows them",
    )


def bridge_up(cluster: str, segment: Segment) -> None:
    """The bridge, with the machine's own leg: the gateway of the nodes. Nothing is routed beyond it."""
    name = bridge_name(cluster)
    run("ip", "link", "add", name, "type", "bridge")
    run("ip", "addr", "add", f"{segment.gateway.v4}/{addresses.PREFIX}", "dev", name)
    run("ip", "-6", "addr", "add", f"{segment.gateway.v6}/{addresses.PREFIX6}", "dev", name, "nodad")
    run("ip", "link", "set", name, "up")


def node_up(cluster: str, node: str, number: int, segment: Segment) -> None:
    """A node's namespace, its leg on the bridge, its routes, and what hides its pods from the outside world."""
    _leg(cluster, node, number, segment.node(number), segment.gateway)
    inside(cluster, node, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    inside(cluster, node, "nft", "-f", "-", stdin=masquerade(segment))


def outside_up(cluster: str, segment: Segment) -> None:
    """The namespace that plays the outside world: it knows the nodes, and no way to pods or services."""
    _leg(cluster, OUTSIDE, 0, segment.outside, None)


def masquerade(segment: Segment) -> str:
    """What Cilium does at the node's edge: pods keep their address among pods and nodes, and nowhere else."""
    nodes = segment.nodes
    return f"""\
table inet ciliumctl-masquerade
delete table inet ciliumctl-masquerade
table inet ciliumctl-masquerade {{
  chain leaving {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {addresses.PODS} ip daddr != {{ {addresses.PODS}, {nodes.v4} }} masquerade
    ip6 saddr {addresses.PODS6} ip6 daddr != {{ {addresses.PODS6}, {nodes.v6} }} masquerade
  }}
}}
"""


def _leg(cluster: str, node: str, number: int, address: Address, gateway: Address | None) -> None:
    space, leg = namespace(cluster, node), leg_name(cluster, number)
    run("ip", "netns", "add", space)
    run("ip", "link", "add", leg, "type", "veth", "peer", "name", "eth0", "netns", space)
    run("ip", "link", "set", leg, "master", bridge_name(cluster), "up")
    steps: list[Sequence[str]] = [
        ("ip", "link", "set", "lo", "up"),
        ("ip", "addr", "add", f"{address.v4}/{addresses.PREFIX}", "dev", "eth0"),
        ("ip", "-6", "addr", "add", f"{address.v6}/{addresses.PREFIX6}", "dev", "eth0", "nodad"),
        ("ip", "link", "set", "eth0", "up"),
    ]
    if gateway is not None:
        steps.append(("ip", "route", "add", "default", "via", gateway.v4))
        steps.append(("ip", "-6", "route", "add", "default", "via", gateway.v6))
    for argv in steps:
        inside(cluster, node, *argv)


def namespaces(cluster: str) -> list[str]:
    """The namespaces of this cluster, whoever left them."""
    names = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line]
    return [name for name in names if name == f"{cluster}-{OUTSIDE}" or _is_node(name, cluster)]


def _is_node(name: str, cluster: str) -> bool:
    """Whether `name` is a node's of this cluster, and not one of another cluster whose name starts the same."""
    return name.startswith(f"{cluster}-node-") and name.removeprefix(f"{cluster}-node-").isdigit()


def down(cluster: str) -> None:
    """Everything of this cluster's, whoever left it."""
    for name in namespaces(cluster):
        run("ip", "netns", "del", name, check=False)
    for link in links(cluster):
        run("ip", "link", "del", link, check=False)


def links(cluster: str) -> list[str]:
    """The links of this cluster in the machine's own namespace: the bridge and its cables."""
    start = leg_name(cluster, 0).removesuffix("0")
    names = [str(link["ifname"]) for link in json.loads(run("ip", "-j", "link"))]
    legs = [name for name in names if name.startswith(start) and name.removeprefix(start).isdigit()]
    return [*legs, *(name for name in names if name == bridge_name(cluster))]
