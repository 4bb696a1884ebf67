"""Remove what connectivity tests left in the cluster.

Finds the namespaces of every run by their label. One that may still be in use (younger than two hours) is only removed
after a question, or with `--yes`.

Examples:
  ciliumctl connectivity cleanup
  ciliumctl connectivity cleanup --yes
"""

from __future__ import annotations

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer
from ciliumctl.connectivity.cleaning import CleanedUp

KIND = "ConnectivityCleanup"


def command(ctx: typer.Context) -> None:
    """Find them, ask where that is needed, remove them."""
    from ciliumctl.connectivity import cleaning

    session = session_of(ctx)
    session.deadline(180)

    def consent(what: str) -> None:
        session.confirm(f"{what} Remove it?", refusal=what)

    session.finish(cleaning.clean(session.kube, session.report, consent), render)


def render(out: Writer, result: CleanedUp) -> None:
    """Say what is gone."""
    for name in result.removed:
        out.line(f"removed: namespace {name}")
    for name in result.cluster_scoped:
        out.line(f"removed: {name}")
    if not (result.removed or result.cluster_scoped):
        out.line("nothing of a connectivity test is there")
