"""Upgrade: go the way that was found, one version after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ClassVar, Literal

from ciliumctl import release, status
from ciliumctl.change import backup, images, paused
from ciliumctl.change.perform import Changed, How, perform
from ciliumctl.change.ready import Outlook
from ciliumctl.change.target import Target
from ciliumctl.change.ways import Way
from ciliumctl.clients.kube import Kube, Resource
from ciliumctl.errors import CiliumctlError, Exists, NotFound
from ciliumctl.values.paths import difference

Outcome = Literal["upgraded", "unchanged", "paused", "taken-back", "unhealthy", "dry-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What came of an upgrade, step by step. `version` is what the release has now, `wanted` what was asked for.

    `ahead` is what was known before: all there is of a dry run. `batches` are the nodes as a staged restart takes them.
    `backup` is the folder of the back-up.
    """

    kind: ClassVar[str] = "Upgrade"

    outcome: Outcome
    context: str
    namespace: str
    release: str
    from_version: str
    version: str
    wanted: str
    revision: int
    ahead: tuple[Outlook, ...] = ()
    batches: tuple[tuple[str, ...], ...] = ()
    steps: tuple[Changed, ...] = ()
    backup: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is where it was to go, and healthy where that was waited for."""
        return self.outcome not in {"taken-back", "unhealthy"}


def nothing_done(kube: Kube, way: Way, ahead: Sequence[Outlook] = ()) -> Upgraded:
    """The result as it is before the first step."""
    return Upgraded(
        outcome="unchanged",
        context=kube.context,
        namespace=way.found.namespace,
        release=way.found.name,
        from_version=way.found.chart_version,
        version=way.found.chart_version,
        wanted=way.versions[-1],
        revision=way.found.revision,
        ahead=tuple(ahead),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is done before the first change of each step, under the lock. `place` is `None` for no back-up."""

    place: backup.Place | None
    pull_images: bool
    storage: Resource


def carry_out(kube: Kube, way: Way, how: How, before: Before, so_far: Upgraded) -> Upgraded:
    """Go the way. Each step has its own health gate; one that fails ends it there.

    Raises:
        CiliumctlError: a step failed; `how.report.resume` says what is applied.
    """
    result = so_far
    saved: list[str] = []
    for number, one in enumerate(way.targets, 1):
        if number > 1:
            one = _from_now(kube, one, how.where)  # noqa: PLW2901 - the same step, from the revision that is there
        if len(way.targets) > 1:
            how.report.note(f"step {number} of {len(way.targets)}: {one.before.chart_version} → {one.chart.version}")
        mine = replace(how, first=partial(_first, kube, one, how, before, saved))
        try:
            changed = perform(kube, one, mine)
        except CiliumctlError as error:
            error.result = _with_failed(result, error.result)
            if number > 1:
                how.report.warn(
                    f"step {number} of {len(way.targets)} failed; {number - 1} done: Cilium is at {result.version}",
                    "mend the cause and run the same command again: it goes on from there",
                )
            raise
        result = replace(
            result,
            steps=(*result.steps, changed),
            revision=changed.revision,
            version=changed.from_version if changed.outcome == "taken-back" else changed.version,
            outcome=_outcome(result, changed),
            backup=saved[-1] if saved else "",
        )
        if not changed.ok or changed.outcome == "paused":
            if number < len(way.targets):
                how.report.warn(
                    f"step {number} of {len(way.targets)} ended here: the release is at {result.version}",
                    "run the same command again to go on from there",
                )
            break
    return result


def _with_failed(result: Upgraded, failed: object) -> Upgraded | None:
    """What was reached when a step raised: with the step that was taken back, or should have been, where one was."""
    if isinstance(failed, Changed):
        back = failed.outcome == "taken-back"
        return replace(
            result,
            steps=(*result.steps, failed),
            outcome="taken-back" if back else "unhealthy",
            revision=failed.revision,
            version=failed.from_version if back else failed.version,
        )
    return result if result.steps else None


def _first(kube: Kube, one: Target, how: How, before: Before, saved: list[str]) -> None:
    """The back-up, and the images. A restart that goes on has both already."""
    if paused.of(one.before) is not None:
        return
    if before.place is not None and not saved:
        now = datetime.now().astimezone()
        saved.append(str(backup.save(kube, one.before, before.place, how.report, now)))
    if before.pull_images:
        work = images.Work(
            helm=how.helm,
            namespace=one.before.namespace,
            storage=before.storage,
            deadline=how.deadline.within(how.gate),
            report=how.report,
        )
        images.pull(kube, one, work)


def _outcome(so_far: Upgraded, changed: Changed) -> Outcome:
    if changed.outcome in {"taken-back", "paused"}:
        return "taken-back" if changed.outcome == "taken-back" else "paused" if changed.ok else "unhealthy"
    if not changed.ok:
        return "unhealthy"
    return "upgraded" if changed.outcome == "changed" else so_far.outcome


def _from_now(kube: Kube, one: Target, where: status.Where) -> Target:
    """The step from the revision that the one before made. Raises `Exists` when somebody else made another."""
    there = release.current(kube, where.release, where.namespace, where.storage)
    if there is None:
        raise NotFound(f"there is no Helm release `{where.release}` any more", hint="look: `ciliumctl status`")
    if there.chart_version != one.before.chart_version or difference(there.config, one.before.config):
        raise Exists(
            f"Helm release `{where.release}` was changed meanwhile: it is at Cilium {there.chart_version}",
            hint="look at it with `ciliumctl status`, then run the command again",
        )
    return replace(one, before=there)
