"""Empty a node of the pods of the pod network, and make anew those that a DaemonSet keeps there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ciliumctl.clients.kube import PODS, Kube
from ciliumctl.errors import ApiFailed, ClusterError, Refused, TimedOut, Unreachable
from ciliumctl.migration import pods
from ciliumctl.migration.pods import Allowed, Pod
from ciliumctl.parallel import gather
from ciliumctl.report import Step
from ciliumctl.wait import poll

#: Evictions at once: each may wait for a budget.
_AT_ONCE = 8
_INTERVAL = 1.0
_NAMED = 5
#: Seconds for a DaemonSet's pods to be there anew.
RESTARTING = 180.0


def check(kube: Kube, node: str, allowed: Allowed) -> None:
    """Refuse a drain that would lose a pod, or its data, that nobody gave up. One request for 500 pods.

    Raises:
        Refused: with each pod, and the option that allows it.
    """
    _refuse(node, [pod for pod in pods.read(kube, node) if pod.moves], allowed)


def _refuse(node: str, leaving: Sequence[Pod], allowed: Allowed) -> None:
    questions = [line for pod in leaving for line in pods.unasked(pod, allowed)]
    if questions:
        raise Refused(
            f"node `{node}` cannot be drained: {_some(questions)}",
            hint="allow it with the options named, or move these pods yourself, then run the command again",
            detail="\n".join(questions),
        )


def drain(kube: Kube, node: str, allowed: Allowed, step: Step) -> int:
    """Evict the pods of the pod network from a node, and wait until they are gone; returns how many.

    Pods of DaemonSets, of the kubelet's own files and of the host's network stay. Budgets are respected: what they keep
    is asked again until the time is up.

    Raises:
        Refused: a pod would be lost, or its data, and nobody allowed it. TimedOut: with each pod that is still there.
    """
    leaving = [pod for pod in pods.read(kube, node) if pod.moves]
    _evict_all(kube, node, leaving, allowed, step)
    step.finish(f"{len(leaving)} pods moved")
    return len(leaving)


def _evict_all(kube: Kube, node: str, leaving: Sequence[Pod], allowed: Allowed, step: Step) -> None:
    _refuse(node, leaving, allowed)
    why: dict[str, str] = {}
    asked: set[str] = set()

    def look() -> list[Pod]:
        uids = {pod.uid for pod in leaving}
        here = [pod for pod in pods.read(kube, node) if pod.uid in uids and not pod.ended]
        todo = [pod for pod in here if pod.uid not in asked]
        answers = gather([partial(_evict, kube, pod, allowed) for pod in todo], limit=_AT_ONCE)
        for pod, answer in zip(todo, answers, strict=True):
            if isinstance(answer, Exception) and not isinstance(answer, Unreachable | ApiFailed):
                raise answer
            why[pod.uid] = str(answer)
            if answer == "":
                asked.add(pod.uid)
        step(f"{len(leaving) - len(here)} of {len(leaving)} pods moved", [_line(pod, why) for pod in here[:_NAMED]])
        return here

    left = poll(
        _patiently(look, list(leaving), step),
        lambda here: not here,
        deadline=kube.deadline.within(allowed.seconds),
        interval=_INTERVAL,
    )
    if left:
        lines = [_line(pod, why) for pod in left]
        raise TimedOut(
            f"node `{node}` is not empty after {allowed.seconds:.0f} s: {_some(lines)}",
            hint="mend what keeps them (a budget that allows no disruption, a pod that does not end), then run the "
            "command again: it goes on; `--drain-timeout` gives more time",
            detail="\n".join(lines),
        )


def _evict(kube: Kube, pod: Pod, allowed: Allowed) -> str:
    return kube.evict(pod.namespace, pod.name, uid=pod.uid, grace=allowed.grace)


def _line(pod: Pod, why: dict[str, str]) -> str:
    return f"pod {pod}: {why.get(pod.uid) or 'is ending'}"


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "; ".join(lines[:_NAMED]) + more


def _patiently(probe: Callable[[], list[Pod]], last: list[Pod], step: Step) -> Callable[[], list[Pod]]:
    """The probe; while the API server is away, what it last said."""

    def ask() -> list[Pod]:
        nonlocal last
        try:
            last = probe()
        except (Unreachable, ApiFailed) as error:
            step(f"the API server does not answer: {error.message}")
        return last

    return ask


def restart(kube: Kube, node: str, right: Sequence[str], allowed: Allowed, step: Step) -> int:
    """Make anew what is still on a node with an address outside of `right`, and wait for it; returns how many.

    What is left after a drain belongs to DaemonSets: deleting a pod is all there is to it. What came meanwhile in spite
    of the cordon, as it tolerates that, is evicted like all others. A pod that never had an address is not waited for:
    whatever keeps it was there before, or is no matter of the network.

    Raises:
        Refused, TimedOut: with each pod that may not be moved, or is not there anew.
    """
    wrong = [pod for pod in pods.read(kube, node) if not pod.stays and pod.addresses and not pod.within(right)]
    _evict_all(kube, node, [pod for pod in wrong if pod.moves], allowed, step)
    placed = [pod for pod in wrong if pod.in_place]
    makers = {(pod.namespace, pod.maker) for pod in placed}
    for answer in gather([partial(kube.delete, PODS, pod.name, pod.namespace, uid=pod.uid) for pod in placed]):
        if isinstance(answer, ClusterError) and "precondition" not in answer.detail.lower():
            raise answer

    def look() -> list[Pod]:
        here = [
            pod
            for pod in pods.read(kube, node)
            if not pod.stays and (pod.addresses or (pod.in_place and (pod.namespace, pod.maker) in makers))
        ]
        late = [pod for pod in here if not pod.within(right)]
        step(
            f"{len(here) - len(late)} of {len(here)} pods are in their new network", [f"pod {pod}" for pod in late[:5]]
        )
        return late

    late = poll(
        _patiently(look, wrong, step),
        lambda left: not left,
        deadline=kube.deadline.within(RESTARTING),
        interval=_INTERVAL,
    )
    if late:
        lines = [f"pod {pod} ({', '.join(pod.addresses) or 'no address'})" for pod in late]
        raise TimedOut(
            f"these pods of node `{node}` are not there anew: {_some(lines)}",
            hint=f"`kubectl get pods -A --field-selector spec.nodeName={node}` shows why; run it again to go on",
            detail="\n".join(lines),
        )
    step.finish(f"{len(wrong)} pods made anew")
    return len(wrong)
