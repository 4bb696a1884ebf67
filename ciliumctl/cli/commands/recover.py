"""Mend a release that an operation left half-way, and a lock whose holder is gone.

First it looks: who began what and when, what of it is applied, how the agents are. Then it proposes one way out, with
the reason, and takes it when told so. Agents that run are never deleted, and restarted only where they must be.
Nothing is ever uninstalled.

Exit codes: 0 mended or nothing to mend, 1 mended and not healthy, 3 somebody is at work, or not confirmed.

Examples:
  ciliumctl recover --dry-run
  ciliumctl recover --yes
  ciliumctl recover --back --yes
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _ages, _installing
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.options import duration, option
from ciliumctl.cli.output import Writer, wants_color

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.recovery import Proposal, Recovered
    from ciliumctl.recovery.proposal import Wish

KIND = "Recovery"
_WORDS = {
    "none": "nothing to mend",
    "tidy": "take away the marks of the killed run",
    "restart": "restart what was not restarted",
    "finish": "write down that the change is complete",
    "forward": "make the same change again",
    "continue": "go on with the installation",
    "back": "go back to revision {good}",
    "uninstall": "run `ciliumctl uninstall`",
}


def command(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what was found and what would be done")] = False,
    forward: Annotated[
        bool | None, option("--forward/--back", help="Complete the change, or take it back (default: what is safer)")
    ] = None,
    abandoned: Annotated[
        bool, option("--abandoned", help="Another tool's operation is known to be dead: do not wait for its time")
    ] = False,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
) -> None:
    """Look, propose, ask, mend."""
    from ciliumctl import recovery
    from ciliumctl.errors import Refused

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(wait_duration)
    where = _installing.where(session)
    with session.report.step("Looking at the release"):
        found = recovery.look(session.kube, where, time.time())
    recovery.refuse_if_at_work(found, abandoned=abandoned)
    wishes: dict[bool | None, Wish] = {None: "", True: "forward", False: "back"}
    ahead = recovery.propose(found, session.kube.context, wishes[forward])
    if dry_run or ahead.action == "none":
        session.finish(ahead, show_preview)
    if ahead.action == "uninstall":
        error = Refused(
            f"release `{ahead.release}` is being uninstalled since {ahead.began[:19]}, and recover removes nothing",
            hint="finish it with `ciliumctl uninstall`; afterwards `ciliumctl install` begins anew",
        )
        session.fail(error, ahead, show_preview)
    _ask(session, ahead)
    how = recovery.How(
        helm=lambda: session.helm,
        holder=session.holder("recover"),
        where=where,
        deadline=deadline,
        report=session.report,
        wait=wait,
    )
    result = recovery.perform(session.kube, found, ahead, how)
    late = recovery.late(result, deadline)
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait or result.paused else "status --wait")


def _ask(session: Session, ahead: Proposal) -> None:
    if not session.settings.quiet:
        color = wants_color(session.settings.color, sys.stderr, session.environ)
        show_preview(Writer(sys.stderr, color=color, address=session.addressed), ahead)
    session.confirm(
        f"Do this on `{ahead.context}`: {_said(ahead)}?",
        refusal="mending a release changes a running network",
        hint="look first with `--dry-run`, then add `--yes`",
    )


def _said(ahead: Proposal) -> str:
    return _WORDS[ahead.action].format(good=ahead.good_revision)


def show_preview(out: Writer, ahead: Proposal) -> None:
    """What was found, and what is proposed."""
    bad = ahead.status not in {"deployed", "superseded"}
    out.line(
        f"release {ahead.release} in namespace {ahead.namespace} of {ahead.context}, revision {ahead.revision}: ",
        (ahead.status, "bad" if bad else "good"),
        f" since {_ages.shown(ahead.age_seconds)}",
    )
    if ahead.operation:
        moves = ahead.from_version not in {"", ahead.version}
        moved = f" from {ahead.from_version} to {ahead.version}" if moves else f" of {ahead.version}"
        out.line(
            "begun:   " if bad else "made by: ",
            f"{ahead.operation}{moved} by {ahead.who}, {ahead.began[:19].replace('T', ' ')}",
        )
    elif bad:
        out.line("begun:   ", "by another tool than ciliumctl: ", ahead.description)
    if ahead.lock:
        out.line("lock:    ", f"{ahead.lock}; its holder is gone")
    applied = ahead.applied
    if applied.new or applied.old or applied.neither:
        counted = ((applied.new, "as wanted"), (applied.old, "as before"), (applied.neither, "as neither"))
        out.line("applied: ", ", ".join(f"{len(names)} objects {what}" for names, what in counted if names))
        for names, what in counted[1:]:
            for name in names[:8]:
                out.line("         ", f"{name}: {what}")
    out.line("agents:  ", f"{ahead.agents_ready} of {ahead.agents_desired} ready")
    if ahead.trouble:
        out.line(("trouble: ", "bad"), ahead.trouble)
    out.line(("way out: ", "head"), out.address(_said(ahead)))
    out.line("         ", ahead.reason)


def render(out: Writer, result: Recovered) -> None:
    """What was done and what there is now."""
    out.line(f"release {result.release} in namespace {result.namespace} of {result.context}: {result.release_status}")
    before = f"revision {result.from_revision} was {result.from_status}"
    out.line(f"{before}; now revision {result.revision}, Cilium {result.version}")
    for step in result.steps:
        out.line("- ", step.title, f": {step.detail}" if step.detail else "")
    if result.paused:
        goes_on = out.address("`ciliumctl upgrade --batch SIZE` goes on, `ciliumctl rollback` goes back")
        out.line(("updates are paused: ", "warn"), goes_on)
    if result.status is not None:
        out.line()
        show_status(out, result.status)
