"""Show what is dropped: between whom, why, by which policy, and what to do about it.

Each reason is told in words, with what is no problem marked as such. For what a policy denied, the policies that
select the pod are named, and `--suggest` writes a CiliumNetworkPolicy that allows just that pair, port and direction:
look at it before you apply it. Filters are those of `hubble observe`; all nodes are asked, unless both ends are named,
as either end's may have dropped it.

Exit codes: 0 shown, whatever was dropped; 7 some node did not answer; 5 none did.

Examples:
  ciliumctl hubble drops
  ciliumctl hubble drops -n shop --since 1h
  ciliumctl hubble drops --to-pod shop/db --suggest | kubectl apply --dry-run=server -f -
  ciliumctl hubble drops --reasons
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
    from ciliumctl.hubble.dropping import Drop, Drops
    from ciliumctl.hubble.reasons import Reason, Reasons

KIND = "HubbleDrops"
ARGUMENTS = _filtering.ARGUMENTS
_SHOWN = 50
_STYLES = {"policy": "warn", "harmless": "dim", "passing": "dim", "trouble": "bad"}
_SAID = {"policy": "meant so", "harmless": "no problem", "passing": "while something starts", "trouble": "a problem"}


def command(
    ctx: typer.Context,
    *,
    suggest: Annotated[bool, option("--suggest", help="Write policies that would allow it, and nothing else")] = False,
    reasons: Annotated[bool, option("--reasons", help="List the reasons that are known; ask no cluster")] = False,
    window: WindowOptions,
    filters: FilterOptions,
    reach: ReachOptions,
) -> None:
    """Ask, judge, show."""
    from ciliumctl.cli.commands.hubble import _counting
    from ciliumctl.hubble import dropping
    from ciliumctl.hubble import reasons as catalogue
    from ciliumctl.hubble.filters import Filter

    session = session_of(ctx)
    session.allow("wide")
    if reasons:
        session.finish(catalogue.catalogue(), render_reasons)
    asked = _counting.question(session, filters, reach, window, Filter(name="verdict", value="DROPPED"))
    shown = render_policies if suggest else render_wide if session.settings.output == "wide" else render
    _counting.run(session, lambda: dropping.gather(session.kube, asked, session.report), shown)


def render(out: Writer, result: Drops) -> None:
    """One line a pair and reason, then each reason in words."""
    _table(out, result, wide=False)


def render_wide(out: Writer, result: Drops) -> None:
    """With the nodes and the time of the last one."""
    _table(out, result, wide=True)


def _table(out: Writer, result: Drops, *, wide: bool) -> None:
    problems = f", {result.problems} of them for a reason that is a problem" if result.problems else ""
    out.line(f"{result.flows} flows were dropped{problems}; nodes asked: {len(result.nodes)}")
    if not result.drops:
        return
    columns = ("flows", "from", "to", "port", "direction", "reason", "policy", *(("nodes", "last") if wide else ()))
    out.table(columns, [_row(drop, wide=wide) for drop in result.drops[: None if wide else _SHOWN]])
    if len(result.drops) > _SHOWN and not wide:
        out.line((f"and {len(result.drops) - _SHOWN} more; `-o wide` shows all", "dim"))
    found = {drop.reason.text: drop.reason for drop in result.drops}
    for reason in found.values():
        out.line()
        _explain(out, reason)
    if any(drop.suggestion for drop in result.drops):
        out.line()
        out.hint("the same command with `--suggest` writes policies that would allow what was denied")


def _row(drop: Drop, *, wide: bool) -> list[Cell]:
    policies = ", ".join(drop.policies) or "-"
    row: list[Cell] = [
        str(drop.flows),
        drop.source,
        drop.destination,
        f"{drop.port or '-'}/{drop.protocol.lower() or '-'}",
        drop.direction or "-",
        (drop.reason.text, _STYLES[drop.reason.nature]),
        policies if drop.told or not drop.policies else f"one of: {policies}",
    ]
    return [*row, ", ".join(drop.nodes), drop.last] if wide else row


def _explain(out: Writer, reason: Reason) -> None:
    out.line((reason.text, _STYLES[reason.nature]), f" ({_SAID[reason.nature]}): {reason.means}")
    out.hint(reason.do, indent="  ")


def render_policies(out: Writer, result: Drops) -> None:
    """Policies as YAML documents, each below what it is for."""
    from ciliumctl import yaml_files

    written: set[str] = set()
    for drop in result.drops:
        if drop.suggestion is None:
            continue
        text = yaml_files.dump(drop.suggestion)
        if text not in written:
            written.add(text)
            out.line(f"---\n# {drop.source} to {drop.destination}, {drop.direction}, denied {drop.flows} times")
            out.text(text)
    if not written:
        out.line("# nothing to suggest: no rule denied anything that a rule could allow")


def render_reasons(out: Writer, result: Reasons) -> None:
    """One line a reason."""
    rows = [
        (str(reason.number), reason.name or "-", reason.text, (_SAID[reason.nature], _STYLES[reason.nature]))
        for reason in result.reasons
    ]
    out.table(("number", "name", "reason", "is"), rows)
