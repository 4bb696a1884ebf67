"""Show what a change would do to values, objects and traffic, and change nothing.

The release's own values stay, and what is given here is laid over them, as with `upgrade`; without a version or a
chart the installed one is meant. Where nothing is installed, the installation is planned.

Each effect has a level: none, rolling-restart, agents-restart (they read their settings when they start),
interruption, not-live. The last two are what `ciliumctl apply` asks for a yes, or for the context's name.
`--out FILE`, or `-o FILE` with a name that has a dot or a slash, keeps the plan for `ciliumctl apply`. The file holds
the values that you give and digests of all else: no secret of the cluster.

Exit codes: 0 planned, with `--exit-code` 1 when something would change, 3 the release is stuck or not ours to save.

Examples:
  ciliumctl plan --version 1.16.19
  ciliumctl plan --set hubble.relay.enabled=true --out relay.json
  ciliumctl plan -f values.yaml --exit-code -o json
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.arguments import Arguments
from ciliumctl.cli.commands import _installing, _planning
from ciliumctl.cli.options import ChartOptions, ResetValues, ValuesOptions, option
from ciliumctl.errors import Refused

if TYPE_CHECKING:
    from ciliumctl import change, installation
    from ciliumctl.cli.session import Session

KIND = "Plan"
ARGUMENTS = Arguments(file_option="--out")


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    reset_values: ResetValues = False,
    out: Annotated[str, option("--out", metavar="FILE", help="Save the plan for `ciliumctl apply`")] = "",
    exit_code: Annotated[bool, option("--exit-code", help="End with 1 when something would change")] = False,
) -> None:
    """Find out and show."""
    session = session_of(ctx)
    session.allow()
    session.deadline(300.0)
    wanted = _installing.wanted(
        session,
        which,
        given,
    )
    with _installing.scratch() as folder:
        result = _made(session, wanted, folder, reset=reset_values, out=out)
    then = f"apply {out}" if out and result.differs else ""
    session.finish(result, _planning.show_plan, exit_code=int(result.differs) if exit_code else None, then=then)


def _made(session: Session, wanted: installation.Wanted, folder: Path, *, reset: bool, out: str) -> change.Plan:
    from ciliumctl import change

    means = _installing.means(session)
    where = _installing.where(session)
    found, owner = change.look(session.kube, where)
    if owner is not None and (found is None or out):
        # Argo CD and its like keep no release of Helm: there is nothing to render the change from.
        change.installed(session.kube, where, "change values")
    if found is None:
        if out:
            raise Refused(
                "an installation is not saved as a plan",
                hint="install with `ciliumctl install`, which refuses what it did not expect by itself",
            )
        return _of_installation(session, replace(wanted, detect=True), folder)
    if owner is not None:
        session.report.warn(f"Cilium belongs to {owner.tool}: it is changed there", owner.hint_for("change values"))
    target = change.towards(found, wanted, means, folder, reset=reset)
    made = change.plan(session.kube, target, session.report)
    if not out:
        return made
    from ciliumctl.change import saved

    kept = saved.of(
        session.kube,
        target,
        made,
        chart=wanted.chart,
        installed_chart=not (wanted.chart.version or wanted.chart.chart),
    )
    saved.write(Path(out), kept)
    return replace(made, saved=out)


def _of_installation(session: Session, wanted: installation.Wanted, folder: Path) -> change.Plan:
    from ciliumctl import change, installation

    means = _installing.means(session)
    ahead = installation.prepare(wanted, session.kube, means, _installing.storage(session), folder)
    dry = installation.dry_run(ahead, session.kube, means, server=True)
    fresh = change.Fresh(
        namespace=wanted.namespace,
        release=wanted.release,
        version=ahead.chart.version,
        values=ahead.config,
        manifest=dry.manifest,
    )
    return change.plan_installation(session.kube, fresh, session.report)
