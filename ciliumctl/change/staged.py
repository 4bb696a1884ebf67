"""Restart the agents batch by batch, each with a health gate; what comes after a failed gate keeps the old version.

The Helm release is made with the update strategy `OnDelete`, so that nothing is replaced by itself; the pods of a batch
are deleted, and a last revision puts the user's own strategy back, which restarts nothing: the pods are new already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ciliumctl import status
from ciliumctl.change import batches, nodes
from ciliumctl.change.batches import Stages
from ciliumctl.change.nodes import View
from ciliumctl.clients.kube import NODES, PODS, Kube, Manifest
from ciliumctl.errors import ApiFailed, Invalid, TimedOut, Unreachable, UsageError
from ciliumctl.parallel import gather_all
from ciliumctl.report import Reporter, Step
from ciliumctl.status.collect import collect
from ciliumctl.status.facts import Snapshot
from ciliumctl.status.trouble import of_pods
from ciliumctl.wait import Deadline, overtime, poll

T = TypeVar("T")

_INTERVAL = 1.0
#: Seconds that a state such as CrashLoopBackOff may last before a gate gives up on it.
GRACE = status.GRACE
_NAMED = 5
# Seconds for a last look, when the time was up already.
_LAST_LOOK = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the staged restart is done with. `gate` is the longest time for one batch, in seconds."""

    where: status.Where
    deadline: Deadline
    report: Reporter
    gate: float
    stages: Stages
    #: Asked before each batch; raises when no more may be changed.
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """How far it came. `left` are the nodes that keep the old version; `status` is there when a gate failed.

    `late` says that it failed because the time was up.
    """

    left: tuple[str, ...] = ()
    status: status.Status | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    """How Cilium is where a gate failed, and whether that was for want of time."""

    status: status.Status
    late: bool


def check(kube: Kube, stages: Stages) -> list[str]:
    """The nodes that are meant, in their order. Raises `UsageError` for a selector that means none."""
    try:
        found = _in_order(kube, stages)
    except Invalid as error:
        raise UsageError(
            f"`--node-selector {stages.selector}` is no selector: {error.message}",
            hint="write `--node-selector key=value`",
        ) from error
    if not found:
        raise UsageError(
            f"no node has the labels `{stages.selector}`", hint="see them with `kubectl get nodes --show-labels`"
        )
    return found


def planned(kube: Kube, namespace: str, stages: Stages, *, goes_on: bool = False) -> tuple[tuple[str, ...], ...]:
    """The nodes batch by batch, as `roll` is going to take them; where it `goes_on`, those that are still old.

    Raises:
        UsageError: the selector means no node.
    """
    names = check(kube, stages)
    views = nodes.look(kube, namespace)
    old = {node for view in views for node in view.old}
    mine = old if goes_on else old.union(*(view.new for view in views))
    size = batches.number(stages.size, max((view.desired for view in views), default=0))
    return tuple(map(tuple, batches.split([name for name in names if name in mine], size)))


def roll(kube: Kube, work: Work) -> Rolled:
    """Replace the old pods batch by batch. The operator is new before the first one."""
    failed = _operator_first(kube, work)
    if failed is not None:
        return _stopped(kube, work, failed)
    views = _settled(kube, work)
    old = _outdated(views)
    mine = [name for name in _in_order(kube, work.stages) if name in old]
    size = batches.number(work.stages.size, max((view.desired for view in views), default=0))
    parts = batches.split(mine, size)
    before = _unready(_snapshot(kube, work))
    for number, part in enumerate(parts, 1):
        if work.deadline.passed:
            return _stopped(kube, work, _Failed(status=_whole(kube, work), late=True))
        work.check()
        _tell_how_to_go_on(work.report, number, parts, len(old))
        failed = _one_batch(kube, work, part, before, f"Batch {number} of {len(parts)}")
        if failed is not None:
            return _stopped(kube, work, failed)
        if number < len(parts) and work.stages.pause:
            failed = _pause(kube, work, before)
            if failed is not None:
                return _stopped(kube, work, failed)
    return Rolled(left=_left(kube, work))


def _stopped(kube: Kube, work: Work, failed: _Failed) -> Rolled:
    return Rolled(left=_left(kube, work), status=failed.status, late=failed.late)


def _tell_how_to_go_on(report: Reporter, number: int, parts: Sequence[Sequence[str]], outdated: int) -> None:
    moved = sum(len(part) for part in parts[: number - 1])
    report.resume = (
        f"{moved} nodes are done, batch {number} of {len(parts)} is under way, and the other nodes of {outdated} keep "
        "the old version: `ciliumctl upgrade --batch SIZE` goes on, `ciliumctl rollback` goes back"
    )


def _operator_first(kube: Kube, work: Work) -> _Failed | None:
    """Wait for what Helm restarts by itself, the operator above all. The status when it does not come up."""
    deadline = work.deadline.within(work.gate)
    giving_up = _Patience(time.monotonic)

    def probe() -> status.Status:
        return status.look(kube, work.where, light=True)

    def well(found: status.Status) -> bool:
        part = next(one for one in found.components if one.name == "operator")
        return part.state == "healthy"

    with work.report.step("Waiting for the operator") as step:

        def done(found: status.Status | None) -> bool:
            if found is None:
                return False
            part = next(one for one in found.components if one.name == "operator")
            step(f"operator {min(part.ready, part.updated)}/{part.desired}")
            return well(found) or giving_up(_stuck(found, {"operator"}))

        found = poll(_patiently(probe, step), done, deadline=deadline, interval=_INTERVAL)
        if found is not None and well(found):
            return None
        step.finish("it does not get ready: no agent is restarted", outcome="failed")
    return _Failed(status=_whole(kube, work), late=deadline.passed)


def _settled(kube: Kube, work: Work) -> tuple[View, ...]:
    """The nodes' pods, once the controllers have seen the newest template."""
    views = poll(
        partial(nodes.look, kube, work.where.namespace),
        lambda found: all(view.settled for view in found),
        deadline=work.deadline.within(work.gate),
        interval=0.3,
    )
    if not all(view.settled for view in views):
        raise TimedOut(
            "no controller has acted on the changed DaemonSets", hint="`ciliumctl status` shows how it goes on"
        )
    return views


def _outdated(views: Iterable[View]) -> list[str]:
    """The nodes that run an old pod of any part."""
    found = {node for view in views for node in view.old}
    return sorted(found, key=batches.natural)


def _in_order(kube: Kube, stages: Stages) -> list[str]:
    found: list[Manifest] = list(kube.objects(NODES, labels=stages.selector, metadata_only=True))
    return batches.ordered(found, stages.order)


def _pause(kube: Kube, work: Work, before: frozenset[tuple[str, str]]) -> _Failed | None:
    """Wait before the next batch. The status as soon as something that was well will not come up again."""
    giving_up = _Patience(time.monotonic)
    with work.report.step("Pausing") as step:
        step(f"{work.stages.pause:.0f} s before the next batch")

        def hopeless(found: Snapshot | None) -> bool:
            if found is None:
                return False
            step.glance("the nodes are watched", _elsewhere(found, (), before))
            return giving_up(_hopeless(kube, found, before))

        until = work.deadline.within(work.stages.pause)
        found = poll(_patiently(partial(_snapshot, kube, work), step), hopeless, deadline=until, interval=_INTERVAL)
        what = _elsewhere(found, (), before) if found is not None and giving_up.gave_up else []
        if not what:
            # What is not ready yet, the next batch waits for.
            step.finish(f"{work.stages.pause:.0f} s before the next batch")
            return None
        step.finish("; ".join(what[:3]), outcome="failed")
    return _Failed(status=_whole(kube, work), late=False)


def _one_batch(
    kube: Kube, work: Work, batch: Sequence[str], before: frozenset[tuple[str, str]], title: str
) -> _Failed | None:
    """Replace the pods of some nodes and wait for them. The status when they do not get well, or something else.

    Nothing is deleted before all is well that was when the restart began: a node may have failed meanwhile.
    """
    deadline = work.deadline.within(work.gate)
    named = ", ".join(batch[:_NAMED]) + (f" and {len(batch) - _NAMED} more" if len(batch) > _NAMED else "")
    with work.report.step(f"{title}: {named}") as step:
        what = _still_unwell(kube, work, before, step, deadline) or _replace(kube, work, batch, before, step, deadline)
        if not what:
            step.finish("healthy")
            return None
        step.finish("; ".join(what[:3]), outcome="failed")
    return _Failed(status=_whole(kube, work), late=deadline.passed)


_NO_ANSWER = ["the API server does not answer"]


def _still_unwell(
    kube: Kube, work: Work, before: frozenset[tuple[str, str]], step: Step, deadline: Deadline
) -> list[str]:
    """Wait until all is well that was before. What is not, when it does not get so."""
    giving_up = _Patience(time.monotonic)

    def done(found: Snapshot | None) -> bool:
        if found is None:
            return False
        elsewhere = _elsewhere(found, (), before)
        step.glance("waiting for the nodes before", elsewhere)
        return not elsewhere or giving_up(_hopeless(kube, found, before))

    found = poll(_patiently(partial(_snapshot, kube, work), step), done, deadline=deadline, interval=_INTERVAL)
    return _elsewhere(found, (), before) if found is not None else _NO_ANSWER


def _replace(
    kube: Kube,
    work: Work,
    batch: Sequence[str],
    before: frozenset[tuple[str, str]],
    step: Step,
    deadline: Deadline,
) -> list[str]:
    """Delete the old pods of a batch and wait for the new ones. What is not well, when it does not get so."""
    giving_up = _Patience(time.monotonic)
    had = _delete(kube, work, batch)
    told: set[str] = set()

    def probe() -> tuple[tuple[View, ...], Snapshot]:
        return nodes.look(kube, work.where.namespace), _snapshot(kube, work)

    def unwell(found: tuple[tuple[View, ...], Snapshot]) -> list[str]:
        return [*_missing(found[0], batch, had), *_elsewhere(found[1], batch, before)]

    def done(found: tuple[tuple[View, ...], Snapshot] | None) -> bool:
        if found is None:
            return False
        for node in batch:
            if node not in told and not _missing(found[0], [node], had):
                told.add(node)
                step(f"{node} is new and ready ({len(told)} of {len(batch)})")
        what = unwell(found)
        step.glance(f"{len(told)} of {len(batch)} ready", what)
        return not what or giving_up(_hopeless(kube, found[1], before))

    found = poll(_patiently(probe, step), done, deadline=deadline, interval=_INTERVAL)
    return unwell(found) if found is not None else _NO_ANSWER


def _whole(kube: Kube, work: Work) -> status.Status:
    """The whole status where a gate failed, with the log of the worst pod."""
    with overtime(kube, seconds=_LAST_LOOK):
        return status.with_logs(kube, status.look(kube, work.where))


def _left(kube: Kube, work: Work) -> tuple[str, ...]:
    """The nodes that keep the old version."""
    with overtime(kube, seconds=_LAST_LOOK):
        return tuple(_outdated(nodes.look(kube, work.where.namespace)))


def _delete(kube: Kube, work: Work, batch: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Delete the old pods of a batch. The components and nodes that had a pod, old or new."""
    views = nodes.look(kube, work.where.namespace)
    old = [view.old[node].name for view in views for node in batch if node in view.old]
    gather_all([partial(kube.delete, PODS, name, work.where.namespace) for name in old])
    return frozenset((view.component, node) for view in views for node in batch if node in view.old or node in view.new)


def _missing(views: Iterable[View], batch: Sequence[str], had: frozenset[tuple[str, str]]) -> list[str]:
    """What the nodes of a batch still lack, one line each: an agent, and whatever else they `had`."""
    found = []
    for view in views:
        for node in batch:
            pod = view.new.get(node)
            if pod is None and node in view.old:
                found.append(f"{view.component} on {node}: the old pod is still there")
            elif pod is None and (view.component == "agent" or (view.component, node) in had):
                found.append(f"{view.component} on {node}: no new pod yet")
            elif pod is not None and not pod.ready:
                found.append(f"{view.component} on {node}: {pod.state.removeprefix('Init:')}")
    return found


def _snapshot(kube: Kube, work: Work) -> Snapshot:
    where = work.where
    return collect(kube, namespace=where.namespace, release_name=where.release, storage=where.storage, light=True)


def _unready(snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    return frozenset(
        (component, pod.node or pod.name) for component, pods in snapshot.pods.items() for pod in pods if not pod.ready
    )


def _elsewhere(snapshot: Snapshot, batch: Sequence[str], before: frozenset[tuple[str, str]]) -> list[str]:
    """What is not ready on other nodes and was when the restart began."""
    new = _unready(snapshot) - before
    return sorted(f"{component} on {place} is not ready" for component, place in new if place not in batch)


def _hopeless(kube: Kube, snapshot: Snapshot, before: frozenset[tuple[str, str]]) -> bool:
    """Whether some pod that was well before will not come up by waiting."""
    unready = [
        pod
        for component, pods in snapshot.pods.items()
        for pod in pods
        if not pod.ready and (component, pod.node or pod.name) not in before
    ]
    return any(trouble.terminal for trouble in of_pods(kube, snapshot.namespace, unready))


def _stuck(found: status.Status, components: set[str]) -> bool:
    return any(
        problem.terminal
        for problem in found.problems
        if problem.severity == "error" and problem.component in components
    )


class _Patience:
    """Says when something has been so for too long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: float | None = None
        self.gave_up = False

    def __call__(self, bad: bool) -> bool:  # noqa: FBT001 - the one thing it is asked
        self._since = (self._since if self._since is not None else self._clock()) if bad else None
        self.gave_up = self._since is not None and self._clock() - self._since >= GRACE
        return self.gave_up


def _patiently(probe: Callable[[], T], step: Step) -> Callable[[], T | None]:
    """The probe, which gives `None` while the API server is away or our own time is up."""

    def ask() -> T | None:
        try:
            return probe()
        except TimedOut:
            return None
        except (Unreachable, ApiFailed) as error:
            step(f"the API server does not answer: {error.message}")
            return None

    return ask
