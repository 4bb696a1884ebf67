"""Take away what `monitoring deploy` started: namespace, role and binding.

Finds them by their label; Cilium's own metrics stay as they are.

Examples:
  ciliumctl monitoring delete
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.monitoring.stack import MonitoringStackRemoval

KIND = "MonitoringStackRemoval"


def command(ctx: typer.Context) -> None:
    """Find it, take it away."""
    from ciliumctl.monitoring import stack

    session = session_of(ctx)
    session.allow()
    session.deadline(180.0)
    session.finish(stack.delete(session.kube, session.report), render)


def render(out: Writer, result: MonitoringStackRemoval) -> None:
    """Say what is gone."""
    for name in result.removed:
        out.line(f"removed: {name}")
    if not result.removed:
        out.line("no stack of `monitoring deploy` is there")
