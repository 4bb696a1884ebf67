"""What switching Hubble's parts on and off has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.output import Writer
from ciliumctl.cli.session import Session

if TYPE_CHECKING:
    from ciliumctl.hubble.metering import Metrics
    from ciliumctl.hubble.switching import Changed


def switch(
    session: Session, wanted: Mapping[str, bool], command: str, *, wait: bool, metrics: Metrics | None = None
) -> None:
    """Do it and end."""
    from ciliumctl import change, status
    from ciliumctl.hubble import switching

    session.allow()
    deadline = session.deadline(300.0)
    how = change.How(
        helm=session.helm,
        holder=session.holder(command),
        where=_installing.where(session),
        deadline=deadline,
        report=session.report,
        operation=command,
        wait=wait,
    )
    result = switching.switch(session.kube, how, wanted, metrics)
    late = status.unhealthy(result.status, deadline) if result.status is not None else None
    if late is not None:
        session.fail(late, result, render)
    then = "hubble ui" if result.ui else "hubble port-forward" if result.relay else ""
    session.finish(result, render, then=then)


def render(out: Writer, result: Changed) -> None:
    """What is on now."""
    parts = ", ".join(
        f"{name} {'on' if on else 'off'}"
        for name, on in (("hubble", result.hubble), ("relay", result.relay), ("ui", result.ui))
    )
    metrics = f", metrics {' '.join(result.metrics)}" if result.metrics else ""
    out.line(f"{result.outcome}: {parts}{metrics} (revision {result.revision})")
    if result.status is not None and not result.status.ok:
        show_status(out, result.status)
