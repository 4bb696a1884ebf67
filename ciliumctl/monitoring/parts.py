"""The parts of Cilium that have metrics, and the chart's values that are about them.

Read from the charts 1.15.6 to 1.20.0. A value that the chart at hand does not have is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl.clients.kube import Kube
from ciliumctl.values.paths import Path, get

#: The group and version that the chart wants for its ServiceMonitors.
OPERATOR_GROUP, OPERATOR_VERSION = "monitoring.coreos.com", "v1"
#: The ConfigMaps' label that Grafana's side-cars look for, as the chart sets it.
DASHBOARD_LABEL, DASHBOARD_VALUE = "grafana_dashboard", "1"
#: What the documentation of Cilium switches on, and what the chart's own dashboards show.
HUBBLE_METRICS = ("dns", "drop", "tcp", "flow", "port-distribution", "icmp", "httpV2")
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. `on` switch its metrics on, `needs` must be true for it to exist, `monitor` is its ServiceMonitor's."""

    name: str
    on: tuple[Path, ...]
    monitor: Path
    dashboards: Path = ()
    needs: Path = ()
    #: Whether the charts have it on unless told otherwise: switching monitoring off leaves it so.
    default_on: bool = False


PARTS: tuple[Part, ...] = (
    Part(
        name="agent",
        on=(("prometheus", "enabled"),),
        monitor=("prometheus", "serviceMonitor"),
        dashboards=("dashboards", "enabled"),
    ),
    Part(
        name="operator",
        on=(("operator", "prometheus", "enabled"),),
        monitor=("operator", "prometheus", "serviceMonitor"),
        dashboards=("operator", "dashboards", "enabled"),
        default_on=True,
    ),
    Part(
        name="envoy",
        # Until 1.15 two values were asked.
        on=(("envoy", "prometheus", "enabled"), ("proxy", "prometheus", "enabled")),
        monitor=("envoy", "prometheus", "serviceMonitor"),
        default_on=True,
    ),
    Part(
        name="hubble",
        on=(("hubble", "metrics", "enabled"),),
        monitor=("hubble", "metrics", "serviceMonitor"),
        dashboards=("hubble", "metrics", "dashboards", "enabled"),
        needs=("hubble", "enabled"),
    ),
    Part(
        name="relay",
        on=(("hubble", "relay", "prometheus", "enabled"),),
        monitor=("hubble", "relay", "prometheus", "serviceMonitor"),
        needs=("hubble", "relay", "enabled"),
    ),
)


def operator_there(kube: Kube) -> bool:
    """Whether the kinds of the Prometheus operator are there, as the chart asks for them. One request."""
    return OPERATOR_VERSION in kube.groups().get(OPERATOR_GROUP, ())


def has(defaults: Mapping[str, Any], path: Path) -> bool:
    """Whether a chart has a value at all, null or not."""
    return get(defaults, path, _MISSING) is not _MISSING


def is_on(values: Mapping[str, Any], part: Part) -> bool:
    """Whether values switch a part's metrics on."""
    if part.needs and get(values, part.needs) is not True:
        return False
    return all(bool(get(values, path)) for path in part.on if has(values, path))


def monitored(values: Mapping[str, Any], part: Part) -> bool:
    """Whether values ask for a part's ServiceMonitor."""
    return get(values, (*part.monitor, "enabled")) is True
