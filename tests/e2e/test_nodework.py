"""Pods that look at real nodes, and clean one: links, rules and files that are really there, and really gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.clients.kube import NAMESPACES, name_of
from ciliumctl.nodework import NodeImage
from ciliumctl.removal.model import NodeCleaned
from ciliumctl.removal.nodes import clean
from ciliumctl.report import Reporter
from tests.cluster.images import PROBE
from tests.e2e.conftest import CHART, VALUES, Nodes

#: The one node without an agent: what is planted there is an earlier Cilium's.
NODE = "outside"
PLANTED = """
ip link add cilium_net type veth peer name cilium_host
ip link add lxcbr0 type bridge
iptables -N CILIUM_TEST
iptables -A FORWARD -m comment --comment "cilium-feeder: CILIUM_TEST" -j CILIUM_TEST
iptables -N MINE
iptables -A FORWARD -j MINE
ip rule add fwmark 0x200/0xf00 lookup 2004 pref 9
ip route add local default dev lo table 2004
ip rule add from all lookup local pref 100
ip rule delete pref 0
echo '{"cniVersion":"0.3.1","name":"cilium","plugins":[{"type":"cilium-cni"}]}' > /etc/cni/net.d/05-cilium.conflist
echo '{"cniVersion":"0.3.1","name":"other","plugins":[{"type":"bridge"}]}' > /etc/cni/net.d/10-other.conflist.cilium_bak
echo x > /opt/cni/bin/cilium-cni
mkdir -p /sys/fs/bpf/cilium/devices /sys/fs/bpf/mine /run/cilium/cgroupv2
mount -t tmpfs tmpfs /run/cilium/cgroupv2
echo state > /run/cilium/state
"""
TAKEN_AWAY = """
ip link delete lxcbr0; ip link delete cilium_host
iptables -D FORWARD -j MINE; iptables -X MINE
rmdir /sys/fs/bpf/mine; umount /run/cilium/cgroupv2
rm -f /etc/cni/net.d/10-other.conflist /etc/cni/net.d/10-other.conflist.cilium_bak /etc/cni/net.d/05-cilium.conflist
"""


def on(cluster: Nodes, node: str, script: str) -> str:
    """Run a script in the namespaces of a node: its own files, its own network."""
    (kubelet, *_rest) = cluster.cluster.running(node, "kubelet")
    argv = ["nsenter", "--target", str(kubelet.pid), "--mount", "--net", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def look(cluster: Nodes) -> str:
    """What of a node a cleaning could change."""
    return on(
        cluster,
        NODE,
        "ip -br link; ip rule; ip route show table 2004; iptables-save; "
        "ls /etc/cni/net.d /opt/cni/bin /sys/fs/bpf /run/cilium",
    )


@pytest.fixture
def planted(cluster: Nodes) -> Iterator[Nodes]:
    """What an earlier Cilium left on the outside node. Its bpffs must be its own: this machine's is nobody's to clean."""
    mine = Path("/sys/fs/bpf").stat().st_dev
    assert on(cluster, NODE, "stat -c %d /sys/fs/bpf").strip() != str(mine)
    on(cluster, NODE, PLANTED)
    yield cluster
    on(cluster, NODE, TAKEN_AWAY)


def cleaned(cluster: Nodes, *nodes: str) -> tuple[NodeCleaned, ...]:
    return clean(
        cluster.cluster.kube,
        NodeImage(image=PROBE),
        namespace="kube-system",
        values={},
        owner="a test",
        report=Reporter(lambda _event: None),
        only=nodes,
    )


def sessions(cluster: Nodes) -> list[str]:
    found = cluster.cluster.kube.objects(NAMESPACES, labels="ciliumctl.io/node-work")
    return [name_of(item) for item in found]


def test_what_an_earlier_cilium_left_is_gone_and_nothing_else(planted: Nodes) -> None:
    before = look(planted)
    assert "CILIUM_TEST" in before
    assert "cilium_host" in before
    (one,) = cleaned(planted, NODE)
    assert (one.outcome, one.left) == ("done", ()), one
    told = set(one.removed)
    assert {"/etc/cni/net.d/05-cilium.conflist", "/opt/cni/bin/cilium-cni", "/sys/fs/bpf/cilium", "/run/cilium"} <= told
    assert {"iptables-nft chain filter/CILIUM_TEST", "rule 9 (-4)", "mount /run/cilium/cgroupv2"} <= told
    after = look(planted)
    for word in ("CILIUM", "cilium_", "05-cilium", "cilium-cni", "cgroupv2", "0x200", "local default dev lo"):
        assert word not in after, after
    for word in ("lxcbr0", "-A FORWARD -j MINE", "10-other.conflist\n", "mine", "0:\tfrom all lookup local"):
        assert word in after, after
    assert "100:\tfrom all lookup local" not in after
    assert sessions(planted) == []

    (again,) = cleaned(planted, NODE)
    assert (again.outcome, again.removed, again.left) == ("done", (), ())


def test_a_configuration_of_another_cni_keeps_older_ones_away(planted: Nodes) -> None:
    on(planted, NODE, 'echo \'{"name":"new","type":"bridge"}\' > /etc/cni/net.d/20-new.conf')
    try:
        (one,) = cleaned(planted, NODE)
    finally:
        on(planted, NODE, "rm /etc/cni/net.d/20-new.conf")
    assert one.clean, one
    assert one.kept == ("/etc/cni/net.d/10-other.conflist.cilium_bak",)


def test_a_node_with_an_agent_is_left_alone(cluster: Nodes) -> None:
    name = cluster.cluster.nodes[0]
    before = on(cluster, name, "ls /etc/cni/net.d; ip -br link")
    assert "05-cilium.conflist" in before
    (one,) = cleaned(cluster, name)
    assert (one.outcome, one.reason) == ("failed", "refused")
    assert "still runs" in one.detail
    assert on(cluster, name, "ls /etc/cni/net.d; ip -br link") == before


def test_preflight_tells_what_the_nodes_say_and_leaves_nothing(planted: Nodes) -> None:
    arguments = ("--node-checks", "--only", "node-reports", "--chart", str(CHART), "-f", str(VALUES), "-o", "json")
    ran = planted.run("preflight", *arguments, "--node-image", PROBE)
    # The stand-ins answer for the agent, and are not it: a port of Cilium's that somebody else has.
    assert ran.code == 1, ran.err
    checks = {check["id"]: check for check in ran.json["data"]["checks"]}
    assert checks["CIL-HOST-001"]["message"] == f"3 nodes by a pod of {PROBE}"
    assert checks["CIL-HOST-003"]["outcome"] == "passed"
    assert [name for name, check in checks.items() if check["outcome"] == "failed"] == ["CIL-HOST-006"]
    taken = [finding["text"] for finding in checks["CIL-HOST-006"]["findings"]]
    assert "node-1: port 9879/tcp is taken by `socat`: Cilium needs it for the agent's health" in taken
    assert not any(text.startswith("outside") for text in taken)
    assert sessions(planted) == []
