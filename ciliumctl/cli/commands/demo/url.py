"""Print where the demo application is reached from here.

Tried in this order: the load balancer's address, the node port on up to eight nodes. The first that answers is printed;
when none does, the first is, standard error says so, and the exit code is 1. What `minikube service nginx --url` does,
on any cluster.

--forward needs no way to the nodes: it forwards a local port through the API server until Ctrl-C.

Examples:
  ciliumctl demo url
  curl "$(ciliumctl demo url)"
  ciliumctl demo url --forward 8080
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.demo import _shared
from ciliumctl.cli.options import Address, argument, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.demo import DemoUrl

KIND = "DemoUrl"


def command(
    ctx: typer.Context,
    port: Annotated[
        int, argument(metavar="[PORT]", min=0, max=65535, help="Local port of --forward (default: a free one)")
    ] = 0,
    *,
    namespace: _shared.Namespace = "",
    forward: Annotated[bool, option("--forward", help="Forward a local port, until Ctrl-C")] = False,
    address: Address = "127.0.0.1",
) -> None:
    """Find it out, or forward."""
    from ciliumctl import demo
    from ciliumctl.cli.commands import _forwarding
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    if port and not forward:
        raise UsageError(
            f"the application's port is not chosen here: {port}", hint=f"`ciliumctl demo url --forward {port}`"
        )
    place = namespace or session.kube.namespace
    if not forward:
        session.deadline(30.0)
        result = demo.url(session.kube, _shared.direct(session), place)
        if not result.answers:
            session.report.warn(
                f"it does not answer from here: {result.said}",
                f"`ciliumctl demo url -n {place} --forward` goes through the API server; "
                f"`ciliumctl demo test -n {place}` tries all ways",
                grave=True,
            )
        session.finish(result, render)
    forwarder = _forwarding.forward(
        session, lambda: demo.target(session.kube, place), address=address, port=port, what="the demo application"
    )
    where = demo.DemoUrl(url=_forwarding.page(forwarder), type="forward", answers=True, said="")
    _forwarding.until_interrupted(session, forwarder, lambda: session.write(where, render))


def render(out: Writer, result: DemoUrl) -> None:
    """The address, and nothing else: scripts read it."""
    if result.url:
        out.line(result.url)
