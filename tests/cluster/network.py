"""One bridge, and a network namespace for each node with a leg on it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.cluster import addresses


def run(*argv: str, check: bool = True) -> str:
    """Run a program of the machine and return what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
    return done.stdout


def namespace(cluster: str, node: str) -> str:
    """The name of a node's network namespace."""
    return f"{cluster}-{node}"


def bridge_name(cluster: str) -> str:
    """The name of the bridge; links have at most 15 characters."""
    return f"br-{cluster}"[:15]


def bridge_up(cluster: str) -> None:
    """The bridge, with the machine's own leg: the gateway of the nodes. Nothing is routed beyond it."""
    name = bridge_name(cluster)
    run("ip", "link", "add", name, "type", "bridge")
    run("ip", "addr", "add", f"{addresses.GATEWAY}/{addresses.PREFIX}", "dev", name)
    run("ip", "-6", "addr", "add", f"{addresses.GATEWAY6}/{addresses.PREFIX6}", "dev", name, "nodad")
    run("ip", "link", "set", name, "up")


def node_up(cluster: str, node: str, number: int) -> None:
    """A node's namespace, its leg on the bridge and its routes."""
    space = namespace(cluster, node)
    outside, address = f"ve-{cluster[:8]}-{number}", addresses.node(number)
    run("ip", "netns", "add", space)
    run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
    run("ip", "link", "set", outside, "master", bridge_name(cluster), "up")
    inside: Sequence[Sequence[str]] = (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "addr", "add", f"{address.v4}/{addresses.PREFIX}", "dev", "eth0"),
        ("ip", "-6", "addr", "add", f"{address.v6}/{addresses.PREFIX6}", "dev", "eth0", "nodad"),
        ("ip", "link", "set", "eth0", "up"),
        ("ip", "route", "add", "default", "via", addresses.GATEWAY),
        ("ip", "-6", "route", "add", "default", "via", addresses.GATEWAY6),
        ("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
    )
    for argv in inside:
        run("ip", "netns", "exec", space, *argv)


def down(cluster: str) -> None:
    """Everything of this cluster's, whoever left it."""
    for line in run("ip", "netns", "list").splitlines():
        if line and line.split()[0].startswith(f"{cluster}-"):
            run("ip", "netns", "del", line.split()[0], check=False)
    run("ip", "link", "del", bridge_name(cluster), check=False)
