"""Open the Grafana of `monitoring deploy` through a forwarded port, until Ctrl-C; with `--prometheus` its Prometheus.

The address is printed; on a terminal the browser is opened. The forward goes on when the pod is replaced.

Examples:
  ciliumctl monitoring open
  ciliumctl monitoring open :0 --prometheus --no-open-browser
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import Address, argument, option
from ciliumctl.errors import NotFound

KIND = "HubbleForward"


def command(
    ctx: typer.Context,
    port: Annotated[
        str, argument(metavar="[PORT]", help="Local port; :0 for a free one (default: the program's own)")
    ] = "",
    *,
    prometheus: Annotated[bool, option("--prometheus", help="Prometheus in place of Grafana")] = False,
    target_namespace: Annotated[
        str, option("--target-namespace", metavar="NAME", help="Where it runs (default: ciliumctl-monitoring)")
    ] = "",
    address: Address = "127.0.0.1",
    open_browser: Annotated[
        bool, option("--open-browser/--no-open-browser", help="Open the browser (default: on a terminal)")
    ] = True,
) -> None:
    """Forward until interrupted."""
    from ciliumctl import services
    from ciliumctl.cli.commands import _forwarding
    from ciliumctl.clients.kube import PodPort
    from ciliumctl.monitoring import manifests

    session = session_of(ctx)
    name = "prometheus" if prometheus else "grafana"
    namespace = target_namespace or manifests.NAMESPACE
    remote = manifests.PROGRAMS[name]
    local = _forwarding.ports(port, remote, remote)

    def target() -> PodPort:
        try:
            return services.target(session.kube, namespace, name)
        except NotFound as error:
            raise NotFound(error.message, hint="start it: `ciliumctl monitoring deploy`") from error

    forwarder = _forwarding.forward(session, target, address=address, port=local, what=name)
    _forwarding.serve(session, forwarder, _forwarding.page(forwarder), browser=open_browser)
