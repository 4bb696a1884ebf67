"""Show which metrics of Cilium are on, whether they answer, and whether anything reads them.

Some pods of each part are asked, through the API server or through a port-forward: 5, those that are not ready first;
`--nodes` names others. Prometheuses, ServiceMonitors and other scrapers are looked for in all namespaces.

Exit codes: 0 all that is on answers, 1 something that is on does not.

Examples:
  ciliumctl monitoring status
  ciliumctl monitoring status --nodes all -o json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _ages
from ciliumctl.cli.options import listed, option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.monitoring.looking import MonitoringStatus
    from ciliumctl.monitoring.scrapers import Scraping
    from ciliumctl.monitoring.targets import TargetState

KIND = "MonitoringStatus"
_STYLES = {"answers": "good", "off": "dim", "partly": "bad", "silent": "bad", "no pods": "bad", "not asked": "dim"}


def command(
    ctx: typer.Context,
    *,
    nodes: Annotated[
        str, option("--nodes", "--node", metavar="LIST|all", help="Nodes whose pods are asked (default: 5 pods a part)")
    ] = "",
) -> None:
    """Look."""
    from ciliumctl.monitoring import looking

    session = session_of(ctx)
    session.allow("wide")
    session.deadline(90.0)
    wanted = listed(nodes)
    session.finish(looking.look(session.kube, session.settings.namespace, wanted, session.report), render)


def render(out: Writer, result: MonitoringStatus) -> None:
    """The targets, the readers, what is missing."""
    rows: list[list[Cell]] = [_row(one) for one in result.targets]
    out.table(("part", "metrics", "port", "asked", "series", "up for", "told by"), rows)
    for one in result.targets:
        for error in one.errors:
            out.line(("✗ ", "bad"), f"{one.component}: {error}")
    out.line()
    _readers(out, result.scraping)
    out.line(("dashboards: ", "head"), str(result.dashboards) if result.dashboards else "none")
    for lacking in result.scraping.lacking:
        out.line(("not looked at: ", "warn"), lacking)
    if result.findings:
        out.line()
    for finding in result.findings:
        out.line(("• ", "warn"), finding)
    if result.hint:
        out.hint(result.hint)


def _row(one: TargetState) -> list[Cell]:
    if one.state == "off":
        return [one.component, ("off", "dim"), "", "", "", "", ""]
    asked = f"{one.asked} of {one.pods}" if one.asked < one.pods else str(one.pods)
    return [
        one.component,
        (one.state, _STYLES[one.state]),
        str(one.port),
        f"{one.answered}/{asked}" if one.asked else "",
        str(one.series or ""),
        _ages.shown(one.age) if one.age is not None else "",
        ", ".join(one.told) or ("nobody", "warn"),
    ]


def _readers(out: Writer, scraping: Scraping) -> None:
    operator = "there" if scraping.operator else "not there"
    out.line(("Prometheus operator: ", "head"), operator)
    for server in scraping.prometheuses:
        taken = ", ".join(server.monitors) or "none of Cilium's monitors"
        out.line(f"  Prometheus {server.namespace}/{server.name} takes {taken}")
    for program in scraping.programs:
        out.line(f"  {program.about} in namespace {program.namespace}: {program.ready}/{program.pods} pods ready")
    if not scraping.prometheuses and not scraping.programs:
        out.line(("  nothing that reads metrics was found", "dim"))
