"""Carry a change of the release out: under the lock, with the restarts that it needs, until Cilium is healthy again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ciliumctl import __version__, journal, lock, release, status
from ciliumctl.change import rollout
from ciliumctl.change.target import Target
from ciliumctl.clients.helm import Helm
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Exists, TimedOut
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline

Outcome = Literal["changed", "unchanged", "taken-back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to change the release. `operation` is what history will say: `upgrade`, `config set` and so on."""

    helm: Helm
    holder: lock.Holder
    where: status.Where
    deadline: Deadline
    report: Reporter
    operation: str
    wait: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What came of a change. `values` are the dotted paths that changed."""

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
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as wanted, and healthy where that was waited for."""
        return self.outcome != "taken-back" and (self.status is None or self.status.ok)


def perform(kube: Kube, target: Target, how: How) -> Changed:
    """Do it. An unchanged release is left alone.

    Raises:
        CiliumctlError: a step failed; `how.report.resume` says what is applied.
    """
    result = _result(kube, target)
    if target.unchanged:
        how.report.note("Cilium is as asked for: unchanged")
        return result
    with (
        lock.held(kube, how.holder, how.report),
        journal.keeping(kube, how.where.namespace, _entry(target, how), how.report) as record,
    ):
        result = _change(kube, target, how, record)
        record.judged(result.status)
    return result


def _entry(target: Target, how: How) -> journal.Entry:
    return journal.entry(
        how.holder,
        how.operation,
        target.before.name,
        from_revision=target.before.revision,
        from_version=target.before.chart_version,
        version=target.chart.version,
        values=target.changed,
    )


def _change(kube: Kube, target: Target, how: How, record: journal.Record) -> Changed:
    result = _result(kube, target)
    check_still_so(kube, target, how.where)
    how.report.resume = (
        "`ciliumctl status` shows how the release stands, `ciliumctl recover` mends it where Helm was stopped half-way"
    )
    with how.report.step("Changing the Helm release") as step:
        made = how.helm.upgrade(
            target.before.name,
            str(target.chart.path),
            target.inputs,
            namespace=target.before.namespace,
            description=f"ciliumctl {__version__} {how.operation}",
        )
        step.finish(f"revision {made.revision}, Cilium {made.chart_version}")
    record.made(made.revision)
    restarts = rollout.needed(target.before.manifest, made.manifest, target.before.namespace)
    rollout.restart(kube, restarts, how.report)
    result = replace(result, outcome="changed", revision=made.revision, restarted=tuple(str(item) for item in restarts))
    if not how.wait:
        return result
    how.report.resume = "the change is made and still rolled out: `ciliumctl status --wait` goes on waiting"
    return replace(result, status=status.wait(kube, how.where, deadline=how.deadline, report=how.report))


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


def check_still_so(kube: Kube, target: Target, where: status.Where) -> None:
    """The target was made before the lock was held. Raises `Exists` when somebody was faster."""
    there = release.current(kube, where.release, where.namespace, where.storage)
    revision = there.revision if there is not None else 0
    if revision != target.before.revision:
        raise Exists(
            f"Helm release `{where.release}` was changed meanwhile: it is at revision {revision}, "
            f"not {target.before.revision}",
            hint="look at it with `ciliumctl status`, then run the command again",
        )


def late(result: Changed, deadline: Deadline) -> TimedOut | None:
    """The error of a change that was not healthy in time; `None` for any other end."""
    return status.unhealthy(result.status, deadline) if result.status is not None else None
