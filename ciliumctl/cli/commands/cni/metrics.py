"""Read the metrics of the CNIs in this cluster, and of Kubeskoop: addresses, interfaces, errors, lost packets.

Recognised are the AWS VPC CNI (`aws-node`, port 61678), Kubeskoop's agent (9102), Calico's Felix (9091) and Cilium's
agents; CNIs that have no metrics, such as Flannel, are named. Each pod is read twice, so that counters become rates.
Of many pods 20 are read, those that are not ready first.

Exit codes: 0 all that was asked answered (also when there is nothing), 1 an exporter is there and does not answer.

Examples:
  ciliumctl cni metrics
  ciliumctl cni metrics --nodes all --interval 30s -o json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _topics
from ciliumctl.cli.options import duration, listed, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.monitoring.exporters import CniMetrics, ExporterState

KIND = "CniMetrics"


def command(
    ctx: typer.Context,
    *,
    nodes: Annotated[
        str, option("--nodes", "--node", metavar="LIST|all", help="Nodes whose pods are read (default: 20 pods each)")
    ] = "",
    interval: Annotated[
        float, duration("--interval", help="Time between the two reads (default: 5s); 0 reads once: totals since start")
    ] = 5.0,
) -> None:
    """Recognise, read, sum up."""
    from ciliumctl.monitoring import exporters

    session = session_of(ctx)
    session.allow("wide")
    session.deadline(120.0 + 2 * interval)
    wanted = listed(nodes)
    session.finish(exporters.look(session.kube, wanted, interval, session.report), render)


def render(out: Writer, result: CniMetrics) -> None:
    """One part for each exporter."""
    for number, one in enumerate(result.exporters):
        if number:
            out.line()
        _show(out, one)
    for name in result.silent:
        out.line((f"{name}: ", "head"), "has no metrics of its own")
    if not result.exporters and not result.silent:
        out.line("no exporter of a CNI is known to be in this cluster")
        out.hint("`ciliumctl detect` says which CNIs are there")


def _show(out: Writer, one: ExporterState) -> None:
    many = f"{one.answered} of {one.asked} pods answer"
    more = f", of {one.pods}" if one.asked < one.pods else ""
    out.line((one.about, "head"), f"  {one.workload}, port {one.port}: {many}{more}, {one.series} series")
    for error in one.errors:
        out.line(("✗ ", "bad"), error)
    if one.hint:
        out.hint(one.hint)
    for topic in one.topics:
        if topic.rows:
            _topics.show(out, topic)
    quiet = [topic.name for topic in one.topics if not topic.rows and topic.metric]
    if quiet:
        out.line(("at 0: ", "good"), ", ".join(quiet))
