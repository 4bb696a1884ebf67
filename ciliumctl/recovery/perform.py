"""Take the way out: under the lock, never deleting or restarting an agent that need not be."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from ciliumctl import __version__, journal, lock, release, status
from ciliumctl.change import paused, rollout
from ciliumctl.clients.helm import Helm, Inputs, Release, Revision, restated, unpack_chart
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Conflict, Exists, OutsideError, TimedOut
from ciliumctl.recovery.findings import Findings, began, older_than
from ciliumctl.recovery.proposal import Action, Proposal
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to mend it."""

    helm: Callable[[], Helm]
    holder: lock.Holder
    where: status.Where
    deadline: Deadline
    report: Reporter
    wait: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step and how it went."""

    title: str
    outcome: Literal["done", "skipped"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was done and what there is now.

    `paused` says that it is in a staged restart: nothing is waited for, `ciliumctl upgrade --batch SIZE` goes on.
    """

    kind: ClassVar[str] = "Recovery"

    context: str
    namespace: str
    release: str
    action: Action
    reason: str
    from_revision: int
    from_status: str
    revision: int
    version: str
    release_status: str
    steps: tuple[Step, ...] = ()
    restarted: tuple[str, ...] = ()
    paused: bool = False
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether the release is deployed, and Cilium healthy where that was waited for."""
        return self.release_status == "deployed" and (self.status is None or self.status.ok)


class _Work:
    """One recovery on its way: what it works with, and the steps that it took."""

    def __init__(self, kube: Kube, found: Findings, how: How, mine: lock.Held) -> None:
        self.kube = kube
        self.lock = mine
        self.found = found
        self.how = how
        self.steps: list[Step] = []
        self.restarted: tuple[rollout.Workload, ...] = ()

    def do(self, title: str, work: Callable[[], str]) -> None:
        """Take a step. Raises `Locked` when somebody else may be at work by now."""
        self.lock.check()
        with self.how.report.step(title) as step:
            detail = work()
            step.finish(detail)
        self.steps.append(Step(title=title, outcome="done", detail=detail))

    def restate(self, revision: Revision, state: str, description: str) -> str:
        """Give a stored revision another state, as Helm would have."""
        resource = self.how.where.storage
        name = f"sh.helm.release.v1.{revision.name}.v{revision.revision}"
        stored = self.kube.get(resource, name, revision.namespace)
        try:
            self.kube.replace(resource, restated(stored, state, description, time.time()), revision.namespace)
        except Conflict as error:
            raise Exists(
                f"Helm release `{revision.name}` is being changed by somebody else",
                hint="wait, look with `ciliumctl history`, and run `ciliumctl recover` again",
            ) from error
        return f"was {revision.status}"

    def restart(self, workloads: tuple[rollout.Workload, ...]) -> None:
        """Restart what must be, rolling."""
        self.lock.check()
        rollout.restart(self.kube, workloads, self.how.report)
        self.restarted = workloads
        self.steps += [
            Step(title=f"Restarting {workload}", outcome="done", detail=workload.why) for workload in workloads
        ]


def perform(kube: Kube, found: Findings, ahead: Proposal, how: How) -> Recovered:
    """Do what was proposed.

    Raises:
        Locked: somebody is at work by now; Exists: the release was changed meanwhile; CiliumctlError: a step failed,
            and running it again goes on.
    """
    how.report.resume = "run `ciliumctl recover` again: it looks anew and goes on"
    with lock.held(kube, how.holder, how.report) as mine:
        work = _Work(kube, found, how, mine)
        _check_still_so(kube, found, how)
        entry = journal.entry(
            how.holder,
            "recover",
            found.newest.name,
            from_revision=found.newest.revision,
            from_version=found.newest.chart_version,
            version=found.newest.chart_version,
        )
        entry = replace(entry, paused=_mark(found, ahead.action))
        with journal.keeping(kube, found.newest.namespace, entry, how.report) as record:
            _ACTIONS[ahead.action](work)
            _close_the_killed(work, ahead)
            there = release.current(kube, found.newest.name, found.newest.namespace, how.where.storage)
            if there is None:
                raise OutsideError("the release is gone", hint="`ciliumctl status` shows what is there")
            record.made(there.revision)
            result = _result(kube, found, ahead, there, work)
            # With updates paused nobody replaces the pods: there is nothing to wait for.
            if how.wait and not result.paused:
                how.report.resume = (
                    "the release is mended and still rolled out: `ciliumctl status --wait` goes on waiting"
                )
                result = replace(result, status=status.wait(kube, how.where, deadline=how.deadline, report=how.report))
            record.judged(result.status)
    return result


def _check_still_so(kube: Kube, found: Findings, how: How) -> None:
    there = release.revisions(kube, found.newest.name, found.newest.namespace, how.where.storage)
    seen = [(item.revision, item.status) for item in found.past.revisions]
    if [(item.revision, item.status) for item in there] != seen:
        raise Exists(
            f"Helm release `{found.newest.name}` was changed meanwhile",
            hint="look with `ciliumctl history`, and run `ciliumctl recover` again",
        )


def _result(kube: Kube, found: Findings, ahead: Proposal, there: Release, work: _Work) -> Recovered:
    return Recovered(
        context=kube.context,
        namespace=there.namespace,
        release=there.name,
        action=ahead.action,
        reason=ahead.reason,
        from_revision=found.newest.revision,
        from_status=found.newest.status,
        revision=there.revision,
        version=there.chart_version,
        release_status=there.status,
        steps=tuple(work.steps),
        restarted=tuple(map(str, work.restarted)),
        paused=paused.of(there) is not None,
    )


def _mark(found: Findings, action: Action) -> str:
    """The mark of the pause that the release is in afterwards; empty for none."""
    if action == "back":
        return paused.marked(found.before.description) if found.before is not None else ""
    return found.pause


def _with_mark(description: str, mark: str) -> str:
    return f"{description} {mark}" if mark else description


def _tidy(work: _Work) -> None:
    """The lock of the dead run was taken over by now; its entries are closed for every action."""


def _restart(work: _Work) -> None:
    work.restart(work.found.stale)


def _finish(work: _Work) -> None:
    """Write down what Helm did not come to: the others are superseded, this one is deployed."""
    found = work.found
    for revision in found.past.revisions[:-1]:
        if revision.status == "deployed":
            work.do(
                f"Marking revision {revision.revision} superseded",
                partial(work.restate, revision, "superseded", _described(revision)),
            )
    newest = found.newest
    text = _with_mark(f"ciliumctl {__version__} recover: all of it was applied", found.pause)
    work.do(f"Marking revision {newest.revision} deployed", lambda: work.restate(newest, "deployed", text))
    _restart_older(work, newest)


def _described(revision: Revision) -> str:
    return revision.description if isinstance(revision, Release) else ""


def _forward(work: _Work) -> None:
    """The same change again, with the chart and the values that Helm stored when it was begun."""
    newest = work.found.newest
    text = _with_mark(f"ciliumctl {__version__} recover: revision {newest.revision} again", work.found.pause)
    _mark_failed(work)
    made: list[Release] = []

    def again() -> str:
        with tempfile.TemporaryDirectory(prefix="ciliumctl-") as folder:
            chart = unpack_chart(newest, Path(folder))
            made.append(
                work.how.helm().upgrade(
                    newest.name,
                    str(chart),
                    Inputs(generated=newest.config),
                    namespace=newest.namespace,
                    description=text,
                )
            )
        return f"revision {made[0].revision}, Cilium {made[0].chart_version}"

    work.do(f"Making the change of revision {newest.revision} again", again)
    _restart_older(work, made[0])


def _back(work: _Work) -> None:
    found = work.found
    before = found.before
    assert before is not None  # noqa: S101 - nothing else is proposed
    _mark_failed(work)

    made: list[Release] = []

    def back() -> str:
        made.append(release.back_to(work.kube, work.how.helm(), before, work.how.where.storage))
        return f"Cilium {before.chart_version}"

    work.do(f"Going back to revision {before.revision}", back)
    _pause_again(work, before, made[0])
    # Agents that started since then read the configuration of the change that is taken back; the others never did.
    candidates = rollout.needed(found.newest.manifest, before.manifest, before.namespace)
    work.restart(older_than(work.kube, candidates, began(found), newer=True))


def _pause_again(work: _Work, before: Release, made: Release) -> None:
    """Helm's description of a way back is its own: put the mark of a staged restart into it."""
    mark = paused.marked(before.description)
    if not mark or made.revision <= work.found.newest.revision:
        return
    text = _with_mark(made.description, mark)
    work.do(
        f"Marking revision {made.revision} as a staged restart", lambda: work.restate(made, made.status, text) and ""
    )


def _mark_failed(work: _Work) -> None:
    newest = work.found.newest
    if newest.status == "failed":
        return
    text = f"{newest.description.rstrip()} (was {newest.status}; killed, says ciliumctl recover)"
    work.do(f"Marking revision {newest.revision} failed", lambda: work.restate(newest, "failed", text))


def _restart_older(work: _Work, made: Release) -> None:
    """Restart what reads a changed ConfigMap, unless its pods are all younger than the change."""
    found = work.found
    if found.before is None:
        return
    candidates = rollout.needed(found.before.manifest, made.manifest, made.namespace)
    work.restart(older_than(work.kube, candidates, began(found)))


def _close_the_killed(work: _Work, ahead: Proposal) -> None:
    for entry in work.found.killed:
        mine = work.found.entry is not None and entry.key == work.found.entry.key
        closed = replace(
            entry,
            result="interrupted",
            revision=entry.revision or (work.found.newest.revision if mine else 0),
            message=f"killed; then recover: {ahead.action}",
        )
        journal.complete(work.kube, work.found.newest.namespace, closed, work.how.report)


_ACTIONS: dict[Action, Callable[[_Work], None]] = {
    "tidy": _tidy,
    "restart": _restart,
    "finish": _finish,
    "forward": _forward,
    "continue": _forward,
    "back": _back,
}


def late(result: Recovered, deadline: Deadline) -> TimedOut | None:
    """The error of a recovery that was not healthy in time; `None` for any other end."""
    return status.unhealthy(result.status, deadline) if result.status is not None else None
