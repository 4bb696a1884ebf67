"""Open Hubble's web page through a forwarded port, until Ctrl-C.

The address is printed; on a terminal the browser is opened. The forward goes on when the pod is replaced.

Examples:
  ciliumctl hubble ui
  ciliumctl hubble ui 12000:80 --no-open-browser
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import Address, argument, option

KIND = "HubbleForward"


def command(
    ctx: typer.Context,
    port: Annotated[str, argument(metavar="[PORT]", help="Local port, or LOCAL:REMOTE (default: 12000)")] = "",
    *,
    port_forward: Annotated[
        int, option("--port-forward", metavar="PORT", help="Local port, as the official CLI names it")
    ] = 12000,
    address: Address = "127.0.0.1",
    open_browser: Annotated[
        bool, option("--open-browser/--no-open-browser", help="Open the browser (default: on a terminal)")
    ] = True,
) -> None:
    """Forward until interrupted."""
    from ciliumctl import hubble
    from ciliumctl.cli.commands import _forwarding

    session = session_of(ctx)
    namespace = session.settings.namespace
    local = _forwarding.ports(port, port_forward, 80)
    forwarder = _forwarding.forward(
        session, lambda: hubble.ui_target(session.kube, namespace), address=address, port=local, what="the Hubble UI"
    )
    _forwarding.serve(session, forwarder, _forwarding.page(forwarder), browser=open_browser)
