"""Remove what `debug`, `capture` and their like left in the cluster.

Pods are found by their label `ciliumctl.io/guest` and deleted; ephemeral containers of ours, which Kubernetes cannot
remove, have their processes ended. As a rule only those go whose time is over: nobody can be using them. --all takes
yours that may be in use, too, --all-users everybody's, after a question.

Finding the containers takes the metadata of every pod, 500 with each request; -n looks in one namespace only.

Exit codes: 0 all is gone that was to go, 7 some of it stays.

Examples:
  ciliumctl debug cleanup
  ciliumctl debug cleanup --all -n shop
  ciliumctl debug cleanup --all-users --yes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.guests import DebugCleanup

KIND = "DebugCleanup"
_SECONDS = 300.0
_STYLES = {"removed": "good", "failed": "bad", "in-use": "dim"}


def command(
    ctx: typer.Context,
    *,
    namespace: Annotated[
        str, option("--namespace", "-n", metavar="NAME", help="Only in this namespace (default: in all)")
    ] = "",
    all: Annotated[bool, option("--all", help="Yours that may be in use, too")] = False,
    all_users: Annotated[bool, option("--all-users", help="Everybody's that may be in use, too")] = False,
) -> None:
    """Find them, ask where that is needed, end them."""
    from ciliumctl import guests
    from ciliumctl.errors import Partial

    session = session_of(ctx)
    session.allow("name", "wide")
    session.deadline(_SECONDS)
    if all_users:
        session.confirm(
            "Debug pods, captures and mirrors of everybody may be in use. End all of them?",
            refusal="those of others may be in use",
        )
    cleaned = guests.clean(
        session.kube,
        session.report,
        namespace=namespace,
        takes=lambda one: one.over() or all_users or (all and one.owner == session.who),
    )
    result = guests.told(cleaned)
    if not result.ok:
        error = Partial(
            f"{result.count('failed')} of {len(cleaned.guests)} could not be ended",
            hint="`ciliumctl debug cleanup` tries again; `-o json` has each one's reason",
        )
        session.fail(error, result, render)
    session.finish(result, render)


def render(out: Writer, result: DebugCleanup) -> None:
    """A line for each, with what became of it."""
    if not result.guests:
        out.line("nothing of ours is there")
        return
    rows: list[list[Cell]] = [
        [
            one.namespace,
            one.pod if one.what != "container" else f"{one.pod} ({one.container})",
            one.what,
            one.purpose,
            one.owner,
            one.expires,
            (one.outcome, _STYLES[one.outcome]),
            one.detail,
        ]
        for one in result.guests
    ]
    out.table(("namespace", "pod", "what", "for", "owner", "ends", "outcome", ""), rows)
    if result.count("in-use"):
        out.line(("`--all` ends yours that may be in use, `--all-users` everybody's", "dim"))
