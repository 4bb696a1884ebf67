"""Forward a local port to Hubble's relay, until Ctrl-C.

The forward goes on when the relay's pod is replaced or the API server is away for a while.

Examples:
  ciliumctl hubble port-forward
  ciliumctl hubble port-forward :0        a free port
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import Address, argument, option

KIND = "HubbleForward"


def command(
    ctx: typer.Context,
    port: Annotated[str, argument(metavar="[PORT]", help="Local port, or LOCAL:REMOTE (default: 4245)")] = "",
    *,
    port_forward: Annotated[
        int, option("--port-forward", metavar="PORT", help="Local port, as the official CLI names it")
    ] = 4245,
    address: Address = "127.0.0.1",
) -> None:
    """Forward until interrupted."""
    from ciliumctl import hubble
    from ciliumctl.cli.commands import _forwarding

    session = session_of(ctx)
    namespace = session.settings.namespace
    local = _forwarding.ports(port, port_forward, 80)
    forwarder = _forwarding.forward(
        session, lambda: hubble.relay_target(session.kube, namespace), address=address, port=local, what="the relay"
    )
    _forwarding.serve(session, forwarder, f"{forwarder.address}:{forwarder.port}")
