"""Start a throwaway cluster without a CNI.

Its context is put into the kubeconfig and made the current one; `lab down` takes it out again.
The first start fetches or builds the programs it needs; later ones take seconds.

Examples:
  ciliumctl lab up
  ciliumctl lab up --nodes 50 --name big
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import choice, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.lab import Lab

KIND = "Lab"


def command(
    ctx: typer.Context,
    *,
    name: Annotated[
        str, option("--name", metavar="NAME", help="Name of the lab and of its context (default: lab)")
    ] = "lab",
    provider: Annotated[
        str,
        choice("auto", "kind", "simulated", flags=("--provider",), help="Kind of cluster (default: auto)"),
    ] = "auto",
    nodes: Annotated[int | None, option("--nodes", metavar="N", help="How many nodes (default: 3)")] = None,
    kwok_config: Annotated[
        list[Path] | None, option("--kwok-config", metavar="FILE", help="More configuration for kwok; repeatable")
    ] = None,
) -> None:
    """Start it."""
    from ciliumctl import lab
    from ciliumctl.cli.commands.lab import _wiring

    session = session_of(ctx)
    session.allow()
    wanted = lab.Wanted(name=name, provider=provider, nodes=nodes, kwok_configs=tuple(kwok_config or ()))  # type: ignore[arg-type]
    result, new = lab.up(
        wanted,
        labs=_wiring.labs(session),
        programs=_wiring.programs(session),
        helm=_wiring.helm(session),
        into=_wiring.kubeconfig(session),
        environ=session.environ,
        deadline=session.deadline(lab.UP_SECONDS),
        report=session.report,
    )
    if not new:
        session.report.note(f"lab `{name}` runs already: unchanged")
    session.finish(result, render, then="install --wait")


def render(out: Writer, lab: Lab) -> None:
    """Say what there is and what to do with it."""
    kind = "simulated node" if lab.provider == "simulated" else "node"
    nodes = f"{lab.nodes} {kind}{'' if lab.nodes == 1 else 's'}"
    out.line(f"lab {lab.name}: Kubernetes {lab.kubernetes or ''} with {nodes}, context {lab.context}")
