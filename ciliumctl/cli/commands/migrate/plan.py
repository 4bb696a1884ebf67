"""Show what a migration to Cilium would do, and change nothing.

The CNI that is there is found by itself, with its back-end, its pod range and its port. The new range and the tunnel
port are chosen so that nobody has them. Said besides: the nodes in order (control planes last), the pods that move and
what keeps them, and what the migration breaks. Some twenty requests, and one for every 500 pods.

Exit codes: 0 it can begin, 1 something in the way is named, 5 that CNI is not in charge here.

Examples:
  ciliumctl migrate plan
  ciliumctl migrate plan --from flannel --pod-cidr 10.245.0.0/16 -f values.yaml
  ciliumctl migrate plan -o json
"""

from __future__ import annotations

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.migrate import _options, _showing
from ciliumctl.cli.options import ChartOptions, ValuesOptions

KIND = "MigrationPlan"


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    new: _options.NewOptions,
    drain: _options.DrainOptions,
) -> None:
    """Look, and say what would be done."""
    from ciliumctl import migration

    session = session_of(ctx)
    session.allow()
    session.deadline(120)
    with _installing.scratch() as folder:
        asked = _options.asked(session, which, given, new, drain, folder)
        with session.report.step("Looking at the cluster"):
            found = migration.plan(session.kube, asked)
    then = "migrate node --all" if found.begun else "migrate start"
    session.finish(found, _showing.show_plan, then=then)
