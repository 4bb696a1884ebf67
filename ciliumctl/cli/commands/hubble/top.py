"""Count flows: who talks most, and what of it is dropped.

`--by` says what flows are counted by, with commas between several: pod, namespace, workload, identity (each counts a
flow for both of its ends; with `from-` or `to-` before it for one), port, protocol, verdict, reason, type, direction,
node. A connection has several flows. Filters are those of `hubble observe`; nothing is kept but the counts.

Exit codes: 0 counted; 7 some node did not answer; 5 none did.

Examples:
  ciliumctl hubble top
  ciliumctl hubble top --by from-workload,to-workload,port -n shop
  ciliumctl hubble top --by reason --verdict DROPPED --all
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.hubble import _filtering
from ciliumctl.cli.commands.hubble._counting import WindowOptions
from ciliumctl.cli.commands.hubble._filtering import FilterOptions, ReachOptions
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.hubble.counting import Top

KIND = "HubbleTop"
ARGUMENTS = _filtering.ARGUMENTS


def command(
    ctx: typer.Context,
    *,
    by: Annotated[
        str, option("--by", metavar="LIST", help="What flows are counted by (default: from-workload,to-workload,port)")
    ] = "from-workload,to-workload,port",
    limit: Annotated[int, option("--limit", metavar="N", min=0, help="Lines, 0 for all (default: 20)")] = 20,
    window: WindowOptions,
    filters: FilterOptions,
    reach: ReachOptions,
) -> None:
    """Ask, count, show."""
    from ciliumctl.cli.commands.hubble import _counting
    from ciliumctl.hubble import counting

    session = session_of(ctx)
    session.allow()
    names = counting.parse_by(by)
    asked = _counting.question(session, filters, reach, window)
    _counting.run(session, lambda: counting.top(session.kube, asked, names, limit, session.report), render)


def render(out: Writer, result: Top) -> None:
    """One line an answer, most flows first."""
    from ciliumctl.cli.commands.hubble import _counting

    out.line(f"{result.flows} flows, {result.dropped} of them dropped; nodes asked: {len(result.nodes)}")
    if not result.rows:
        return
    rows: list[list[Cell]] = []
    for row in result.rows:
        dropped = (str(row.dropped), "bad" if row.dropped else "")
        rows.append([str(row.flows), f"{row.flows / result.flows:.0%}", dropped, *row.values])
    out.table(("flows", "share", "dropped", *result.by), rows)
    _counting.more(out, result.rows, result.different, "--limit")
