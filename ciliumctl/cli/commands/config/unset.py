"""Take settings back to the chart's defaults, through the Helm values, and restart what reads them, node by node.

KEY is a Helm value of the release's own, or a key of `cilium-config` whose Helm value is found, as with `config set`.

Exit codes: 0 changed or unchanged, 1 not healthy, 2 no such setting, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl config unset debug.enabled
  ciliumctl config unset hubble.relay --dry-run
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands.config import _changing
from ciliumctl.cli.options import argument, duration, option

KIND = "Change"


def command(
    ctx: typer.Context,
    settings: Annotated[list[str], argument(metavar="KEY...", help="What to take back")],
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would change")] = False,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be done live")
    ] = "",
) -> None:
    """Find the values, show what they do, ask, take them back."""
    from ciliumctl.change import configure
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    for text in settings:
        if "=" in text:
            raise UsageError(f"`{text}` has a value, and `unset` takes none", hint=f"`ciliumctl config set {text}`")
    wishes = [configure.Wish(key=text) for text in settings]
    answers = _changing.Answers(dry_run=dry_run, wait=wait, confirm=confirm, seconds=wait_duration)
    _changing.change(session, wishes, "config unset", answers)
