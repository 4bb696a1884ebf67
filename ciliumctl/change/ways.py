"""Which way an upgrade goes: the charts on it, whether it is a tested one, each step rendered. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ciliumctl import charts, lock, release, status
from ciliumctl.change import paused, proposal, route, target
from ciliumctl.change.proposal import Proposal
from ciliumctl.change.target import Target, with_chart
from ciliumctl.clients.helm import Release, unpack_chart
from ciliumctl.clients.kube import Kube, Resource
from ciliumctl.defaults import REPOSITORY
from ciliumctl.errors import CiliumctlError, Forbidden, UpgradePath, UsageError
from ciliumctl.installation import Means, Wanted, chart_for, spelled
from ciliumctl.values.paths import difference
from ciliumctl.versioning import named

#: Seconds for a look-up that is only worth a warning.
_LOOK_UP = charts.LOOK_UP_SECONDS


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


def propose(kube: Kube, found: Release, asked: Asked, means: Means) -> Proposal:
    """Where an upgrade without a wish would go. Raises `RepositoryUnreachable`."""
    repository = asked.wanted.chart.repository
    if repository.startswith("oci://"):
        raise UsageError("an OCI registry cannot be asked for its versions", hint="name one with `--version`")
    entries = charts.index(repository, web=means.web, cache=means.cache, report=means.report)
    return proposal.propose(found.chart_version, entries, kube.version())


def command_for(asked: Asked, *more: str, version: str = "") -> str:
    """The command line that asks for the same again, with more."""
    words = spelled(asked.wanted, "upgrade", version=version)
    return " ".join([words, *(["--reset-values"] if asked.reset else []), *more])


def refuse_if_busy(kube: Kube) -> None:
    """Say at once when somebody is at work: the lock itself is only taken when all is known. Raises `Locked`."""
    try:
        held = lock.look(kube)
    except Forbidden:
        # Who may not look at Leases is told so where the lock is taken.
        return
    lock.refuse_if_alive(held, time.time())


def from_deployed(kube: Kube, found: Release, storage: Resource) -> Release:
    """The release as it is installed: where its newest revision failed, what the one before it had, as Helm sees it.

    The number and the status stay those of the newest revision.
    """
    if found.status != "failed":
        return found
    known = release.revisions(kube, found.name, found.namespace, storage)
    deployed = next((one for one in reversed(known) if one.status == "deployed"), None)
    stored = release.read(kube, deployed, storage) if deployed is not None else None
    return replace(stored, revision=found.revision, status=found.status) if stored is not None else found


def prepare(kube: Kube, where: status.Where, found: Release, asked: Asked, means: Means, scratch: Path) -> Way:
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
    _only_from_health(kube, where, found, way[0], asked)
    _newest_patch_first(found, way[0], asked, means)
    return Way(found=found, targets=tuple(_targets(found, way, asked, means, scratch)))


def _around(before: str, after: str, asked: Asked) -> str:
    """What to do about the minors that lie between."""
    missed = ",".join(named(minor) for minor in route.between(before, after))
    if not asked.via:
        return (
            f"go through them: `{command_for(asked, f'--via {missed}')}`; "
            "`--allow-skip` leaves them out at your own risk"
        )
    given = ",".join(asked.via)
    skipping = f"`{command_for(asked, f'--via {given} --allow-skip')}`"
    if asked.via == (route.AUTO,):
        return (
            f"the repository has no {missed}: bring the chart and name it, or leave it out at your own risk: {skipping}"
        )
    return f"add {missed} to `--via`, or leave it out at your own risk: {skipping}"


def _only_from_health(kube: Kube, where: status.Where, found: Release, first: charts.Chart, asked: Asked) -> None:
    """Refuse the next minor for a Cilium that is not well: a step before it may have ended so."""
    if asked.allowed.unhealthy or route.minor_of(first.version) == route.minor_of(found.chart_version):
        return
    now = status.look(kube, where, light=True)
    if not now.ok:
        raise UpgradePath(
            f"Cilium {found.chart_version} is not healthy, and the next minor is only tested from a healthy one: "
            f"{status.summary(now)}",
            hint="mend it (`ciliumctl status` says what is wrong, `ciliumctl rollback` goes back), "
            "or go on all the same: `--allow-unhealthy`",
        )


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
