"""Open a shell in the agent of a node, or of a pod's node, or run a command there.

Nothing is put into the cluster: it is an exec into the container of Cilium's agent. At a terminal a few commands worth
knowing are listed first. Standard input and the exit code are the command's, as with `ciliumctl debug shell`.

Examples:
  ciliumctl debug agent worker-1
  ciliumctl debug agent worker-1 -- cilium-dbg status --verbose
  ciliumctl debug agent pod/shop/web-0 -- cilium-dbg endpoint list
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.arguments import Arguments, rest_of
from ciliumctl.cli.commands.debug import _running
from ciliumctl.cli.options import argument

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session

KIND = "DebugRun"
ARGUMENTS = Arguments(rest="COMMAND...")


def command(
    ctx: typer.Context,
    *,
    target: Annotated[str, argument(metavar="NODE|pod/NAME", help="The node, or a pod that is on it")],
) -> None:
    """Find the agent, run the command in it."""
    from ciliumctl import agents, guests
    from ciliumctl.agents import AGENT_CONTAINER

    session = session_of(ctx)
    words = rest_of(ctx)
    at_terminal = _running.check(session, words)
    session.deadline(None)
    node = guests.node_of(session.kube, target, session.kube.namespace)
    agent = agents.on(session.kube, session.settings.namespace, node)
    where = _running.Where(
        namespace=agent.namespace, pod=agent.pod, container=AGENT_CONTAINER, node=node, session=secrets.token_hex(4)
    )
    if at_terminal and not words:
        _remind(session, where)
    try:
        code = _running.run(session, where, words, at_terminal=at_terminal)
    except BaseException:
        # Nobody else ends what was started in a container that stays.
        _running.end(session, where)
        raise
    raise typer.Exit(code)


def _remind(session: Session, where: _running.Where) -> None:
    from ciliumctl import templates
    from ciliumctl.agents import AGENT_PROGRAM

    found = session.kube.exec(
        where.namespace, where.pod, ["sh", "-c", f"{AGENT_PROGRAM}; echo $c"], container=where.container
    )
    out = session.stderr()
    out.line(("agent: ", "head"), f"pod {where.namespace}/{where.pod} on node {where.node}; `exit` or Ctrl-D leaves")
    known: dict[str, str] = templates.load("debug/agent-commands.yaml")
    rows = [(f"{found.text or 'cilium-dbg'} {words}", (about, "dim")) for words, about in known.items()]
    if not session.settings.quiet:
        out.table(("", ""), rows, indent="  ")
