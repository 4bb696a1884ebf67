"""Verify a file against the checksums that ciliumctl knows, or the checksum file beside it.

Exit codes: 0 it is the published file, 1 it is not, 6 there is nothing to compare it with. Archives, and programs that
are published as such, have published checksums; a program out of an archive has none.

Examples:
  ciliumctl tools verify helm-v3.22.0-linux-amd64.tar.gz
  ciliumctl tools verify cilium-linux-amd64.tar.gz --checksum cilium-linux-amd64.tar.gz.sha256sum
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.tools.verifying import Verified

KIND = "ToolsVerify"


def command(
    ctx: typer.Context,
    file: Annotated[Path, argument(metavar="FILE", help="A downloaded archive or program")],
    *,
    checksum: Annotated[
        str, option("--checksum", metavar="SHA256|FILE", help="What it must match (default: known, or beside it)")
    ] = "",
) -> None:
    """Compare."""
    from ciliumctl import tools

    session = session_of(ctx)
    session.allow()
    session.finish(tools.verify(file.expanduser(), checksum), render)


def render(out: Writer, result: Verified) -> None:
    """The verdict, and what it was compared with."""
    what = f" {result.tool} {result.version} for {result.platform}" if result.tool else " the published file"
    if result.ok:
        out.line(("verified: ", "good"), f"{result.path} is{what}")
    else:
        out.line(("wrong: ", "bad"), f"{result.path} is NOT{what}; do not use it")
    out.line(f"  its SHA-256  {result.sha256}")
    out.line(f"  must be      {result.expected}, as {result.against} says")
