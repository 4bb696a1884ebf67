"""Which nodes run the new pods of a DaemonSet, and which still the old ones.

Two tables a DaemonSet, without objects: 130 bytes a pod. What is new is told by the hash of the newest
ControllerRevision, which the controller writes on every pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ciliumctl.clients.kube import CONTROLLER_REVISIONS, DAEMON_SETS, PODS, Kube, Manifest, dig, labels_of, name_of
from ciliumctl.parallel import together
from ciliumctl.status.collect import pods_of
from ciliumctl.status.facts import COMPONENTS, Pod

#: The parts of Cilium that run on every node, in the order in which they are named.
ON_NODES = {component: name for component, (kind, name) in COMPONENTS.items() if kind == "DaemonSet"}
_HASH = "controller-revision-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One DaemonSet's pods, by node. `settled` says whether its controller has seen the newest template."""

    component: str
    settled: bool
    on_delete: bool
    new: Mapping[str, Pod]
    old: Mapping[str, Pod]
    desired: int

    @property
    def ready(self) -> int:
        """How many nodes run the new version, and it is ready."""
        return sum(pod.ready for pod in self.new.values())

    @property
    def done(self) -> bool:
        """Whether every node runs the new version, and it is ready."""
        return self.settled and not self.old and self.ready >= self.desired


def look(kube: Kube, namespace: str) -> tuple[View, ...]:
    """The parts of Cilium that run on every node, of those that are installed."""
    found = together(*(partial(_look, kube, namespace, component, name) for component, name in ON_NODES.items()))
    return tuple(view for view in found if view is not None)


def _look(kube: Kube, namespace: str, component: str, name: str) -> View | None:
    item = kube.find(DAEMON_SETS, name, namespace)
    if item is None:
        return None
    selector = _selector(item)
    newest = _newest_hash(kube, namespace, item, selector)
    new, old = (_pods(kube, namespace, selector, newest, sign) for sign in ("=", "!="))
    observed = dig(item, "status", "observedGeneration", default=0) >= dig(item, "metadata", "generation", default=0)
    return View(
        component=component,
        settled=observed and bool(newest),
        on_delete=dig(item, "spec", "updateStrategy", "type", default="") == "OnDelete",
        new=_by_node(new),
        old=_by_node(old),
        desired=dig(item, "status", "desiredNumberScheduled", default=0),
    )


def _pods(kube: Kube, namespace: str, selector: str, newest: str, sign: str) -> list[Pod]:
    if not newest:
        return []
    labels = ",".join(part for part in (selector, f"{_HASH}{sign}{newest}") if part)
    return pods_of(kube.table(PODS, namespace, labels=labels, cached=False))


def _selector(item: Manifest) -> str:
    labels: Mapping[str, str] = dig(item, "spec", "selector", "matchLabels", default={})
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _newest_hash(kube: Kube, namespace: str, item: Manifest, selector: str) -> str:
    mine = [
        revision
        for revision in kube.objects(CONTROLLER_REVISIONS, namespace, labels=selector)
        if dig(revision, "metadata", "ownerReferences", 0, "uid", default="") == dig(item, "metadata", "uid")
    ]
    newest = max(mine, key=lambda revision: dig(revision, "revision", default=0), default={})
    return labels_of(newest).get(_HASH, "") if name_of(newest) else ""


def _by_node(pods: list[Pod]) -> dict[str, Pod]:
    return {pod.node or pod.name: pod for pod in pods}
