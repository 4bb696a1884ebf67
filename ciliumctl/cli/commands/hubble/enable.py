"""Switch Hubble on: the agents' server and the relay, with `--ui` the web page too.

The installed chart's values are changed and nothing else; what is on already stays on. `--metrics` are what Prometheus
may read of each agent, on port 9965: dns, drop, flow, flows-to-world, httpV2, icmp, policy, port-distribution, tcp, …;
with that option alone the relay stays as it is.

Examples:
  ciliumctl hubble enable
  ciliumctl hubble enable --ui
  ciliumctl hubble enable --metrics "dns:query;ignoreAAAA,drop,tcp"
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option

KIND = "HubbleChange"


def command(
    ctx: typer.Context,
    *,
    ui: Annotated[bool, option("--ui", help="The web page too")] = False,
    relay: Annotated[
        bool | None, option("--relay/--no-relay", help="The relay (default: yes, with --metrics alone as it is)")
    ] = None,
    metrics: Annotated[
        str, option("--metrics", metavar="LIST", help="These metrics too, each perhaps with options")
    ] = "",
    open_metrics: Annotated[
        bool | None, option("--open-metrics/--no-open-metrics", help="The OpenMetrics format, with exemplars")
    ] = None,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait for the rollout (default: yes)")] = True,
) -> None:
    """Switch the named parts on."""
    from ciliumctl.cli.commands.hubble import _switching
    from ciliumctl.hubble import metering

    wanted = {"hubble": True}
    only_metrics = bool(metrics) or open_metrics is not None
    if relay or ui or (relay is None and not only_metrics):
        wanted["relay"] = True
    if ui:
        wanted["ui"] = True
    change = None
    if only_metrics:
        change = metering.Metrics(on=metering.parse(metrics) if metrics else (), open_metrics=open_metrics)
    _switching.switch(session_of(ctx), wanted, "hubble enable", wait=wait, metrics=change)
