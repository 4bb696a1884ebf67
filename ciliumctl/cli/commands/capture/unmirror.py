"""End mirrors, and look that nothing of them is left.

On both nodes the filters, the links and the tunnel are taken away first, then the pods that made them. A second time
there is nothing to do. --all ends those that you began from this machine, --all-users everybody's, after a question.

Exit codes: 0 nothing is left, 7 something is.

Examples:
  ciliumctl capture unmirror 1a2b3c
  ciliumctl capture unmirror --all
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import Partial, UsageError

if TYPE_CHECKING:
    from ciliumctl.mirrors import MirrorsEnded

KIND = "MirrorsEnded"
_SECONDS = 120.0


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, argument(metavar="[NAME]...", help="Mirrors, as `capture mirrors` lists them")
    ] = None,
    *,
    all: Annotated[bool, option("--all", help="All of yours")] = False,
    all_users: Annotated[bool, option("--all-users", help="Everybody's")] = False,
) -> None:
    """End them."""
    from ciliumctl import mirrors

    session = session_of(ctx)
    session.allow("name", "wide")
    kube = session.kube
    if bool(names) == (all or all_users):
        raise UsageError("name mirrors, or say `--all`", hint="`ciliumctl capture mirrors` lists them")
    if all_users:
        session.confirm("Mirrors of everybody may be in use. End all of them?", refusal="those of others may be in use")
    session.deadline(_SECONDS)
    wanted = [name.removeprefix("mirror/") for name in names or []]
    result = mirrors.stop(kube, wanted, session.report, owner="" if all_users else session.who)
    if not result.ok:
        left = [one for one in result.mirrors if one.reason]
        error = Partial(
            f"something is left of {len(left)} of {len(result.mirrors)} mirrors: {left[0].reason}",
            hint=f"`ciliumctl capture unmirror {left[0].name}` tries again; it ends by itself, too",
        )
        session.fail(error, result, render)
    session.finish(result, render)


def render(out: Writer, result: MirrorsEnded) -> None:
    """A line for each."""
    if not result.mirrors:
        out.line("there was no such mirror")
    for one in result.mirrors:
        word = ("ended: ", "good") if not one.reason else ("left: ", "bad")
        out.line(word, f"{one.name} ({one.source} to {one.target}){f': {one.reason}' if one.reason else ''}")
