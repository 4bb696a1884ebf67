"""Where a pod may run: taints, tolerations and node selectors, as the scheduler reads them."""

from __future__ import annotations

from collections.abc import Iterable

from ciliumctl.checks._scene import Node, Taint
from ciliumctl.clients.kube import Manifest, dig, name_of

#: Taints that go away once Cilium runs, or that say nothing of where a pod is meant to run.
PASSING = (
    "node.cilium.io/agent-not-ready",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/network-unavailable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
)
_BLOCKING = ("NoSchedule", "NoExecute")


def tolerated(taint: Taint, tolerations: Iterable[Manifest]) -> bool:
    """Whether one of the tolerations covers a taint."""
    for toleration in tolerations:
        effect = toleration.get("effect") or taint.effect
        if effect != taint.effect:
            continue
        key = toleration.get("key") or ""
        if toleration.get("operator", "Equal") == "Exists":
            if key in {"", taint.key}:
                return True
        elif key == taint.key and str(toleration.get("value") or "") == taint.value:
            return True
    return False


def obstacles(node: Node, pod: Manifest) -> list[Taint]:
    """The lasting taints of a node that keep a pod away."""
    tolerations: list[Manifest] = dig(pod, "tolerations", default=[])
    return [
        taint
        for taint in node.taints
        if taint.effect in _BLOCKING and taint.key not in PASSING and not tolerated(taint, tolerations)
    ]


def fits(node: Node, pod: Manifest) -> bool:
    """Whether the scheduler could put a pod there, as far as taints and the node selector decide."""
    selector: dict[str, str] = dig(pod, "nodeSelector", default={})
    selected = all(node.labels.get(key) == value for key, value in selector.items())
    cordoned = node.unschedulable and not tolerated(
        Taint(key="node.kubernetes.io/unschedulable", value="", effect="NoSchedule"),
        dig(pod, "tolerations", default=[]),
    )
    return selected and not cordoned and not obstacles(node, pod)


def operator_of(manifest: tuple[Manifest, ...]) -> Manifest | None:
    """The operator's Deployment in the rendered manifest."""
    return next(
        (item for item in manifest if item.get("kind") == "Deployment" and name_of(item) == "cilium-operator"), None
    )
