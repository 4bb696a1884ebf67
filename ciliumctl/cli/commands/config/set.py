"""Set Cilium's settings through its Helm values, and restart what reads them, node by node.

KEY is a Helm value, such as `hubble.relay.enabled`. For a key of `cilium-config`, such as `enable-hubble`, the Helm
value that renders it is found and offered: a patch of the ConfigMap would be gone with the next upgrade. A key that the
chart has no value for goes through `extraConfig.KEY`.
What the change does is shown first, and asked about where it interrupts traffic; `--dry-run` ends there.

Exit codes: 0 changed or unchanged, 1 not healthy, 2 no such setting, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl config set hubble.relay.enabled=true
  ciliumctl config set debug.enabled=true operator.replicas=1 --dry-run
  ciliumctl config set extraConfig.some-new-key=true
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
    settings: Annotated[list[str], argument(metavar="KEY=VALUE...", help="What to set, as with Helm's --set")],
    *,
    answers: _applying.ChangeOptions,
) -> None:
    """Find the values, show what they do, ask, change them."""
    from ciliumctl.change import configure

    session = session_of(ctx)
    wishes = [configure.wish_of(text) for text in settings]
    _changing.change(session, wishes, "config set", answers)
