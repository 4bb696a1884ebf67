"""Show which of Hubble's parts are on and whether they are well.

The agents' server, the relay and the web page, each with the command that reaches it or switches it on.

Exit codes: 0 what is on is well, 1 something that is on is not.

Examples:
  ciliumctl hubble status
  ciliumctl hubble status -o json | jq -r .data.relay.state
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.hubble import HubbleStatus

KIND = "HubbleStatus"


def command(ctx: typer.Context) -> None:
    """Look."""
    from ciliumctl import hubble

    session = session_of(ctx)
    session.allow()
    session.deadline(60.0)
    session.finish(hubble.look(session.kube, _installing.where(session)), render)


def render(out: Writer, result: HubbleStatus) -> None:
    """One line a part."""
    rows = [("server", "on" if result.server else "off", "in every agent", ""), *_rows(out, result)]
    out.table(("part", "state", "ready", "reach it with"), rows)
    for problem in result.problems:
        out.line(("✗ ", "bad"), problem.message)
        for detail in problem.details:
            out.line("    ", detail)
        if problem.hint:
            out.hint(problem.hint, indent="    ")


def _rows(out: Writer, result: HubbleStatus) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for name, part, command in (
        ("relay", result.relay, "ciliumctl hubble port-forward"),
        ("ui", result.ui, "ciliumctl hubble ui"),
    ):
        on = part.state != "disabled"
        ready = f"{part.ready}/{part.desired}" if on else ""
        rows.append((name, part.state if on else "off", ready, out.address(command) if on else ""))
    return rows
