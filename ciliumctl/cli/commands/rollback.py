"""Go back to the last good revision, or to the one that is named.

The last good one is the newest that was applied whole and is not known to have failed: `ciliumctl history` marks it.
What is known to break on the way back is shown first. What would be lost for good is only deleted with
`--confirm CONTEXT`.

Exit codes: 0 back and healthy, 1 back and not healthy, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl rollback --dry-run
  ciliumctl rollback --yes
  ciliumctl rollback 4 --yes --timeout 15m
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.history import show_values
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.options import duration, option
from ciliumctl.cli.output import Writer, wants_color

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.rollback import RolledBack, WayBack

KIND = "Rollback"
_STYLE = {"destructive": "bad", "warning": "warn", "note": "dim"}


def command(
    ctx: typer.Context,
    revision: Annotated[
        int, typer.Argument(metavar="[REVISION]", show_default=False, help="Which one (default: the last good one)")
    ] = 0,
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would change and what breaks")] = False,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    force_conflicts: Annotated[
        bool, option("--force-conflicts", help="With Helm 4: take back fields that somebody else set")
    ] = False,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be undone")
    ] = "",
) -> None:
    """Choose, show, ask, go back."""
    from ciliumctl import history, rollback
    from ciliumctl.rollback import hazards

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(wait_duration)
    where = _installing.where(session)
    before, after = rollback.choose(history.past(session.kube, where, intention="rollback"), revision)
    major = int(session.helm.version().split(".")[0])
    ahead = rollback.preview(session.kube, before, after, helm_major=major, now=hazards.today())
    if dry_run:
        session.finish(ahead, show_preview)
    _ask(session, ahead, confirm)
    how = rollback.How(
        helm=session.helm,
        holder=session.holder("rollback"),
        where=where,
        deadline=deadline,
        report=session.report,
        wait=wait,
        force_conflicts=force_conflicts,
    )
    result = rollback.perform(session.kube, before, after, how)
    late = rollback.late(result, deadline)
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait else "status --wait")


def _ask(session: Session, ahead: WayBack, confirm: str) -> None:
    from ciliumctl.errors import NeedsConfirmation

    if not session.settings.quiet:
        color = wants_color(session.settings.color, sys.stderr, session.environ)
        show_preview(Writer(sys.stderr, color=color, address=session.addressed), ahead)
    if ahead.destructive and confirm != ahead.context:
        raise NeedsConfirmation(
            f"going back loses for good: {'; '.join(hazard.message for hazard in ahead.destructive)}",
            hint=f"save it first; then confirm it with the context's name: `--confirm {ahead.context}`",
        )
    session.confirm(
        f"Go back to revision {ahead.to_revision} on `{ahead.context}`?",
        refusal="going back changes a running network",
        hint="look first with `--dry-run`, then add `--yes`",
    )


def show_preview(out: Writer, ahead: WayBack) -> None:
    """What changes and what breaks."""
    versions = f"{ahead.from_version} → {ahead.version}" if ahead.from_version != ahead.version else ahead.version
    out.line(
        (f"revision {ahead.from_revision} → {ahead.to_revision}", "head"),
        f", Cilium {versions}, release {ahead.release} in namespace {ahead.namespace} of {ahead.context}",
    )
    counted = ((ahead.created, "created"), (ahead.changed, "changed"), (ahead.deleted, "deleted"))
    out.line("objects: ", ", ".join(f"{len(names)} {what}" for names, what in counted if names) or "none changes")
    for name in ahead.deleted:
        out.line("         ", (f"deleted: {name}", "removed"))
    if ahead.rolls:
        out.line("rolls:   ", ", ".join(ahead.rolls))
    if ahead.restarts:
        out.line("restarts: ", ", ".join(ahead.restarts))
    show_values(out, ahead.values)
    for hazard in ahead.hazards:
        out.line((f"{hazard.severity}: ", _STYLE[hazard.severity]), hazard.message)


def render(out: Writer, result: RolledBack) -> None:
    """Say what there is now."""
    versions = f"{result.from_version} → {result.version}" if result.from_version != result.version else result.version
    where = f"Cilium {versions} in namespace {result.namespace} of {result.context}"
    if result.outcome == "unchanged":
        out.line(f"{where}: unchanged, revision {result.revision} is the same as {result.to_revision}")
        return
    out.line(f"{where}: back at revision {result.to_revision}, as revision {result.revision}")
    if result.restarted:
        out.line(f"restarted: {', '.join(result.restarted)}")
    if result.status is not None:
        out.line()
        show_status(out, result.status)
