"""The nodes are ready, but for what a missing network explains."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Node, Scene

#: How kubelet and the container runtimes say that there is no CNI yet.
_NO_NETWORK = ("networkpluginnotready", "cni plugin not initialized", "cni config uninitialized", "network plugin")


def waits_for_a_network(node: Node) -> bool:
    """Whether the only thing that the node says it lacks is a network."""
    return not node.ready and any(words in node.message.lower() for words in _NO_NETWORK)


def _look(scene: Scene) -> Verdict:
    waiting = [node for node in scene.nodes if waits_for_a_network(node)]
    # With a Cilium in place a missing network is no excuse any more.
    excused = [] if scene.present else waiting
    bad = [node for node in scene.nodes if not node.ready and node not in excused]
    evidence = [f"{counted(len(scene.nodes), 'node')}, {sum(node.ready for node in scene.nodes)} of them ready"]
    if excused:
        evidence.append(f"{counted(len(excused), 'node')} only without a network, which is what Cilium brings")
    return judged(
        [
            Finding(
                text=f"{node.name} is not ready: {node.message or node.reason or 'it does not say why'}",
                severity="warning",
                object=f"Node//{node.name}",
            )
            for node in bad
        ],
        good=evidence[-1],
        bad=f"{counted(len(bad), 'node')} of {len(scene.nodes)} not ready",
        hint=f"look at it: `kubectl describe node {bad[0].name}`" if bad else "",
        evidence=evidence,
    )


NODE_READY = Check(
    id="CIL-NODE-001",
    category="nodes",
    title="every node is ready, or lacks only a network",
    why="An agent cannot start on a node whose kubelet is gone, and a wait for health would run into its time-out. A "
    "node without a CNI is not ready either; that is what Cilium mends, and counts as good.",
    remedy="`kubectl describe node NAME` says what the node lacks. A node that is gone for good can be deleted.",
    look=_look,
    reads=("nodes",),
)
