"""Show what the policies said: which connections were allowed, denied or only audited, and by which rule.

A verdict is told once a connection and end, for pods that a policy selects. Which rule it was is known since Cilium
1.16; `default deny` stands where a policy selects the pod and no rule allows. Filters are those of `hubble observe`.

Exit codes: 0 shown; 7 some node did not answer; 5 none did.

Examples:
  ciliumctl hubble policy-verdicts -n shop
  ciliumctl hubble policy-verdicts --outcome denied --since 1h
  ciliumctl hubble policy-verdicts --outcome audited      what audit mode would have denied
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.hubble import _filtering
from ciliumctl.cli.commands.hubble._counting import WindowOptions
from ciliumctl.cli.commands.hubble._filtering import FilterOptions, ReachOptions
from ciliumctl.cli.options import choice, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.hubble.judging import Verdicts

KIND = "HubblePolicyVerdicts"
ARGUMENTS = _filtering.ARGUMENTS
_STYLES = {"allowed": "good", "denied": "bad", "audited": "warn"}
_VERDICTS = {"allowed": ("FORWARDED", "REDIRECTED"), "denied": ("DROPPED",), "audited": ("AUDIT",)}


def command(
    ctx: typer.Context,
    *,
    outcome: Annotated[str, choice(*_VERDICTS, "all", flags=("--outcome",), help="Only these (default: all)")] = "all",
    limit: Annotated[int, option("--limit", metavar="N", min=0, help="Lines, 0 for all (default: 50)")] = 50,
    window: WindowOptions,
    filters: FilterOptions,
    reach: ReachOptions,
) -> None:
    """Ask, count, show."""
    from ciliumctl.cli.commands.hubble import _counting
    from ciliumctl.hubble import judging
    from ciliumctl.hubble.filters import Filter

    session = session_of(ctx)
    session.allow()
    wanted = [Filter(name="type", value="policy-verdict")]
    wanted += [Filter(name="verdict", value=value) for value in _VERDICTS.get(outcome, ())]
    asked = _counting.question(session, filters, reach, window, *wanted)
    _counting.run(session, lambda: judging.gather(session.kube, asked, limit, session.report), render)


def render(out: Writer, result: Verdicts) -> None:
    """One line a pair, the denied ones first."""
    from ciliumctl.cli.commands.hubble import _counting

    out.line(
        f"{result.denied} denied, {result.audited} audited, {result.allowed} allowed; nodes asked: {len(result.nodes)}"
    )
    if not result.rows:
        return
    rows = [
        (
            str(row.flows),
            (row.outcome, _STYLES[row.outcome]),
            row.source,
            row.destination,
            f"{row.port or '-'}/{row.protocol.lower() or '-'}",
            row.direction,
            ", ".join(row.rules) or ("default deny" if row.outcome != "allowed" and row.match == "none" else row.match),
        )
        for row in result.rows
    ]
    out.table(("flows", "outcome", "from", "to", "port", "direction", "rule"), rows)
    _counting.more(out, result.rows, result.different, "--limit")
