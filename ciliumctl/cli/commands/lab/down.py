"""End a throwaway cluster and delete all that belongs to it.

Examples:
  ciliumctl lab down
  ciliumctl lab down --name big
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.lab import Ended

KIND = "LabEnded"


def command(
    ctx: typer.Context,
    *,
    name: Annotated[str, option("--name", metavar="NAME", help="Name of the lab (default: lab)")] = "lab",
) -> None:
    """End it."""
    from ciliumctl import lab
    from ciliumctl.cli.commands.lab import _wiring

    session = session_of(ctx)
    session.allow()
    gone = lab.down(
        name,
        labs=_wiring.labs(session),
        programs=_wiring.programs(session),
        into=_wiring.kubeconfig(session),
        environ=session.environ,
        deadline=session.deadline(lab.DOWN_SECONDS),
        report=session.report,
    )
    session.finish(gone, render)


def render(out: Writer, result: Ended) -> None:
    """Say that it is gone."""
    if result.outcome == "ended":
        out.line(f"lab {result.lab} is gone")
    else:
        others = f"; there is {', '.join(result.others)}" if result.others else ""
        out.line(f"there is no lab {result.lab}: nothing to end{others}")
