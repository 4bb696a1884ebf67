"""Show what kind of cluster this is, how that is known, and which values follow.

Nothing is concluded from the names in a kubeconfig. Each conclusion comes with the flag that overrides it; `install`
uses them unless --no-autodetect is given.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.flavour.detect import Detection

KIND = "Detection"


def command(ctx: typer.Context) -> None:
    """Look and conclude."""
    from ciliumctl import flavour

    session = session_of(ctx)
    session.allow()
    session.deadline(60.0)
    session.finish(flavour.detect(flavour.look(session.kube)), render)


def render(out: Writer, result: Detection) -> None:
    """One block a conclusion."""
    from ciliumctl.values.paths import join, leaves

    nodes = "1 node" if result.nodes == 1 else f"{result.nodes} nodes"
    out.line((f"{result.flavour}", "head"), f", Kubernetes {result.kubernetes}, {nodes}")
    for conclusion in result.conclusions:
        out.line()
        out.line((f"{conclusion.subject}: ", "head"), conclusion.value)
        for evidence in conclusion.evidence:
            out.line("  because     ", evidence)
        for path, value in leaves(conclusion.values):
            out.line("  implies     ", f"{join(path)}={json.dumps(value)}")
        out.line(("  overridden by ", "dim"), conclusion.override)
    if result.notes or result.warnings:
        out.line()
    for warning in result.warnings:
        out.line(("⚠ ", "warn"), warning)
    for note in result.notes:
        out.line(("note: ", "dim"), note)
