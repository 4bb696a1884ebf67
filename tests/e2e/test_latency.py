"""`ciliumctl debug latency` between real nodes: real echo requests by the stand-in, real TCP between pods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import images
from tests.e2e.conftest import Nodes


@contextmanager
def deaf(nodes: Nodes, node: str) -> Iterator[None]:
    """A node that answers no echo requests."""
    rules = "icmp type echo-request drop; icmpv6 type echo-request drop;"
    chain = f"chain i {{ type filter hook input priority -200; {rules} }}"
    nodes.cluster.inside(node, "nft", "-f", "-", stdin=f"table inet deaf {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        nodes.cluster.inside(node, "nft", "delete", "table", "inet", "deaf")


def test_agents_tell_real_times_and_name_the_pair_that_is_cut(cluster: Nodes) -> None:
    ran = cluster.run("debug", "latency", "-o", "json")
    assert ran.code == 0, ran.err
    times = {(pair["source"], pair["target"]): pair["times"]["node-icmp"] for pair in ran.json["data"]["pairs"]}
    assert sorted(times) == [("node-1", "node-2"), ("node-2", "node-1")]
    assert all(0 < time < 1000 for time in times.values())
    with deaf(cluster, "node-2"):
        ran = cluster.run("debug", "latency")
    assert ran.code == 1, ran.err
    assert "node-1 does not reach node-2: ICMP to the node" in ran.out
    assert "node-2 does not reach node-1" not in ran.out


def test_pods_measure_real_times_and_are_gone_afterwards(cluster: Nodes) -> None:
    ran = cluster.run("debug", "latency", "--active", "--image", f"tools={images.PROBE}", "-o", "json")
    assert ran.code == 0, ran.err
    pairs = ran.json["data"]["pairs"]
    assert len(pairs) == 2
    assert all(0 < pair["times"]["pod-tcp"] < 1000 for pair in pairs)
    assert ran.json["data"]["left"] == []
