"""Switch Hubble's relay and web page off; with `--all` the agents' server too.

Examples:
  ciliumctl hubble disable
  ciliumctl hubble disable --ui
  ciliumctl hubble disable --all
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
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait for the rollout (default: yes)")] = True,
) -> None:
    """Switch the named parts off."""
    from ciliumctl.cli.commands.hubble import _switching

    wanted = {"ui": False} if ui and not all else {"ui": False, "relay": False}
    if all:
        wanted["hubble"] = False
    _switching.switch(session_of(ctx), wanted, "hubble disable", wait=wait)
