"""Print a lab's own kubeconfig.

Examples:
  ciliumctl lab kubeconfig > lab.conf
  export KUBECONFIG=$(ciliumctl lab kubeconfig --path)
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option
from ciliumctl.cli.output import emit


def command(
    ctx: typer.Context,
    *,
    name: Annotated[str, option("--name", metavar="NAME", help="Name of the lab (default: lab)")] = "lab",
    path: Annotated[bool, option("--path", help="Print where it is instead")] = False,
) -> None:
    """Print it: kubectl's format, not ours."""
    from ciliumctl import lab
    from ciliumctl.cli.commands.lab import _wiring

    session = session_of(ctx)
    found = lab.find(name, _wiring.labs(session))
    emit(f"{found.kubeconfig}\n" if path else found.kubeconfig.read_text())
