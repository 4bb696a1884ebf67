"""Switch Hubble's relay and web page off; with `--all` the agents' server too.

Examples:
  ciliumctl hubble disable
  ciliumctl hubble disable --ui
  ciliumctl hubble disable --all
  ciliumctl hubble disable --metrics all       every metric, and nothing else
  ciliumctl hubble disable --metrics dns,tcp
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
    ui: Annotated[bool, option("--ui", help="Only the web page")] = False,
    all: Annotated[bool, option("--all", help="The agents' own Hubble server too")] = False,
    metrics: Annotated[
        str, option("--metrics", metavar="LIST|all", help="Only these metrics; relay and page stay")
    ] = "",
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait for the rollout (default: yes)")] = True,
) -> None:
    """Switch the named parts off."""
    from ciliumctl.cli.commands.hubble import _switching
    from ciliumctl.hubble import metering

    wanted = {"ui": False} if ui and not all else {"ui": False, "relay": False}
    if all:
        wanted["hubble"] = False
    change = None
    if metrics:
        change = metering.Metrics(off=("all",) if metrics == "all" else metering.named(metrics))
        if not (ui or all):
            wanted = {}
    _switching.switch(session_of(ctx), wanted, "hubble disable", wait=wait, metrics=change)
