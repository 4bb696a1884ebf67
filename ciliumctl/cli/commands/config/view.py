"""Show Cilium's settings: the live ConfigMap `cilium-config`.

What `ciliumctl config diff` adds is what the release says, and what each agent runs with. The options of ciliumctl
itself are shown by `ciliumctl config explain`.

Examples:
  ciliumctl config view
  ciliumctl config view | grep hubble
  ciliumctl config view -o json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.change.settings import CiliumConfig

KIND = "CiliumConfig"


def command(ctx: typer.Context) -> None:
    """Read and show."""
    from ciliumctl.change import settings

    session = session_of(ctx)
    session.allow("name")
    session.deadline(60.0)
    session.finish(settings.view(session.kube, session.settings.namespace), render)


def render(out: Writer, result: CiliumConfig) -> None:
    """One line a key; of a value with several lines the rest below it."""
    width = max((len(key) for key in result.settings), default=0)
    for key, value in result.settings.items():
        first, *more = value.splitlines() or [""]
        out.line(f"{key:<{width}}   {first}")
        for line in more:
            out.line(f"{'':<{width}}   {line}")
