"""Show a preset's values.

Examples:
  ciliumctl preset show talos
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.values.presets import Preset

KIND = "Preset"


def command(ctx: typer.Context, name: Annotated[str, argument(metavar="NAME", help="One of `preset list`")]) -> None:
    """Show it."""
    from ciliumctl.values import presets

    session = session_of(ctx)
    session.allow()
    session.finish(presets.load(name), render)


def render(out: Writer, result: Preset) -> None:
    """A values file with comments."""
    from ciliumctl import yaml_files

    out.line(f"# {result.name}: {result.description}")
    for need in result.needs:
        out.line(f"# needs: {need}")
    out.text(yaml_files.dump(dict(result.values)))
