"""Compare Flannel, Calico, Weave Net and Cilium, and explain the technologies that CNIs are made of.

The same tables as in the documentation; no cluster is asked. `ciliumctl cni detect` shows what of it a cluster has.

Examples:
  ciliumctl cni compare
  ciliumctl cni compare flannel cilium
  ciliumctl cni compare --technologies
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.cni.comparing import CniComparison

KIND = "CniComparison"


def command(
    ctx: typer.Context,
    names: Annotated[list[str] | None, argument(metavar="[NAME]...", help="CNIs (default: all four)")] = None,
    *,
    technologies: Annotated[
        bool, option("--technologies", help="The technologies: how each works, who uses it, what it costs")
    ] = False,
) -> None:
    """Lay them beside each other."""
    from ciliumctl.cni import comparing

    session = session_of(ctx)
    session.allow()
    result = comparing.compare(names or ())
    session.finish(result, show_technologies if technologies else render)


def render(out: Writer, result: CniComparison) -> None:
    """An aspect a line."""
    rows: list[list[Cell]] = [
        [(aspect.name, "head"), *(aspect.of[name] for name in result.names)] for aspect in result.aspects
    ]
    out.table(("", *result.names), rows)
    out.hint("`ciliumctl cni compare --technologies` explains VXLAN, BGP and the others")


def show_technologies(out: Writer, result: CniComparison) -> None:
    """A paragraph each: the texts are too long for a table."""
    for number, one in enumerate(result.technologies):
        if number:
            out.line()
        out.line((one.title, "head"))
        for word, text in (("how", one.about), ("who", one.used), ("cost", one.cost), ("seen by", one.seen)):
            out.line((f"  {word:<8}", "dim"), text)
