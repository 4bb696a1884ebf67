"""Remove the demo application, and nothing that is not ours.

Waits until its pods are gone. Nothing to remove is no failure; an `nginx` that somebody else made is left alone (exit
code 3).

Examples:
  ciliumctl demo delete
  ciliumctl demo delete -n shop
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.demo import _shared
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.demo import DemoDeleted

KIND = "DemoDeleted"


def command(ctx: typer.Context, *, namespace: _shared.Namespace = "") -> None:
    """Remove it."""
    from ciliumctl import demo

    session = session_of(ctx)
    session.allow()
    session.deadline(120.0)
    session.finish(demo.delete(session.kube, namespace or session.kube.namespace, session.report), render)


def render(out: Writer, result: DemoDeleted) -> None:
    """What is gone."""
    for name in result.removed:
        out.line(f"removed: {name} in namespace {result.namespace}")
    if not result.removed:
        out.line(f"nothing of the demo application is in namespace {result.namespace}")
