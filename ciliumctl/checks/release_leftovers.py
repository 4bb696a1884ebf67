"""Nothing of an earlier Cilium, or of an earlier run, is left behind."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Node, Scene

_TAINT = "node.cilium.io/"
_MARKS = ("io.cilium.", "network.cilium.io/", "cilium.io/")


def _of_nodes(scene: Scene) -> Iterator[Finding]:
    for node in scene.nodes:
        taints = [taint for taint in node.taints if taint.key.startswith(_TAINT)]
        marks = sorted(mark for mark in node.annotations if mark.startswith(_MARKS))
        where = f"Node//{node.name}"
        if taints:
            yield Finding(text=f"{node.name} has the taint {taints[0]}", severity="warning", object=where)
        if marks:
            text = f"{node.name} has {counted(len(marks), 'annotation')} of Cilium's, such as {marks[0]}"
            yield Finding(text=text, severity="warning", object=where)


def _findings(scene: Scene) -> Iterator[Finding]:
    if not scene.present:
        for crd in scene.crds:
            name = f"CustomResourceDefinition//{crd.name}"
            yield Finding(text=f"CRD `{crd.name}` is there, and no Cilium", severity="warning", object=name)
        yield from _of_nodes(scene)
    if scene.leftovers.lock:
        yield Finding(text=scene.leftovers.lock, severity="warning", object="Lease/kube-system/ciliumctl")
    for name in scene.leftovers.namespaces:
        text = f"namespace `{name}` is of a connectivity test"
        yield Finding(text=text, severity="warning", object=f"Namespace//{name}")


def _nodes_named(nodes: tuple[Node, ...]) -> bool:
    return any(taint.key.startswith(_TAINT) for node in nodes for taint in node.taints)


def _look(scene: Scene) -> Verdict:
    findings = list(_findings(scene))
    ways = []
    if not scene.present and scene.crds:
        ways.append(
            "the new Cilium takes the CRDs over, with every policy in them: look at "
            "`kubectl get ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies -A`"
        )
    if not scene.present and _nodes_named(scene.nodes):
        ways.append("the new agents take the taint away")
    if scene.leftovers.namespaces:
        ways.append("`ciliumctl connectivity cleanup`")
    return judged(
        findings,
        good="neither CRDs, marks on nodes, a lock nor test pods",
        bad=f"{counted(len(findings), 'thing')} left of an earlier one",
        hint="; ".join(ways) or "it does no harm to an installation",
    )


RELEASE_LEFTOVERS = Check(
    id="CIL-REL-004",
    category="release",
    title="nothing is left of an earlier installation",
    why="Helm removes what it made; CRDs with their policies, marks on nodes and files on nodes stay. A new Cilium "
    "obeys the policies that it finds, from its first minute on.",
    remedy="`ciliumctl uninstall` offers to take all of it away. What is on the nodes' disks only a look there shows.",
    look=_look,
    reads=("nodes", "crds", "leftovers"),
)
