"""Carry out a saved plan, exactly as it was shown.

The plan is refused when it is stale: another cluster, a release that was changed since, other values or another chart
than it was made with, or objects that somebody changed meanwhile. What interrupts traffic asks for a yes; what cannot
be done on a running network asks for the context's name.

Exit codes: 0 applied, 1 not healthy, 2 no plan, 3 stale or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl plan --set hubble.relay.enabled=true --out relay.json
  ciliumctl apply relay.json
  ciliumctl apply upgrade.json --yes --timeout 15m
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing, _planning
from ciliumctl.cli.commands._upgrading import show_change as render
from ciliumctl.cli.options import argument, duration, option
from ciliumctl.errors import Refused

if TYPE_CHECKING:
    from ciliumctl import change
    from ciliumctl.change.saved import Saved
    from ciliumctl.cli.session import Session

KIND = "Change"


def command(
    ctx: typer.Context,
    file: Annotated[str, argument(metavar="FILE", help="What `ciliumctl plan --out FILE` saved")],
    *,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be done live")
    ] = "",
) -> None:
    """Check that all is as it was, ask, do it."""
    from ciliumctl import change
    from ciliumctl.change import impact, saved

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(wait_duration)
    plan = saved.read(Path(file))
    with _installing.scratch() as folder:
        target = _checked(session, plan, folder)
        what = f"Applying `{file}` on `{session.kube.context}`"
        _planning.consent(session, impact.of(target), confirm=confirm, what=what)
        how = change.How(
            helm=session.helm,
            holder=session.holder("apply"),
            where=_installing.where(session),
            deadline=deadline,
            report=session.report,
            operation="apply",
            wait=wait,
            mend=True,
        )
        result = change.perform(session.kube, target, how)
    late = change.late(result, deadline)
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait else "status --wait")


def _checked(session: Session, plan: Saved, folder: Path) -> change.Target:
    from ciliumctl import change, installation
    from ciliumctl.change import saved
    from ciliumctl.clients.helm import Inputs
    from ciliumctl.status import Where

    kube = session.kube
    means = _installing.means(session)
    saved.check_cluster(plan, kube)
    where = Where(namespace=plan.namespace, release=plan.release, storage=_installing.storage(session))
    found = change.installed(kube, where, "change values")
    saved.check_release(plan, revision=found.revision, config=found.config)
    wanted = installation.Wanted(namespace=plan.namespace, release=plan.release, chart=plan.chart)
    chart = (
        change.stored_chart(found, folder)
        if plan.installed_chart
        else installation.chart_for(wanted, found, means, folder)
    )
    saved.check_chart(plan, chart)
    with session.report.step("Rendering the change"):
        values = saved.with_delta(found.config, plan.unset, plan.put)
        target = change.aim(found, chart, Inputs(generated=values), means.helm)
    again = change.plan(kube, target, session.report)
    saved.check_target(plan, target, again.compared)
    refused = [f"{item.ref}: {item.refused}" for item in again.objects if item.refused]
    if refused:
        raise Refused(f"the change would fail half-way: {'; '.join(refused)}", hint="mend that first, and plan anew")
    return target
