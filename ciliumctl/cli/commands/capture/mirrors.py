"""List the mirrors that are there.

Of each: what is mirrored to where, the interface on which the copies arrive, when it ends by itself, and whose it is.
One request.

Examples:
  ciliumctl capture mirrors
  ciliumctl capture mirrors -o name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.mirrors import MirrorList

KIND = "MirrorList"


def command(ctx: typer.Context) -> None:
    """List them."""
    from ciliumctl import mirrors

    session = session_of(ctx)
    session.allow("name", "wide")
    session.finish(mirrors.listed(session.kube), render)


def render(out: Writer, result: MirrorList) -> None:
    """A line for each."""
    if not result.mirrors:
        out.line("there is no mirror")
        return
    out.table(
        ("mirror", "source", "target", "interface", "direction", "until", "owner", "state"),
        [
            (
                one.name,
                one.source,
                one.target,
                one.interface,
                one.direction or "-",
                one.expires,
                one.owner,
                (one.state, "good" if one.ok else "bad"),
            )
            for one in result.mirrors
        ],
    )
