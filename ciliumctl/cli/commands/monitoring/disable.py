"""Switch the metrics of agent, Hubble and relay, all ServiceMonitors and dashboards off.

The operator's and Envoy's metrics, which the chart has on unless told otherwise, stay as they are; `--all` switches
them off too. What the change does is shown first.

Exit codes: 0 changed or unchanged, 1 not healthy, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl monitoring disable
  ciliumctl monitoring disable --all --dry-run
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _applying
from ciliumctl.cli.commands.monitoring import _switching
from ciliumctl.cli.options import option

KIND = "MonitoringChange"


def command(
    ctx: typer.Context,
    *,
    all: Annotated[bool, option("--all", help="The operator's and Envoy's, too")] = False,
    answers: _applying.ChangeOptions,
) -> None:
    """Show what changes, ask, change it."""
    from ciliumctl.monitoring import switching

    session = session_of(ctx)
    session.allow()
    _switching.switch(
        session, "monitoring disable", answers, lambda found: switching.disabled(found, everything=all), then=""
    )
