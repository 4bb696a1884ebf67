"""List the programs that ciliumctl knows, and those that this machine has.

KNOWN is the version that ciliumctl fetches; ON PATH what your shell finds; CACHED what ciliumctl keeps for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.tools.overview import Known, KnownTools

KIND = "ToolsList"


def command(ctx: typer.Context) -> None:
    """List them."""
    from ciliumctl import tools

    session = session_of(ctx)
    session.allow("name")
    session.finish(tools.known_tools(session.cache / "bin", session.environ), render)


def render(out: Writer, result: KnownTools) -> None:
    """One line a program."""
    rows = [
        (known.tool, known.known, _found(known), "yes" if known.cached else "-", known.about) for known in result.tools
    ]
    out.table(("tool", "known", "on path", "cached", "what it is"), rows)


def _found(known: Known) -> str:
    return f"{known.version or '?'} ({known.path})" if known.path else "-"
