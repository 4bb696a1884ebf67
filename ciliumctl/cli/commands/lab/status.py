"""List the throwaway clusters of this machine; exit 1 when one of them is broken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer
from ciliumctl.cli.sinks import duration

if TYPE_CHECKING:
    from ciliumctl.lab import LabList

KIND = "LabList"


def command(ctx: typer.Context) -> None:
    """List them."""
    from ciliumctl import lab
    from ciliumctl.cli.commands.lab import _wiring

    session = session_of(ctx)
    session.allow("name")
    session.finish(lab.listed(_wiring.labs(session)), render)


def render(out: Writer, result: LabList) -> None:
    """One line a lab."""
    if not result.labs:
        out.line("no labs; start one with `ciliumctl lab up`")
        return
    rows = []
    for lab in result.labs:
        state = (lab.state, "good" if lab.ok else "bad")
        age = duration(time.time() - lab.created)
        rows.append((lab.name, state, lab.provider, str(lab.nodes), lab.kubernetes, age, str(lab.kubeconfig)))
    out.table(("name", "state", "provider", "nodes", "kubernetes", "age", "kubeconfig"), rows)
