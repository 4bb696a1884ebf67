"""Carry a change of the release out: under the lock, with the restarts that it needs, until Cilium is healthy again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from ciliumctl import __version__, journal, lock, release, status
from ciliumctl.change import paused, progress, resuming, rollout, staged, taking_back
from ciliumctl.change.batches import Stages
from ciliumctl.change.taking_back import TakenBack
from ciliumctl.change.target import Target
from ciliumctl.clients.helm import Helm, Inputs, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.defaults import WAIT_SECONDS
from ciliumctl.errors import CiliumctlError, Locked, TimedOut
from ciliumctl.report import Reporter
from ciliumctl.status import Status
from ciliumctl.values.paths import difference
from ciliumctl.wait import Deadline, overtime

# Seconds for a look, when the time was up already.
_LAST_LOOK = 10.0

Outcome = Literal["changed", "unchanged", "paused", "taken-back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to change the release. `operation` is what history will say: `upgrade`, `config set` and so on.

    `first` is done under the lock before anything is changed; when it fails, nothing is. `gate` is the longest wait
    for health, and for each batch of a staged restart, in seconds.
    """

    helm: Helm
    holder: lock.Holder
    where: status.Where
    deadline: Deadline
    report: Reporter
    operation: str
    wait: bool = True
    atomic: bool = False
    stages: Stages | None = None
    gate: float = math.inf
    first: Callable[[], None] | None = None
    #: Let Helm put back what others changed in the cluster, even where the release stays as it is.
    mend: bool = False

    @property
    def description(self) -> str:
        """What Helm's history says of the revision."""
        return f"ciliumctl {__version__} {self.operation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What came of a change. `values` are the dotted paths that changed, `left` the nodes that keep the old pods.

    `late` says that it was not healthy because the time was up.
    """

    kind: ClassVar[str] = "Change"

    outcome: Outcome
    context: str
    namespace: str
    release: str
    from_revision: int
    revision: int
    from_version: str
    version: str
    values: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    late: bool = False
    status: Status | None = None
    taken_back: TakenBack | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as wanted, and healthy where that was waited for."""
        return self.outcome != "taken-back" and (self.status is None or self.status.ok)


def perform(kube: Kube, target: Target, how: How) -> Changed:
    """Do it. An unchanged release is left alone, unless what others changed is to be mended.

    Raises:
        CiliumctlError: a step failed; `how.report.resume` says what is applied.
    """
    result = _result(kube, target)
    if target.unchanged and not how.mend:
        how.report.note("Cilium is as asked for: unchanged")
        return result
    with lock.held(kube, how.holder, how.report) as mine:
        release.check_still_so(kube, target.before, how.where.storage)
        with journal.keeping(kube, how.where.namespace, _entry(target, how), how.report) as record:
            if how.first is not None:
                how.first()
            run = _Run(kube=kube, target=target, how=how, record=record, lock=mine)
            result = _or_back(run, result) if how.atomic else _change(run, result)
            if result.outcome == "taken-back":
                record.ended("taken-back", status.summary(result.status) if result.status is not None else "")
            else:
                record.judged(result.status)
    return result


def _change(run: _Run, result: Changed) -> Changed:
    return _in_stages(run, run.how.stages, result) if run.how.stages is not None else _at_once(run, result)


def _or_back(run: _Run, result: Changed) -> Changed:
    """Make the change, and take it back when it fails or does not get healthy."""
    kube, how = run.kube, run.how
    before = _origin(run)
    work = taking_back.Work(helm=how.helm, where=how.where, report=how.report, seconds=_seconds_back(how))
    try:
        result = _change(run, result)
    except Locked:
        # Somebody else is at work: nothing more is changed, not even back.
        raise
    except CiliumctlError as error:
        run.lock.check()
        if left := _left(run):
            try:
                back = taking_back.take_back(kube, before, work)
            except CiliumctlError as worse:
                _stays(error, worse, error.message)
                error.result = replace(result, outcome="changed", revision=left)
                raise error from worse
            run.record.also(back.revision)
            run.record.ended("taken-back", error.message)
            well = "healthy" if back.status.ok else f"not healthy: {status.summary(back.status)}"
            error.hint = f"taken back to Cilium {before.chart_version} as revision {back.revision}, which is {well}"
            error.result = replace(result, outcome="taken-back", revision=back.revision, taken_back=back)
        raise
    if result.ok:
        return result
    run.lock.check()
    try:
        back = taking_back.take_back(kube, before, work)
    except CiliumctlError as worse:
        _stays(worse, worse, status.summary(result.status) if result.status is not None else "it failed")
        worse.result = result
        raise
    run.record.also(back.revision)
    return replace(result, outcome="taken-back", revision=back.revision, taken_back=back)


def _stays(error: CiliumctlError, worse: CiliumctlError, why: str) -> None:
    """Say of a change that was to be taken back why it failed, and why it is still there."""
    error.message, error.detail = f"{why}, and taking it back failed: {worse.message}", error.detail or worse.detail
    error.hint = "`ciliumctl recover` shows what is half done and mends it, `ciliumctl rollback` goes back"


def _seconds_back(how: How) -> float:
    """The time that going back has for itself: as much as going there had."""
    return how.gate if WAIT_SECONDS < how.gate < math.inf else WAIT_SECONDS


def _origin(run: _Run) -> Release:
    """Where to go back to: what is deployed, or where a staged restart that goes on had come from."""
    kube, before, where = run.kube, run.target.before, run.how.where
    if paused.of(before) is not None:
        return resuming.came_from(kube, before, where) or before
    if before.status == "deployed":
        return before
    known = release.revisions(kube, before.name, before.namespace, where.storage)
    good = next((one for one in reversed(known) if one.status == "deployed"), None)
    return (release.read(kube, good, where.storage) if good is not None else None) or before


def _left(run: _Run) -> int:
    with overtime(run.kube, seconds=_LAST_LOOK):
        return taking_back.left_by_it(run.kube, run.target.before, run.how.where)


def _entry(target: Target, how: How) -> journal.Entry:
    begun = journal.entry(
        how.holder,
        how.operation,
        target.before.name,
        from_revision=target.before.revision,
        from_version=target.before.chart_version,
        version=target.chart.version,
        values=target.changed,
    )
    return replace(begun, paused=_mark(target) if how.stages is not None else "")


def _mark(target: Target) -> str:
    """The mark of the pause that a staged restart begins with; empty where an earlier run has made it."""
    return paused.mark(target.before.revision, target.config) if paused.of(target.before) is None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One change under way."""

    kube: Kube
    target: Target
    how: How
    record: journal.Record
    lock: lock.Held

    def helm(self, title: str, inputs: Inputs, description: str) -> Release:
        """Let Helm make a revision."""
        before = self.target.before
        self.lock.check()
        with self.how.report.step(title) as step:
            made = self.how.helm.upgrade(
                before.name,
                str(self.target.chart.path),
                inputs,
                namespace=before.namespace,
                description=description,
            )
            step.finish(f"revision {made.revision}, Cilium {made.chart_version}")
        self.record.made(made.revision)
        return made


_HALF_WAY = (
    "`ciliumctl status` shows how the release stands, `ciliumctl recover` mends it where Helm was stopped half-way"
)


def _at_once(run: _Run, result: Changed) -> Changed:
    """Let the workloads' own update strategies replace the pods."""
    kube, how, before = run.kube, run.how, run.target.before
    restarts = resuming.outstanding(kube, before, how.where) if paused.of(before) else None
    how.report.resume = _HALF_WAY
    made = run.helm("Changing the Helm release", run.target.inputs, how.description)
    if restarts is None:
        restarts = rollout.needed(before.manifest, made.manifest, before.namespace)
    rollout.restart(kube, restarts, how.report)
    result = replace(result, outcome="changed", revision=made.revision, restarted=tuple(str(item) for item in restarts))
    return _until_healthy(kube, how, result) if how.wait else result


def _until_healthy(kube: Kube, how: How, result: Changed) -> Changed:
    how.report.resume = "the change is made and still rolled out: `ciliumctl status --wait` goes on waiting"
    tell = progress.following(kube, how.where.namespace)
    deadline = how.deadline.within(how.gate)
    found = status.wait(kube, how.where, deadline=deadline, report=how.report, tell=tell)
    return replace(result, status=found, late=not found.ok and deadline.passed)


def _in_stages(run: _Run, stages: Stages, result: Changed) -> Changed:
    """Pause the updates, replace the pods batch by batch, put the user's own update strategy back."""
    kube, how, target = run.kube, run.how, run.target
    staged.check(kube, stages)
    revision, config, restarts = _paused(run)
    rollout.restart(kube, restarts, how.report)
    result = replace(result, outcome="paused", revision=revision, restarted=tuple(str(item) for item in restarts))
    work = staged.Work(
        where=how.where, deadline=how.deadline, report=how.report, gate=how.gate, stages=stages, check=run.lock.check
    )
    rolled = staged.roll(kube, work)
    if rolled.status is not None or rolled.left:
        return replace(result, left=rolled.left, status=rolled.status, late=rolled.late)
    if difference(config, target.config):
        how.report.resume = "all nodes are done: `ciliumctl upgrade` only puts the update strategy back"
        made = run.helm("Putting the update strategy back", Inputs(generated=target.config), how.description)
        result = replace(result, revision=made.revision)
    return _until_healthy(kube, how, replace(result, outcome="changed"))


def _paused(run: _Run) -> tuple[int, Mapping[str, Any], tuple[rollout.Workload, ...]]:
    """The revision with paused updates, its values and the restarts that it needs: an earlier run's, or a new one."""
    before, how = run.target.before, run.how
    if paused.of(before) is not None:
        return before.revision, before.config, resuming.outstanding(run.kube, before, how.where)
    how.report.resume = _HALF_WAY
    inputs = replace(run.target.inputs, flags=(*run.target.inputs.flags, *paused.FLAGS))
    description = f"{how.description} {_mark(run.target)}"
    made = run.helm("Changing the Helm release, updates paused", inputs, description)
    return made.revision, made.config, rollout.needed(before.manifest, made.manifest, before.namespace)


def _result(kube: Kube, target: Target) -> Changed:
    before = target.before
    return Changed(
        outcome="unchanged",
        context=kube.context,
        namespace=before.namespace,
        release=before.name,
        from_revision=before.revision,
        revision=before.revision,
        from_version=before.chart_version,
        version=target.chart.version,
        values=target.changed,
    )


def late(result: Changed, deadline: Deadline) -> TimedOut | None:
    """The error of a change that was not healthy in time; `None` for any other end."""
    if result.status is None:
        return None
    error = status.unhealthy(result.status, Deadline(at=-math.inf) if result.late else deadline)
    if error is not None and result.taken_back is not None:
        error.hint = f"Cilium {result.from_version} is back; mend the cause, or leave `--atomic` out to look at it"
    return error
