"""Cilium's images are built for the architecture of every node."""

from __future__ import annotations

from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    known = [node for node in scene.nodes if node.architecture]
    if not known:
        return skipped("no node tells its architecture")
    built: list[str] = compatibility.table()["architectures"]
    findings = [
        Finding(text=f"{node.name} is {node.architecture}", object=f"Node//{node.name}")
        for node in known
        if node.architecture not in built and node.system == "linux"
    ]
    kinds = sorted({node.architecture for node in known})
    return judged(
        findings,
        good=f"{', '.join(kinds)} on {counted(len(known), 'node')}",
        bad=f"no image of Cilium for {counted(len(findings), 'node')}",
        hint="keep the agent off these nodes with `--set affinity=…`, or take them out of the cluster",
    )


NODE_ARCHITECTURE = Check(
    id="CIL-NODE-003",
    category="nodes",
    title="Cilium's images are built for every node's architecture",
    why="The images are built for amd64 and arm64. On another architecture the agent never starts, and the node stays "
    "without a network.",
    remedy="Give the cluster nodes of amd64 or arm64, or build your own images and name them in the values.",
    look=_look,
    reads=("nodes",),
)
