"""Switch the metrics of Cilium's parts on: agent, operator, Envoy, Hubble and relay.

Changes the installed chart's values and nothing else. Where the Prometheus operator is installed, it is told by
ServiceMonitors; elsewhere by annotations, which a Prometheus with the usual configuration follows. `--labels` are those
that your Prometheus selects ServiceMonitors by, with kube-prometheus-stack the name of its release.
What the change does is shown first. The agents restart in turn: metrics of Hubble, and the agents' own port, are read
when they start. `--dashboards` makes Grafana's ConfigMaps as the chart ships them.

Exit codes: 0 changed or unchanged, 1 not healthy, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl monitoring enable
  ciliumctl monitoring enable --prometheus-operator --labels release=kube-prometheus-stack --dashboards
  ciliumctl monitoring enable --annotations --hubble-metrics dns,drop,httpV2:labelsContext=source_pod
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _applying
from ciliumctl.cli.commands.monitoring import _switching
from ciliumctl.cli.options import option
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.monitoring.switching import Way

KIND = "MonitoringChange"


def command(
    ctx: typer.Context,
    *,
    prometheus_operator: Annotated[
        bool, option("--prometheus-operator", help="Make ServiceMonitors; refused where no operator is")
    ] = False,
    annotations: Annotated[bool, option("--annotations", help="Annotate pods and services only")] = False,
    labels: Annotated[
        list[str] | None, option("--labels", metavar="KEY=VALUE", help="Labels of the ServiceMonitors; repeatable")
    ] = None,
    hubble_metrics: Annotated[
        list[str] | None,
        option("--hubble-metrics", metavar="LIST|none", help="Metrics of Hubble (default: those that are on, or 7)"),
    ] = None,
    dashboards: Annotated[
        bool | None, option("--dashboards/--no-dashboards", help="Grafana's dashboards (default: as they are)")
    ] = None,
    answers: _applying.ChangeOptions,
) -> None:
    """Find out how scrapers are told, show what changes, ask, change it."""
    from ciliumctl.monitoring import naming, parts, switching

    session = session_of(ctx)
    session.allow()
    way: Way | None = "prometheus-operator" if prometheus_operator else "annotations" if annotations else None
    if prometheus_operator and annotations:
        raise UsageError("scrapers are told in one way", hint="choose `--prometheus-operator` or `--annotations`")
    wish = switching.Wish(
        way=way,
        dashboards=dashboards,
        hubble=None if hubble_metrics is None else naming.hubble_metrics(hubble_metrics),
        labels=naming.labels(labels or ()),
    )
    chosen = switching.way_for(wish, operator=parts.operator_there(session.kube))
    if wish.way is None:
        there = "is there" if chosen == "prometheus-operator" else "is not there"
        told = "ServiceMonitors" if chosen == "prometheus-operator" else "annotations, and no ServiceMonitors"
        session.report.note(f"the Prometheus operator {there}: {told}")
    _switching.switch(
        session,
        "monitoring enable",
        answers,
        lambda found: switching.enabled(found, wish, chosen, session.report),
        then="monitoring status",
    )
