"""What an installed release is to become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ciliumctl import charts, owners, release, status
from ciliumctl.change import paused
from ciliumctl.clients.helm import Helm, Inputs, Release, unpack_chart
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import NotFound, OutsideError
from ciliumctl.installation import Means, Wanted, chart_for, stuck, user_inputs
from ciliumctl.parallel import together
from ciliumctl.values import presets
from ciliumctl.values.paths import difference, merge


@dataclass(frozen=True, kw_only=True)
class Target:
    """A release as it is, and as Helm would make it. Nothing is changed by making one."""

    before: Release
    chart: charts.Chart
    #: For helm: the stored values below the user's files and flags.
    inputs: Inputs
    #: What Helm will keep as the release's own values.
    config: Mapping[str, Any]
    #: What Helm will apply, rendered by `helm upgrade --dry-run=server`: `lookup` sees the cluster.
    manifest: str
    #: Whether the API server will apply it, as Helm 4 does, instead of a patch by Helm.
    server_side: bool = False

    @cached_property
    def values_before(self) -> Mapping[str, Any]:
        """All values of the installed release, the chart's own among them."""
        return merge(self.before.defaults, self.before.config)

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """All values as they will be."""
        return merge(self.chart.values, self.config)

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """The dotted paths of the release's own values that change."""
        return tuple(difference(self.before.config, self.config))

    @cached_property
    def same_chart(self) -> bool:
        """Whether the chart stays the very same, template by template."""
        return self.chart.same_as(self.before.stored_chart)

    @property
    def unchanged(self) -> bool:
        """Whether the release is there as asked for already."""
        return self.same_chart and not self.changed and self.before.status == "deployed"


def installed(kube: Kube, where: status.Where, intention: owners.Intention) -> Release:
    """The release to change. `intention` says what for: its owner has another command for each.

    Raises:
        NotFound: there is none; ForeignOwner: something else manages Cilium; ReleaseStuck: it is pending.
    """
    found, owner = together(
        partial(release.current, kube, where.release, where.namespace, where.storage),
        partial(owners.of_cilium, kube, namespace=where.namespace, release_name=where.release),
    )
    if owner is not None:
        raise owners.foreign(owner, intention)
    if found is None:
        raise missing(where)
    if found.pending:
        raise stuck(found)
    return found


def look(kube: Kube, where: status.Where) -> tuple[Release | None, owners.Owner | None]:
    """The release, and who else manages Cilium: for those who only look. Four requests.

    Raises:
        ReleaseStuck: the release is pending.
    """
    found, owner = together(
        partial(release.current, kube, where.release, where.namespace, where.storage),
        partial(owners.of_cilium, kube, namespace=where.namespace, release_name=where.release),
    )
    if found is not None and found.pending:
        raise stuck(found)
    return found, owner


def missing(where: status.Where) -> NotFound:
    """The error where there is no release to change."""
    return NotFound(
        f"there is no Helm release `{where.release}` in namespace `{where.namespace}`",
        hint="install Cilium first: `ciliumctl install`, or name the right namespace with `-n`",
    )


def stored_chart(found: Release, scratch: Path) -> charts.Chart:
    """The chart that the release was made from: a change of values needs no repository, and changes no version."""
    return charts.read(unpack_chart(found, scratch / "installed"), "the installed release")


def towards(found: Release, wanted: Wanted, means: Means, scratch: Path, *, reset: bool = False) -> Target:
    """The release with the chart, the presets and the values that the user gives over its own.

    With `reset` its own values are dropped. The chart's new defaults are taken either way.
    """
    chart = chart_for(wanted, found, means, scratch)
    return with_chart(found, chart, wanted, means, scratch, reset=reset)


def with_chart(
    found: Release, chart: charts.Chart, wanted: Wanted, means: Means, scratch: Path, *, reset: bool = False
) -> Target:
    """The same with a chart that was found already."""
    generated: Mapping[str, Any] = {} if reset else paused.own_values(found)
    for name in wanted.presets:
        generated = merge(generated, presets.load(name).values)
    user = user_inputs(wanted, means.web, scratch)
    with means.report.step("Rendering the change") as step:
        inputs = Inputs(generated=generated, files=user.files, flags=user.flags)
        target = aim(found, chart, inputs, means.helm)
        step.finish(
            f"Cilium {found.chart_version} → {chart.version}, values of its own that change: {len(target.changed)}"
        )
    return target


def aim(found: Release, chart: charts.Chart, inputs: Inputs, helm: Helm) -> Target:
    """What Helm would make of the release. One helm process, which asks the server and changes nothing.

    Raises:
        HelmFailed: the chart, the values or the server say no; each kind has its own class.
    """
    dry = helm.upgrade(found.name, str(chart.path), inputs, namespace=found.namespace, dry_run=True)
    if not dry.manifest:
        raise OutsideError("helm rendered nothing for the upgrade", hint="look with `helm upgrade --dry-run=server`")
    return Target(
        before=found,
        chart=chart,
        inputs=inputs,
        config=dry.config,
        manifest=dry.manifest,
        server_side=dry.apply_method == "ssa",
    )
