"""The agent tolerates every node's taints, and the operator at least one node's."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene
from ciliumctl.checks._scheduling import obstacles, operator_of
from ciliumctl.clients.kube import Manifest, dig, name_of


def _agents(scene: Scene) -> Iterator[Finding]:
    for item in scene.manifest:
        if item.get("kind") != "DaemonSet":
            continue
        pod: Manifest = dig(item, "spec", "template", "spec", default={})
        for node in scene.nodes:
            taints = obstacles(node, pod) if node.system == "linux" else []
            if taints:
                listed = ", ".join(map(str, taints))
                text = f"DaemonSet `{name_of(item)}` does not tolerate {listed} of {node.name}"
                yield Finding(text=text, object=f"Node//{node.name}")


def _operator(scene: Scene) -> Iterator[Finding]:
    operator = operator_of(scene.manifest)
    if operator is None or not scene.nodes:
        return
    pod: Manifest = dig(operator, "spec", "template", "spec", default={})
    kept_away = {node.name: obstacles(node, pod) for node in scene.nodes}
    if all(kept_away.values()):
        first = next(iter(kept_away))
        listed = ", ".join(map(str, kept_away[first]))
        yield Finding(
            text=f"the operator tolerates no node's taints, such as {listed} of {first}",
            object=f"Deployment/{scene.target.namespace}/cilium-operator",
        )


def _look(scene: Scene) -> Verdict:
    findings = [*_agents(scene), *_operator(scene)]
    tainted = sum(bool(node.taints) for node in scene.nodes)
    return judged(
        findings,
        good=f"{counted(tainted, 'node')} of {len(scene.nodes)} tainted, all tolerated where it matters",
        bad=f"{counted(len(findings), 'pair')} of workload and node where a taint is not tolerated",
        hint="widen `tolerations` (agent) or `operator.tolerations` in the values; since 1.18 the operator no longer "
        "tolerates everything",
    )


NODE_TAINTS = Check(
    id="CIL-NODE-006",
    category="nodes",
    title="the agent and the operator tolerate the nodes' taints",
    why="A node whose taint the agent does not tolerate has no network. The chart's operator tolerated every taint "
    "until 1.17; since 1.18 only those of control planes and of nodes that are not ready.",
    remedy="Set `tolerations` and `operator.tolerations`; the second is a list and replaces the chart's own.",
    look=_look,
    reads=("nodes", "manifest"),
    after=("CIL-API-001", "CIL-VAL-001"),
)
