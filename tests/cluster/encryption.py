"""Real WireGuard between real nodes, by Debian's program in user space: on the wire it is what Cilium's looks like."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ciliumctl.clients.kube import NODES, dig
from ciliumctl.wait import Deadline, poll
from tests.cluster import network
from tests.cluster.cluster import Cluster

#: Cilium's port for it.
PORT = "51871"
_TABLE, _PRIORITY = "78", "50"


@contextmanager
def between_nodes(cluster: Cluster) -> Iterator[None]:
    """Send what the first two nodes' pods say to each other through WireGuard, for the block."""
    first, second = cluster.nodes[:2]
    keys = {name: _said("wg", "genkey") for name in (first, second)}
    running = []
    try:
        for number, (node, peer) in enumerate(((first, second), (second, first)), 1):
            # Their sockets are in one folder: a name for each.
            link = f"wg{number}"
            running.append(_start(cluster, node, link))
            _link(cluster, node, link, peer, keys)
        yield
    finally:
        for node, peer in ((first, second), (second, first)):
            for cidr in _ranges(cluster, peer):
                cluster.inside(node, "ip", _family(cidr), "rule", "del", *_rule(cidr), check=False)
        for process in running:
            # The link goes with its process.
            process.terminate()
            process.wait(timeout=10)


def _start(cluster: Cluster, node: str, link: str) -> subprocess.Popen[bytes]:
    argv = ["ip", "netns", "exec", network.namespace(cluster.name, node), "wireguard-go", "-f", link]
    with (cluster.folder / f"{link}.log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            # It would rather not where a kernel can do it.
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1"},
        )
    shown = poll(
        lambda: cluster.inside(node, "wg", "show", link, check=False),
        bool,
        deadline=Deadline.after(60),
        interval=0.1,
    )
    assert shown, (cluster.folder / f"{link}.log").read_text()
    return process


def _link(cluster: Cluster, node: str, link: str, peer: str, keys: dict[str, str]) -> None:
    number = int(peer.rpartition("-")[2])
    ranges = _ranges(cluster, peer)
    options = ["endpoint", f"{cluster.segment.node(number).v4}:{PORT}", "allowed-ips", ",".join(ranges)]
    public = _said("wg", "pubkey", stdin=keys[peer])
    set_up = ["wg", "set", link, "listen-port", PORT, "private-key", "/dev/stdin", "peer", public, *options]
    cluster.inside(node, *set_up, stdin=keys[node])
    cluster.inside(node, "ip", "link", "set", link, "mtu", "1420", "up")
    for cidr in ranges:
        cluster.inside(node, "ip", _family(cidr), "route", "replace", cidr, "dev", link, "table", _TABLE)
        # Agents mend the main table, not rules.
        cluster.inside(node, "ip", _family(cidr), "rule", "add", *_rule(cidr))


def _ranges(cluster: Cluster, node: str) -> list[str]:
    found: list[str] = dig(cluster.kube.get(NODES, node), "spec", "podCIDRs", default=[])
    return found


def _family(cidr: str) -> str:
    return "-6" if ":" in cidr else "-4"


def _rule(cidr: str) -> tuple[str, ...]:
    return ("to", cidr, "prio", _PRIORITY, "lookup", _TABLE)


def _said(*argv: str, stdin: str = "") -> str:
    return network.run(*argv, stdin=stdin).strip()
