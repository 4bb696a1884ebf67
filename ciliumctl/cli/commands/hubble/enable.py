"""Switch Hubble on: the agents' server and the relay, with `--ui` the web page too.

The installed chart's values are changed and nothing else; what is on already stays on.

Examples:
  ciliumctl hubble enable
  ciliumctl hubble enable --ui
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
    relay: Annotated[bool, option("--relay/--no-relay", help="The relay (default: yes)")] = True,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait for the rollout (default: yes)")] = True,
) -> None:
    """Switch the named parts on."""
    from ciliumctl.cli.commands.hubble import _switching

    wanted = {"hubble": True}
    if relay or ui:
        wanted["relay"] = True
    if ui:
        wanted["ui"] = True
    _switching.switch(session_of(ctx), wanted, "hubble enable", wait=wait)
