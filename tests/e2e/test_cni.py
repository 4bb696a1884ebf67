"""What real nodes have in their CNI folders, as `cni list` and `cni detect` tell it."""

from __future__ import annotations

from ciliumctl.clients.kube import NAMESPACES
from tests.e2e.conftest import Nodes


def test_the_files_of_real_nodes_are_listed_and_one_without_a_cni_is_told(cluster: Nodes) -> None:
    ran = cluster.run("cni", "list", "-o", "json")
    told = {node["node"]: node for node in ran.json["data"]["nodes"]}
    # The host that plays the outside world is a node without a CNI.
    assert ran.code == 1, ran.err
    assert set(told) == {"node-1", "node-2", "outside"}
    for name in cluster.cluster.nodes:
        used = next(file for file in told[name]["files"] if file["state"] == "used")
        assert (used["file"], used["plugins"], used["missing"]) == ("05-cilium.conflist", ["ptp", "portmap"], [])
        assert "portmap" in told[name]["programs"]
    assert told["outside"]["files"] == []
    left = [space["metadata"]["name"] for space in cluster.cluster.kube.objects(NAMESPACES)]
    assert not [name for name in left if name.startswith("ciliumctl-nodes")]


def test_links_of_a_node_are_signs_of_a_technology(cluster: Nodes) -> None:
    cluster.cluster.inside(
        "node-1", "ip", "link", "add", "vxlan.calico", "type", "vxlan", "id", "4096", "dstport", "4789"
    )
    try:
        ran = cluster.run("cni", "detect", "--node-checks", "-o", "json")
    finally:
        cluster.cluster.inside("node-1", "ip", "link", "delete", "vxlan.calico")
    assert ran.code == 0, ran.err
    seen = {one["name"]: one["evidence"] for one in ran.json["data"]["technologies"]}
    assert seen["VXLAN"] == ["link `vxlan.calico` on node `node-1`"]
    assert seen["eBPF"][0] == "Cilium is installed (`cilium-config`)"
