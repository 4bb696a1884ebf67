"""What switching metrics on and off has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ciliumctl.cli.commands import _applying, _installing, _planning
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.clients.helm import Release
    from ciliumctl.monitoring.switching import MonitoringChange


def switch(
    session: Session,
    command: str,
    answers: _applying.ChangeOptions,
    config: Callable[[Release], Mapping[str, Any]],
    *,
    then: str,
) -> None:
    """Do it and end. `config` makes the release's new values out of the release."""
    from ciliumctl import change, status
    from ciliumctl.monitoring import switching

    deadline = session.deadline(answers.wait_duration)
    found = change.installed(session.kube, _installing.where(session), "change values")
    with _installing.scratch() as folder:
        target = switching.aimed(found, config(found), session.helm, folder, session.report)
        if target is None:
            session.report.note("monitoring is as asked for: unchanged")
            session.finish(switching.unchanged(session.kube, found), render)
        if answers.dry_run:
            session.finish(change.plan(session.kube, target, session.report), _planning.show_plan)
        doing = _applying.Doing(
            command=command, operation=command, deadline=deadline, wait=answers.wait, confirm=answers.confirm
        )
        result = switching.changed(session.kube, target, _applying.carry_out(session, target, doing))
    late = status.unhealthy(result.status, deadline) if result.status is not None else None
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then=then)


def render(out: Writer, result: MonitoringChange) -> None:
    """Whose metrics are on now, and how scrapers are told."""
    states = ", ".join(f"{name} {'on' if on else 'off'}" for name, on in result.parts.items())
    out.line(f"{result.outcome}: {states} (revision {result.revision})")
    if result.hubble_metrics:
        out.line(f"metrics of hubble: {', '.join(result.hubble_metrics)}")
    if result.way:
        told = "ServiceMonitors" if result.way == "prometheus-operator" else "annotations"
        out.line(f"scrapers are told by {told}; dashboards {'on' if result.dashboards else 'off'}")
    if result.status is not None and not result.status.ok:
        show_status(out, result.status)
