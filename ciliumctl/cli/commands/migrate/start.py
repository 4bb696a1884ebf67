"""Put Cilium beside the CNI that is there: it takes over no pod and no node yet.

It is an installation like `ciliumctl install`, with its checks, its lock and its journal, and with the values of preset
`migration` over yours: a pod range and a tunnel of its own, no CNI configuration, no policies. A CiliumNodeConfig is
made that takes over nodes once they are labelled, which `ciliumctl migrate node` does. Run again, it goes on or changes
nothing.

Exit codes: 0 begun, or begun already; 3 refused, or not confirmed; 4 not healthy in time.

Examples:
  ciliumctl migrate start
  ciliumctl migrate start --from flannel --version 1.18.2 -f values.yaml
  ciliumctl migrate start --dry-run -o yaml
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _checking, _installing
from ciliumctl.cli.commands.migrate import _options, _showing
from ciliumctl.cli.options import ChartOptions, ValuesOptions, duration, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.migration.model import Started

KIND = "MigrationStart"


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    new: _options.NewOptions,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would be installed")] = False,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    skip_preflight: Annotated[
        list[str] | None,
        option("--skip-preflight", metavar="ID", help="Go on although this check fails, or `all`; repeatable"),
    ] = None,
) -> None:
    """Plan, ask, install, make the CiliumNodeConfig."""
    from ciliumctl import installation, migration
    from ciliumctl.migration import starting

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(wait_duration)
    checks = _checking.choice(session, skip=skip_preflight)
    wanted = _installing.wanted(session, which, given, detect=True)
    means = _installing.means(session)
    with _installing.scratch() as folder:
        asked = _options.asked(session, which, given, new, _options.DrainOptions(), folder)
        with session.report.step("Planning"):
            plan = migration.plan(session.kube, asked)
        migration.refuse(plan)
        begin = starting.prepare(session.kube, plan, wanted, means, _installing.storage(session), folder)
        if dry_run:
            session.finish(starting.dry_run(session.kube, begin), render)
        if not plan.begun:
            if not session.settings.quiet:
                _showing.show_plan(session.stderr(), plan)
            session.confirm(
                f"Put Cilium {begin.prepared.chart.version} beside {plan.old.name} on `{session.kube.context}`?",
                refusal="a migration changes a running network",
                hint="look at it with `ciliumctl migrate plan`, then add `--yes`",
            )
        how = installation.How(
            holder=session.holder("migrate start"),
            consent=lambda what: session.confirm(f"{what} Do it?", refusal=f"the migration needs this: {what}"),
            deadline=deadline,
            where=_installing.where(session),
            wait=True,
            gate=_checking.gate(session, checks),
        )
        result = starting.start(session.kube, begin, means, how)
    session.finish(result, render, then="migrate node NODE")


def render(out: Writer, result: Started) -> None:
    """What there is now."""
    word = {"started": "is beside", "unchanged": "is already beside", "dry-run": "would be put beside"}[result.outcome]
    out.line(f"Cilium {result.version} {word} {result.old.name} in namespace {result.namespace} of {result.context}")
    _showing.show_networks(out, result.old, result.new)
    if result.outcome == "dry-run":
        from ciliumctl import yaml_files
        from ciliumctl.values import secrets

        out.line()
        out.text(yaml_files.dump(secrets.hidden(result.values)))
