"""No node has an address that a pod could get."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks import _ranges as ranges
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def _findings(scene: Scene, pods: ranges.Pods) -> Iterator[Finding]:
    for node in scene.nodes:
        for text in node.addresses:
            address = ranges.address(text)
            for pool in pods.ranges:
                if address is None or address not in pool:
                    continue
                size = pods.block(pool)
                number = ranges.block_of(pool, size, address) if size else 0
                near = number < ranges.soon(len(scene.nodes))
                where = f", in block {number + 1} of the pool" if size else ""
                yield Finding(
                    text=f"{node.name} has {text}, which is in {pool}{where}",
                    # A Cilium that runs so already does not get worse by staying.
                    severity="error" if near and not scene.present else "warning",
                    object=f"Node//{node.name}",
                )


def _look(scene: Scene) -> Verdict:
    pods = ranges.of_pods(scene.target.values, scene.nodes)
    if pods.unknown:
        return skipped(pods.unknown)
    findings = list(_findings(scene, pods))
    shown = ", ".join(str(pool) for pool in pods.ranges[:3])
    return judged(
        findings,
        good=f"pods get theirs from {shown}, where no node is",
        bad=f"{counted(len({finding.object for finding in findings}), 'node')} inside of the pods' range {shown}",
        hint="choose a range that the nodes' network does not use: "
        "`--set ipam.operator.clusterPoolIPv4PodCIDRList='{CIDR}'`; a running Cilium cannot change it without new pods",
        evidence=[f"blocks are handed out from the first on; {counted(len(scene.nodes), 'node')} here"],
    )


NETWORK_NODES = Check(
    id="CIL-NET-001",
    category="network",
    title="no node has an address out of the pods' range",
    why="A node sends what is for a pod's range into Cilium's own network. When another node's address lies in a range "
    "that was given to pods, that node cannot be reached any more, its kubelet and the API server included. The "
    "chart's own pool is 10.0.0.0/8, which many networks use.",
    remedy="Choose a pool beside the nodes' network with `ipam.operator.clusterPoolIPv4PodCIDRList`. It is an error "
    "where the address lies in a block that will be handed out before long, and a warning where it lies far behind.",
    look=_look,
    reads=("nodes",),
)
