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

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _applying
from ciliumctl.cli.commands.config import _changing
from ciliumctl.cli.options import argument

KIND = "Change"


def command(
    ctx: typer.Context,
    settings: Annotated[list[str], argument(metavar="KEY...", help="What to take back")],
    *,
    answers: _applying.ChangeOptions,
) -> None:
    """Find the values, show what they do, ask, take them back."""
    from ciliumctl.change import configure
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    for text in settings:
        if "=" in text:
            raise UsageError(f"`{text}` has a value, and `unset` takes none", hint=f"`ciliumctl config set {text}`")
    wishes = [configure.Wish(key=text) for text in settings]
    _changing.change(session, wishes, "config unset", answers)
