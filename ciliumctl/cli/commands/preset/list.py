"""List the presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.values.presets import Presets

KIND = "PresetList"


def command(ctx: typer.Context) -> None:
    """List them."""
    from ciliumctl.values import presets

    session = session_of(ctx)
    session.allow("name")
    session.finish(presets.listed(), render)


def render(out: Writer, result: Presets) -> None:
    """One line a preset."""
    out.table(("preset", "what for"), [(preset.name, preset.description) for preset in result.presets])
