"""Carrying a change of values out: what it does is shown first, asked about where it interrupts traffic, then done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from ciliumctl import defaults
from ciliumctl.cli.commands import _installing, _planning
from ciliumctl.cli.groups import OptionGroup
from ciliumctl.cli.options import duration, option
from ciliumctl.wait import Deadline

if TYPE_CHECKING:
    from ciliumctl.change import Changed, Target
    from ciliumctl.change.impact import Impact
    from ciliumctl.cli.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions(OptionGroup):
    """Of commands that change the installed chart's values."""

    dry_run: Annotated[bool, option("--dry-run", help="Only show what would change")] = False
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be done live")
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What is being done: the command as the user typed it, what history will say, and what was answered already."""

    command: str
    operation: str
    deadline: Deadline
    wait: bool = True
    confirm: str = ""


def carry_out(session: Session, target: Target, doing: Doing) -> Changed:
    """Show, ask, do. Raises `NeedsConfirmation`, and what a change can fail with."""
    from ciliumctl import change
    from ciliumctl.change import impact

    effects = impact.of(target)
    if not target.unchanged:
        _show(session, effects)
        _planning.consent(session, effects, confirm=doing.confirm, what=f"`ciliumctl {doing.command}`")
    how = change.How(
        helm=session.helm,
        holder=session.holder(doing.command),
        where=_installing.where(session),
        deadline=doing.deadline,
        report=session.report,
        operation=doing.operation,
        wait=doing.wait,
    )
    return change.perform(session.kube, target, how)


def _show(session: Session, effects: Impact) -> None:
    if session.settings.quiet:
        return
    out = session.stderr()
    _planning.show_values(out, effects.values)
    _planning.show_restarts(out, effects.restarts)
    _planning.show_effects(out, effects.effects)
    out.line()
