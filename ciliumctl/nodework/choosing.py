"""Which nodes a script can run on. The others are told with their reason: nothing may wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ciliumctl.clients.kube import Manifest, annotations_of, conditions_of, dig, labels_of, name_of
from ciliumctl.lab.nodes import ANNOTATION as SIMULATED
from ciliumctl.nodework.model import NodeRun

_VIRTUAL_LABELS = {
    ("type", "virtual-kubelet"),
    ("eks.amazonaws.com/compute-type", "fargate"),
}
_VIRTUAL_TAINTS = {"virtual-kubelet.io/provider", "eks.amazonaws.com/compute-type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The nodes where it runs, and how it went already for all others that are to be told."""

    names: tuple[str, ...]
    others: tuple[NodeRun, ...]
    #: Nodes that nobody asked for; they are not told.
    apart: tuple[str, ...] = ()


def choose(nodes: Sequence[Manifest], only: Sequence[str] = ()) -> Choice:
    """Sort the nodes, all of them or those named; a name that no node has is told as failed."""
    asked = [node for node in nodes if not only or name_of(node) in only]
    told = {name_of(node): why for node in asked if (why := _why_not(node)) is not None}
    known = {name_of(node) for node in nodes}
    missing = [
        NodeRun(node=name, outcome="failed", reason="unknown", detail="no node has this name")
        for name in dict.fromkeys(only)
        if name not in known
    ]
    return Choice(
        names=tuple(sorted(name_of(node) for node in asked if name_of(node) not in told)),
        others=(*(told[name] for name in sorted(told)), *missing),
        apart=tuple(sorted(known - {name_of(node) for node in asked})),
    )


def _why_not(node: Manifest) -> NodeRun | None:
    name, labels = name_of(node), labels_of(node)
    system = labels.get("kubernetes.io/os") or dig(node, "status", "nodeInfo", "operatingSystem", default="linux")
    if SIMULATED in annotations_of(node) or labels.get("type") == "kwok":
        return NodeRun(node=name, outcome="skipped", reason="simulated", detail="simulated by kwok: nothing runs there")
    if _virtual(node, labels):
        detail = "a virtual node: it has no kernel and no files of its own"
        return NodeRun(node=name, outcome="skipped", reason="virtual", detail=detail)
    if system.lower() != "linux":
        return NodeRun(node=name, outcome="skipped", reason="other-system", detail=f"its system is {system}")
    ready: Manifest = conditions_of(node).get("Ready", {})
    if dig(ready, "status", default="Unknown") == "Unknown":
        detail = dig(ready, "message", default="") or "its kubelet has not been heard of"
        return NodeRun(node=name, outcome="failed", reason="not-ready", detail=detail)
    return None


def _virtual(node: Manifest, labels: dict[str, str]) -> bool:
    taints: list[Manifest] = dig(node, "spec", "taints", default=[])
    return bool(_VIRTUAL_LABELS & set(labels.items())) or any(taint.get("key") in _VIRTUAL_TAINTS for taint in taints)


def affinity(choice: Choice) -> Manifest:
    """The chosen nodes, by name, for a DaemonSet: whichever of naming them or naming the others is shorter.

    A field selector takes one name, so that there is a term for each, or a condition for each of the others. Naming the
    others also takes nodes that join meanwhile; their reports are not read.
    """
    others = sorted({*(one.node for one in choice.others if one.reason != "unknown"), *choice.apart})
    if len(others) <= len(choice.names):
        fields = [_field("NotIn", name) for name in others]
        linux = {"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}
        terms: list[Manifest] = [{"matchExpressions": [linux], **({"matchFields": fields} if fields else {})}]
    else:
        terms = [{"matchFields": [_field("In", name)]} for name in choice.names]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"nodeAffinity": required}


def _field(operator: str, name: str) -> Manifest:
    return {"key": "metadata.name", "operator": operator, "values": [name]}
