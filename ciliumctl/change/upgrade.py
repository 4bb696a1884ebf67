"""Upgrade: find the way, see whether it is safe, go it one version after the other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from ciliumctl import charts, release, status
from ciliumctl.change import backup, images, paused, proposal, route, target
from ciliumctl.change.perform import Changed, How, perform
from ciliumctl.change.proposal import Proposal
from ciliumctl.change.ready import Outlook
from ciliumctl.change.target import Target, with_chart
from ciliumctl.clients.helm import Release, unpack_chart
from ciliumctl.clients.kube import Kube, Resource
from ciliumctl.defaults import REPOSITORY
from ciliumctl.errors import CiliumctlError, Exists, NotFound, UpgradePath, UsageError
from ciliumctl.installation import Means, Wanted, chart_for
from ciliumctl.values.paths import difference

#: Seconds for a look-up that is only worth a warning.
_LOOK_UP = charts.LOOK_UP_SECONDS

Outcome = Literal["upgraded", "unchanged", "paused", "taken-back", "unhealthy", "dry-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asks for. `via` are versions or charts to go through, or `auto` alone."""

    wanted: Wanted
    via: tuple[str, ...] = ()
    reset: bool = False
    allowed: route.Allowed = field(default_factory=route.Allowed)

    def __post_init__(self) -> None:
        if self.via and not (self.wanted.chart.version or self.wanted.chart.chart):
            raise UsageError("`--via` says which way, not where to", hint="name the last version with `--version`")

    @property
    def nothing(self) -> bool:
        """Whether neither a version nor a value was named."""
        wanted = self.wanted
        return not (wanted.chart.version or wanted.chart.chart or self.values)

    @property
    def values(self) -> bool:
        """Whether values are to change."""
        return bool(self.wanted.files or self.wanted.flags or self.wanted.presets or self.reset)


@dataclass(frozen=True, kw_only=True)
class Way:
    """From the installed release to where it is to go; each target starts where the one before ends."""

    found: Release
    targets: tuple[Target, ...]

    @property
    def unchanged(self) -> bool:
        """Whether the release is there as asked for already."""
        return all(one.unchanged for one in self.targets)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions, from the installed one on."""
        return (self.found.chart_version, *(one.chart.version for one in self.targets))

    @property
    def goes_on(self) -> bool:
        """Whether it ends a staged restart that an earlier run began."""
        return paused.of(self.found) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What came of an upgrade, step by step. `version` is what the release has now, `wanted` what was asked for.

    `ahead` is what was known before: all there is of a dry run. `backup` is the folder of the back-up.
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
    steps: tuple[Changed, ...] = ()
    backup: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is where it was to go, and healthy where that was waited for."""
        return self.outcome not in {"taken-back", "unhealthy"}


def propose(kube: Kube, found: Release, asked: Asked, means: Means) -> Proposal:
    """Where an upgrade without a wish would go. Raises `RepositoryUnreachable`."""
    repository = asked.wanted.chart.repository
    if repository.startswith("oci://"):
        raise UsageError("an OCI registry cannot be asked for its versions", hint="name one with `--version`")
    entries = charts.index(repository, web=means.web, cache=means.cache, report=means.report)
    return proposal.propose(found.chart_version, entries, kube.version())


def command_for(asked: Asked, *more: str, version: str = "") -> str:
    """The command line that asks for the same again, with more."""
    chart = asked.wanted.chart
    words = ["ciliumctl", "upgrade"]
    if chart.chart:
        words += ["--chart", chart.chart]
    elif version or chart.version:
        words += ["--version", version or chart.version]
    if chart.repository != REPOSITORY:
        words += ["--repository", chart.repository]
    words += [part for file in asked.wanted.files for part in ("-f", file)]
    words += [part for flag in asked.wanted.flags for part in (f"--{flag.kind}", flag.text)]
    words += [part for name in asked.wanted.presets for part in ("--preset", name)]
    return " ".join([shlex.join(words), *(["--reset-values"] if asked.reset else []), *more])


def prepare(kube: Kube, found: Release, asked: Asked, means: Means, scratch: Path) -> Way:
    """Find the charts of the way, check it and render every step. Changes nothing.

    Raises:
        UpgradePath, Downgrade: the way is not one that is tested.
        HelmFailed: a chart on the way refuses the values.
    """
    if paused.of(found) is not None:
        return _going_on(found, asked, means, scratch)
    way = _charts(found, asked, means, scratch)
    before = found.chart_version
    for chart in way:
        try:
            route.check(before, chart.version, asked.allowed)
        except UpgradePath as error:
            error.hint = _around(before, chart.version, asked)
            raise
        route.check_names(kube, before, chart.version)
        before = chart.version
    _newest_patch_first(found, way[0], asked, means)
    return Way(found=found, targets=tuple(_targets(found, way, asked, means, scratch)))


def _around(before: str, after: str, asked: Asked) -> str:
    """What to do about the minors that lie between."""
    missed = ",".join(route.named(minor) for minor in route.between(before, after))
    if not asked.via:
        return (
            f"go through them: `{command_for(asked, f'--via {missed}')}`; "
            "`--allow-skip` leaves them out on your own risk"
        )
    given = ",".join(asked.via)
    skipping = f"`{command_for(asked, f'--via {given} --allow-skip')}`"
    if asked.via == (route.AUTO,):
        return (
            f"the repository has no {missed}: bring the chart and name it, or leave it out on your own risk: {skipping}"
        )
    return f"add {missed} to `--via`, or leave it out on your own risk: {skipping}"


def _charts(found: Release, asked: Asked, means: Means, scratch: Path) -> list[charts.Chart]:
    final = chart_for(asked.wanted, found, means, scratch)
    repository = asked.wanted.chart.repository
    stops: Sequence[str] = asked.via
    if stops == (route.AUTO,):
        entries = charts.index(repository, web=means.web, cache=means.cache, report=means.report)
        stops = route.automatic(found.chart_version, final.version, entries)
    between = [
        chart_for(replace(asked.wanted, chart=route.request(stop, repository)), found, means, scratch) for stop in stops
    ]
    return route.ahead(found.chart_version, [*between, final])


def _targets(found: Release, way: Sequence[charts.Chart], asked: Asked, means: Means, scratch: Path) -> list[Target]:
    """One for each step, rendered with the values as they are now: what a chart refuses is known before all changes."""
    made: list[Target] = []
    before = found
    for chart in way:
        one = with_chart(found, chart, asked.wanted, means, scratch, reset=asked.reset)
        made.append(replace(one, before=before))
        before = replace(
            found,
            chart_version=chart.version,
            defaults=chart.values,
            config=one.config,
            manifest=one.manifest,
            stored_chart={"metadata": dict(chart.metadata)},
        )
    return made


def _going_on(found: Release, asked: Asked, means: Means, scratch: Path) -> Way:
    """The way that ends a staged restart. Raises `UpgradePath` when something else is asked for meanwhile."""
    one = target.towards(found, asked.wanted, means, scratch, reset=asked.reset)
    if asked.via or not one.same_chart or difference(paused.own_values(found), one.config):
        raise UpgradePath(
            f"the upgrade to {found.chart_version} is not finished: agents wait for their batch",
            hint="go on with `ciliumctl upgrade`, all at once, or `ciliumctl upgrade --batch 10%`; "
            "`ciliumctl rollback` goes back",
        )
    return Way(found=found, targets=(one,))


def _newest_patch_first(found: Release, first: charts.Chart, asked: Asked, means: Means) -> None:
    """Warn when the next minor is taken from an old patch. Only what can be known quickly; never an error."""
    chart = asked.wanted.chart
    installed = found.chart_version
    upwards = route.parse(first.version) > route.parse(installed)
    if not upwards or route.minor_of(first.version) == route.minor_of(installed):
        return
    if (chart.chart and chart.repository == REPOSITORY) or chart.repository.startswith("oci://"):
        # Who brings the chart may have no network: nothing is asked.
        return
    before = means.web.deadline
    means.web.deadline = before.within(_LOOK_UP)
    try:
        entries = charts.index(chart.repository, web=means.web, cache=means.cache, report=means.report)
    except CiliumctlError:
        return
    finally:
        means.web.deadline = before
    newest = route.newest_of(route.minor_of(installed), entries)
    if newest and route.parse(newest) > route.parse(installed):
        means.report.warn(
            f"{installed} is not the newest patch of its minor ({newest} is): only from there the next one is tested",
            f"go there first: `{command_for(asked, '--via auto')}`",
        )


def before_chart(way: Way, scratch: Path) -> charts.Chart:
    """The chart that is installed, from what Helm keeps of it."""
    return charts.read(unpack_chart(way.found, scratch / "before"), "the installed release")


def nothing_done(kube: Kube, way: Way, ahead: Sequence[Outlook] = (), outcome: Outcome = "unchanged") -> Upgraded:
    """The result as it is before the first step."""
    return Upgraded(
        outcome=outcome,
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
            if number > 1:
                error.result = error.result if isinstance(error.result, Upgraded) else result
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
