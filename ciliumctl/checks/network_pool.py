"""The pool of pod addresses has a share for every node."""

from __future__ import annotations

from ciliumctl.checks import _ranges as ranges
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    pods = ranges.of_pods(scene.target.values, scene.nodes)
    if pods.by_node:
        without = [node for node in scene.nodes if not node.pod_ranges]
        return judged(
            [Finding(text=f"{node.name} has no `spec.podCIDR`", object=f"Node//{node.name}") for node in without],
            good=f"each of {counted(len(scene.nodes), 'node')} has a range of its own",
            bad=f"{counted(len(without), 'node')} without a range, and `ipam.mode` is kubernetes",
            hint="start the controller manager with `--allocate-node-cidrs`, or `--set ipam.mode=cluster-pool`",
        )
    if pods.unknown and pods.block4:
        return judged([Finding(text=pods.unknown)], good="", bad=pods.unknown, hint="name a pool in the values")
    if pods.unknown:
        return skipped(pods.unknown)
    shares = {
        version: sum(ranges.blocks(pool, pods.block(pool)) for pool in pods.ranges if pool.version == version)
        for version in {pool.version for pool in pods.ranges}
    }
    fewest = min(shares.values())
    text = f"{counted(fewest, 'share')} for {counted(len(scene.nodes), 'node')}"
    findings = [Finding(text=text)] if fewest < len(scene.nodes) else []
    if not findings and fewest < 1.2 * len(scene.nodes):
        findings = [Finding(text=f"{text}: little is left for more nodes", severity="warning")]
    return judged(
        findings,
        good=text,
        bad=findings[0].text if findings else "",
        hint="add a range to `ipam.operator.clusterPoolIPv4PodCIDRList`; those that are there must stay",
    )


NETWORK_POOL = Check(
    id="CIL-NET-003",
    category="network",
    title="the pool of pod addresses has a share for every node",
    why="The operator cuts the pool into shares of one size and gives each node one. A node that gets none never has a "
    "pod with an address.",
    remedy="Add a range to `ipam.operator.clusterPoolIPv4PodCIDRList`, or take a smaller share "
    "(`ipam.operator.clusterPoolIPv4MaskSize`) on a cluster that is new. With `ipam.mode=kubernetes` the controller "
    "manager must give the nodes their ranges.",
    look=_look,
    reads=("nodes",),
)
