"""Take away what `monitoring deploy` started: namespace, role and binding.

Yours, or that in the namespace that is named, or with --all-users everybody's: that of others after a question. Whose a
stack is stands in an annotation of its namespace, as a user and a machine. Cilium's own metrics stay as they are.

Exit codes: 0 it is gone, 3 it is another's and needs a yes, 4 it does not go away in time.

Examples:
  ciliumctl monitoring delete
  ciliumctl monitoring delete --target-namespace watching --yes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.monitoring.stack import MonitoringStackRemoval

KIND = "MonitoringStackRemoval"


def command(
    ctx: typer.Context,
    *,
    target_namespace: Annotated[
        str, option("--target-namespace", metavar="NAME", help="Where it runs (default: wherever yours do)")
    ] = "",
    all_users: Annotated[bool, option("--all-users", help="Everybody's")] = False,
) -> None:
    """Find it, ask where it is another's, take it away."""
    from ciliumctl.monitoring import stack

    session = session_of(ctx)
    session.allow()
    if target_namespace and all_users:
        raise UsageError("`--target-namespace` names one stack, `--all-users` means all", hint="use one of the two")
    session.deadline(180.0)
    there = stack.found(session.kube)
    if target_namespace:
        chosen = [one for one in there if one.namespace == target_namespace]
    else:
        chosen = [one for one in there if all_users or one.owner == session.who]
        for one in there if not all_users else ():
            if one not in chosen:
                session.report.note(
                    f"the stack in namespace `{one.namespace}` is of {one.owner} and stays; "
                    f"`--target-namespace {one.namespace}` takes it away"
                )
    if others := [f"namespace `{one.namespace}` of {one.owner}" for one in chosen if one.owner != session.who]:
        session.confirm(
            f"Others may be looking at {', '.join(others)}. Take it away?",
            refusal=f"others may be looking at {', '.join(others)}",
        )
    session.finish(stack.delete(session.kube, [one.namespace for one in chosen], session.report), render)


def render(out: Writer, result: MonitoringStackRemoval) -> None:
    """Say what is gone."""
    for name in result.removed:
        out.line(f"removed: {name}")
    if not result.removed:
        out.line("there was no such stack of `monitoring deploy`")
