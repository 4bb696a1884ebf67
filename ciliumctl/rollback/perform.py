"""The way back itself: under the lock, with the restarts that it needs, until Cilium is healthy again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ciliumctl import history, journal, lock, release, status
from ciliumctl.change import rollout
from ciliumctl.clients.helm import Helm, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import TimedOut
from ciliumctl.report import Reporter
from ciliumctl.values.paths import difference
from ciliumctl.wait import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to go back."""

    helm: Helm
    holder: lock.Holder
    where: status.Where
    deadline: Deadline
    report: Reporter
    wait: bool = True
    force_conflicts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What came of it: `revision` is the new one, a copy of `to_revision`."""

    kind: ClassVar[str] = "Rollback"

    outcome: Literal["back", "unchanged"]
    context: str
    namespace: str
    release: str
    from_revision: int
    to_revision: int
    revision: int
    from_version: str
    version: str
    values: tuple[str, ...]
    restarted: tuple[str, ...]
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether Cilium is healthy where that was waited for."""
        return self.status is None or self.status.ok


def perform(kube: Kube, before: Release, after: Release, how: How) -> RolledBack:
    """Go back from one revision to another.

    Raises:
        Locked: somebody else is at work; Exists: the release was changed meanwhile; CiliumctlError: a step failed.
    """
    values = tuple(difference(before.config, after.config))
    if before.status == "deployed" and history.same(before, after):
        how.report.note(f"revision {after.revision} is the same as what is installed: unchanged")
        return _result(kube, before, after, before, ())
    entry = journal.entry(
        how.holder,
        "rollback",
        after.name,
        from_revision=before.revision,
        from_version=before.chart_version,
        version=after.chart_version,
        values=values,
    )
    with lock.held(kube, how.holder, how.report):
        release.check_still_so(kube, before, how.where.storage)
        with journal.keeping(kube, after.namespace, entry, how.report) as record:
            how.report.resume = (
                "`ciliumctl recover` mends a release that was stopped half-way; `ciliumctl status` shows it"
            )
            with how.report.step(f"Going back to revision {after.revision}") as step:
                made = release.back_to(kube, how.helm, after, how.where.storage, force_conflicts=how.force_conflicts)
                step.finish(f"revision {made.revision}, Cilium {made.chart_version}")
            record.made(made.revision)
            restarts = rollout.needed(before.manifest, made.manifest, made.namespace)
            rollout.restart(kube, restarts, how.report)
            result = _result(kube, before, after, made, tuple(map(str, restarts)))
            if how.wait:
                how.report.resume = (
                    "the release is back and still rolled out: `ciliumctl status --wait` goes on waiting"
                )
                found = status.wait(kube, how.where, deadline=how.deadline, report=how.report)
                result = replace(result, status=found)
            record.judged(result.status)
    return result


def _result(kube: Kube, before: Release, after: Release, made: Release, restarted: tuple[str, ...]) -> RolledBack:
    return RolledBack(
        outcome="unchanged" if made is before else "back",
        context=kube.context,
        namespace=after.namespace,
        release=after.name,
        from_revision=before.revision,
        to_revision=after.revision,
        revision=made.revision,
        from_version=before.chart_version,
        version=made.chart_version,
        values=tuple(difference(before.config, after.config)),
        restarted=restarted,
    )


def late(result: RolledBack, deadline: Deadline) -> TimedOut | None:
    """The error of a rollback that was not healthy in time; `None` for any other end."""
    return status.unhealthy(result.status, deadline) if result.status is not None else None
