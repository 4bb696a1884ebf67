"""Wait until what Helm took away is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ciliumctl import permissions
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import NAMESPACES, NODES, PODS, Kube, conditions_of
from ciliumctl.errors import TimedOut
from ciliumctl.removal import looking
from ciliumctl.status.collect import PART_OF, pods_of
from ciliumctl.status.facts import Pod
from ciliumctl.wait import Deadline, overtime, poll

_LAST_LOOK = 5.0
# How a pod that is being deleted is shown; the second one by older servers, on a node that does not answer.
_ENDING = {"Terminating", "Unknown"}


def until_gone(kube: Kube, found: Release | None, namespace: str, deadline: Deadline) -> str:
    """Wait for the pods, and for the release's own namespaces: a new installation would fail in their midst."""
    namespaces = looking.namespaces(permissions.documents(found.manifest)) if found is not None else ()

    def left() -> _Left:
        # The last look of all comes when the time is up, and says what was still there.
        with overtime(kube, seconds=_LAST_LOOK):
            pods = pods_of(kube.table(PODS, namespace, labels=PART_OF, cached=False))
            there = tuple(name for name in namespaces if kube.find(NAMESPACES, name) is not None)
            return _Left(pods=tuple(pods), namespaces=there, silent=_silent(kube, pods))

    found_left = poll(left, lambda it: it.over, deadline=deadline, interval=0.5)
    if found_left.silent and found_left.over:
        nodes_told = ", ".join(sorted({f"`{pod.node}`" for pod in found_left.silent})[:5])
        pod = found_left.silent[0].name
        raise TimedOut(
            f"{len(found_left.silent)} pods cannot end, because their nodes do not answer: {nodes_told}",
            hint="mend the nodes or delete them; of a node that is switched off for good: "
            f"`kubectl delete pod -n {namespace} {pod} --force`",
        )
    if found_left.names:
        names = found_left.names
        raise TimedOut(
            f"still there: {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}",
            hint=f"`kubectl get pods -n {namespace} -l {PART_OF}`",
        )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What of the release is still there. `silent` are pods whose nodes do not answer: nobody ends them."""

    pods: tuple[Pod, ...]
    namespaces: tuple[str, ...]
    silent: tuple[Pod, ...]

    @property
    def over(self) -> bool:
        """Whether waiting brings nothing more."""
        return not self.namespaces and len(self.pods) == len(self.silent)

    @property
    def names(self) -> list[str]:
        return [*(f"pod {pod.name}" for pod in self.pods), *(f"namespace {name}" for name in self.namespaces)]


def _silent(kube: Kube, pods: Sequence[Pod]) -> tuple[Pod, ...]:
    """The pods, when each of them waits for a kubelet that does not answer; asks for nodes until one does."""
    if not all(pod.state in _ENDING and pod.node for pod in pods):
        return ()
    for name in sorted({pod.node for pod in pods}):
        node = kube.find(NODES, name)
        # `False` is a kubelet that answers: without a CNI, its node is not ready either.
        if node is not None and conditions_of(node).get("Ready", {}).get("status") != "Unknown":
            return ()
    return tuple(pods)
