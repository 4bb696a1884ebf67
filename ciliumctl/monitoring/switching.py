"""Switch Cilium's metrics on and off through the installed chart's values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any, ClassVar, Literal

from ciliumctl import change, status
from ciliumctl.change import Target
from ciliumctl.clients.helm import Helm, Inputs, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Refused
from ciliumctl.hubble import metering
from ciliumctl.monitoring import parts
from ciliumctl.monitoring.parts import PARTS
from ciliumctl.report import Reporter
from ciliumctl.values import paths
from ciliumctl.values.paths import Path, get, merge

#: How scrapers are told: by objects of the Prometheus operator, or by annotations.
Way = Literal["prometheus-operator", "annotations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for. `None` leaves something as it is, or lets the cluster decide the way."""

    way: Way | None = None
    dashboards: bool | None = None
    hubble: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringChange:
    """What a switch did. `parts` says whose metrics are on, `values` which values changed, `way` is empty for off."""

    kind: ClassVar[str] = "MonitoringChange"

    outcome: str
    context: str
    namespace: str
    revision: int
    version: str
    way: str
    parts: Mapping[str, bool]
    hubble_metrics: tuple[str, ...]
    dashboards: bool
    values: tuple[str, ...] = ()
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as wanted, and healthy where that was waited for."""
        return self.status is None or self.status.ok


def way_for(wish: Wish, *, operator: bool) -> Way:
    """How scrapers are to be told.

    Raises:
        Refused: ServiceMonitors are asked for, and no such kind is there.
    """
    if wish.way == "prometheus-operator" and not operator:
        raise Refused(
            f"ServiceMonitors need the Prometheus operator, and `{parts.OPERATOR_GROUP}/{parts.OPERATOR_VERSION}` "
            "is not there",
            hint="install it first (the chart `kube-prometheus-stack` brings it), "
            "or let a Prometheus find Cilium by annotations: `ciliumctl monitoring enable --annotations`",
        )
    if wish.labels and wish.way == "annotations":
        raise Refused(
            "labels are for ServiceMonitors, and annotations are asked for",
            hint="leave one of `--labels` and `--annotations` out",
        )
    return wish.way or ("prometheus-operator" if operator else "annotations")


def enabled(found: Release, wish: Wish, way: Way, report: Reporter) -> dict[str, Any]:
    """The release's own values with monitoring on."""
    values = merge(found.defaults, found.config)
    wanted = dict(_on(values, wish, way, report))
    return _with(found, wanted)


def _on(values: Mapping[str, Any], wish: Wish, way: Way, report: Reporter) -> Iterator[tuple[Path, Any]]:
    for part in PARTS:
        if part.needs and get(values, part.needs) is not True:
            how = "`ciliumctl hubble enable` switches it on"
            report.note(f"metrics of {part.name}: left out, because {part.name} is off; {how}")
            continue
        on: Any = True
        if part.name == "hubble":
            on = list((metering.on_now(values) or parts.HUBBLE_METRICS) if wish.hubble is None else wish.hubble)
        for path in part.on:
            yield path, on or None
        yield (*part.monitor, "enabled"), way == "prometheus-operator" and bool(on)
        for key, value in wish.labels.items():
            yield (*part.monitor, "labels", key), value
        if wish.dashboards is not None and part.dashboards:
            yield part.dashboards, wish.dashboards and bool(on)


def disabled(found: Release, *, everything: bool) -> dict[str, Any]:
    """The release's own values with monitoring off; what the chart has on by default only with `everything`."""
    values = merge(found.defaults, found.config)
    wanted: dict[Path, Any] = {}
    for part in PARTS:
        off: Any = None if part.name == "hubble" else False
        if everything or not part.default_on:
            wanted |= dict.fromkeys(part.on, off)
        wanted[*part.monitor, "enabled"] = False
        wanted |= {
            (*part.monitor, "labels", key): None
            for key in get(found.config, (*part.monitor, "labels"), default={}) or {}
        }
        if part.dashboards:
            wanted[part.dashboards] = False
    return _with(found, {path: value for path, value in wanted.items() if parts.has(values, path)})


def _with(found: Release, wanted: Mapping[Path, Any]) -> dict[str, Any]:
    """The release's own values with others set; one that is the chart's default again is not kept."""
    config: dict[str, Any] = copy.deepcopy(dict(found.config))
    for path, value in wanted.items():
        label = len(path) > 1 and path[-2] == "labels"
        if not label and not parts.has(found.defaults, path):
            continue
        if get(merge(found.defaults, config), path) == value:
            continue
        paths.remove(config, path)
        if get(merge(found.defaults, config), path) != value:
            paths.put(config, path, value)
    return config


def aimed(found: Release, config: Mapping[str, Any], helm: Helm, scratch: File, report: Reporter) -> Target | None:
    """What the release would become with these values; `None` when it has them already."""
    if not paths.difference(found.config, config):
        return None
    chart = change.stored_chart(found, scratch)
    with report.step("Rendering the change") as step:
        target = change.aim(found, chart, Inputs(generated=config), helm)
        step.finish(f"values that change: {len(target.changed)}")
    return target


def unchanged(kube: Kube, found: Release) -> MonitoringChange:
    """The result where nothing is to be done."""
    values = merge(found.defaults, found.config)
    monitors = [part.name for part in PARTS if parts.monitored(values, part)]
    on = {part.name: parts.is_on(values, part) for part in PARTS}
    scraped = any(on[part.name] for part in PARTS if not part.default_on)
    return MonitoringChange(
        outcome="unchanged",
        context=kube.context,
        namespace=found.namespace,
        revision=found.revision,
        version=found.chart_version,
        way=("prometheus-operator" if monitors else "annotations") if scraped else "",
        parts=on,
        hubble_metrics=metering.on_now(values) if on["hubble"] else (),
        dashboards=any(get(values, part.dashboards) is True for part in PARTS if part.dashboards),
    )


def changed(kube: Kube, target: Target, made: change.Changed) -> MonitoringChange:
    """The result of a change that was carried out."""
    after = replace(target.before, config=target.config, defaults=target.chart.values)
    return replace(
        unchanged(kube, after),
        outcome=made.outcome,
        revision=made.revision,
        values=target.changed,
        status=made.status,
    )
