"""A plan: what an installed release would become, what that changes in the cluster, and what it does to the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ciliumctl.change import impact
from ciliumctl.change.differences import Compared, Difference, Mode, of_cluster, of_manifests
from ciliumctl.change.dry_runs import Owner
from ciliumctl.change.impact import Effect, Restart, ValueChange
from ciliumctl.change.masking import Masker
from ciliumctl.change.objects import parse
from ciliumctl.change.rules import Level
from ciliumctl.change.target import Target
from ciliumctl.clients.kube import Kube
from ciliumctl.report import Reporter
from ciliumctl.values.paths import difference, leaves, split

Confirmation = Literal["none", "yes", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would change. `revision` is the one that is there now; 0 where nothing is installed.

    `confirmation` is what applying it needs: nothing, a yes, or the context's name.
    """

    kind: ClassVar[str] = "Plan"

    operation: Literal["install", "change"]
    context: str
    namespace: str
    release: str
    revision: int
    from_version: str
    version: str
    values: tuple[ValueChange, ...]
    objects: tuple[Difference, ...]
    effects: tuple[Effect, ...]
    restarts: tuple[Restart, ...]
    worst: Level
    confirmation: Confirmation
    requests: int
    saved: str = ""
    _compared: tuple[Compared, ...] = ()

    @property
    def compared(self) -> tuple[Compared, ...]:
        """The objects with both their sides; not printed."""
        return self._compared

    @property
    def ok(self) -> bool:
        """Always: a plan is no judgement."""
        return True

    @property
    def differs(self) -> bool:
        """Whether anything would change, or has changed since the release was made."""
        return bool(self.values) or any(item.differs for item in self.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What differs, in one of three ways to look at it. It is ok when nothing does."""

    kind: ClassVar[str] = "Differences"

    mode: Mode
    context: str
    namespace: str
    release: str
    revision: int
    from_version: str
    version: str
    values: tuple[ValueChange, ...]
    objects: tuple[Difference, ...]
    requests: int
    _compared: tuple[Compared, ...] = ()

    @property
    def compared(self) -> tuple[Compared, ...]:
        """The objects with both their sides; not printed."""
        return self._compared

    @property
    def ok(self) -> bool:
        """Whether there is no difference."""
        return not self.values and not any(item.differs for item in self.objects)


def plan(kube: Kube, target: Target, report: Reporter) -> Plan:
    """What the change of an installed release would do. Changes nothing."""
    found = impact.of(target)
    compared, requests = _compared(kube, target, report)
    objects = [item.difference for item in compared]
    before = target.before
    return Plan(
        operation="change",
        context=kube.context,
        namespace=before.namespace,
        release=before.name,
        revision=before.revision,
        from_version=before.chart_version,
        version=target.chart.version,
        values=found.values,
        objects=tuple(objects),
        effects=found.effects,
        restarts=_all_restarts(target, found.restarts, objects),
        worst=found.worst,
        confirmation=found.confirmation,
        requests=requests,
        _compared=tuple(compared),
    )


def _all_restarts(target: Target, known: Sequence[Restart], objects: Sequence[Difference]) -> tuple[Restart, ...]:
    if target.unchanged and not any(item.differs for item in objects):
        # Helm is not run at all.
        return ()
    return (*known, *_more_restarts(known, objects))


def _more_restarts(known: Sequence[Restart], objects: Sequence[Difference]) -> list[Restart]:
    """Workloads whose pods Helm replaces although their manifest stays: the live one differs from it."""
    named = {(item.workload, item.namespace) for item in known if item.by == "rollout"}
    more = []
    for item in objects:
        name = f"{item.kind.lower()}/{item.name}"
        if item.rolls and (name, item.namespace) not in named:
            why = "Helm puts back what was changed" if item.differs else "Helm takes away the mark of the last restart"
            more.append(Restart(workload=name, namespace=item.namespace, by="rollout", why=why))
    return more


def _compared(kube: Kube, target: Target, report: Reporter) -> tuple[list[Compared], int]:
    before = target.before
    start = kube.requests
    with report.step("Comparing with the cluster") as step:
        found = of_cluster(
            kube,
            parse(before.manifest, before.namespace),
            parse(target.manifest, before.namespace),
            Owner(name=before.name, namespace=before.namespace, server_side=target.server_side),
        )
        differ = sum(item.difference.differs for item in found)
        step.finish(f"{differ} object{'' if differ == 1 else 's'} {'differs' if differ == 1 else 'differ'}")
    return found, kube.requests - start


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """An installation where nothing is yet."""

    namespace: str
    release: str
    version: str
    values: Mapping[str, Any]
    manifest: str


def plan_installation(kube: Kube, fresh: Fresh, report: Reporter) -> Plan:
    """What an installation would make. Changes nothing."""
    start = kube.requests
    with report.step("Comparing with the cluster") as step:
        compared = of_cluster(
            kube,
            {},
            parse(fresh.manifest, fresh.namespace),
            Owner(name=fresh.release, namespace=fresh.namespace),
        )
        step.finish(f"{len(compared)} objects to create")
    return Plan(
        operation="install",
        context=kube.context,
        namespace=fresh.namespace,
        release=fresh.release,
        revision=0,
        from_version="",
        version=fresh.version,
        values=tuple(_given(fresh.values)),
        objects=tuple(item.difference for item in compared),
        effects=(),
        restarts=(),
        worst="none",
        confirmation="none",
        requests=kube.requests - start,
    )


def _given(values: Mapping[str, Any]) -> list[ValueChange]:
    masker = Masker()
    return [
        ValueChange(
            key=key,
            before=None,
            after=masker.value(dict(leaves(values))[split(key)], split(key)),
            level="none",
        )
        for key in difference({}, values)
    ]


def compare(kube: Kube, target: Target, mode: Mode, report: Reporter) -> Differences:
    """What differs: live objects and the target, the release's manifest and the target, or only the values."""
    before = target.before
    compared: Sequence[Compared] = ()
    values: Sequence[ValueChange] = ()
    requests = 0
    if mode == "live":
        compared, requests = _compared(kube, target, report)
    elif mode == "release":
        compared = of_manifests(parse(before.manifest, before.namespace), parse(target.manifest, before.namespace))
    else:
        values = _all_values(target)
    return Differences(
        mode=mode,
        context=kube.context,
        namespace=before.namespace,
        release=before.name,
        revision=before.revision,
        from_version=before.chart_version,
        version=target.chart.version,
        values=tuple(values),
        objects=tuple(item.difference for item in compared),
        requests=requests,
        _compared=tuple(compared),
    )


def _all_values(target: Target) -> list[ValueChange]:
    """Every value that differs, the chart's defaults among them, with the level of the release's own ones."""
    levels = {value.key: value.level for value in impact.of(target).values}
    before, after = dict(leaves(target.values_before)), dict(leaves(target.values))
    masker = Masker()
    found = []
    for key in difference(target.values_before, target.values):
        path = split(key)
        found.append(
            ValueChange(
                key=key,
                before=masker.value(before.get(path), path),
                after=masker.value(after.get(path), path),
                level=levels.get(key, "none"),
            )
        )
    return found
