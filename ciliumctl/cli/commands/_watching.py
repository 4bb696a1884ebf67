"""Show a status again whenever it changes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import typer

from ciliumctl.cli.output import Render, emit
from ciliumctl.errors import ApiFailed, Terminated, TimedOut, Unreachable
from ciliumctl.wait import Deadline, poll

if TYPE_CHECKING:
    from ciliumctl import status
    from ciliumctl.cli.session import Session

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def until_interrupted(
    session: Session, where: status.Where, render: Render, *, deep: bool, interval: float, deadline: Deadline
) -> NoReturn:
    """Look every `interval` seconds until Ctrl-C, the normal end, or `--timeout`.

    On a terminal the last state fills the screen; elsewhere every different one is written below the one before. An
    API server that goes away is waited for.
    """
    from ciliumctl import status as domain

    last: status.Status | None = None
    away = False

    def look() -> None:
        nonlocal last, away
        try:
            found = domain.look(session.kube, where, deep=deep)
        except (Unreachable, ApiFailed, TimedOut) as error:
            if last is None:
                raise
            if not away and not deadline.passed:
                session.report.warn(error.message, "waiting for it")
            away = True
            return
        if last is None or away or _still(found) != _still(last):
            _show(session, found, render)
        last, away = found, False

    try:
        poll(look, lambda _: False, deadline=deadline, interval=interval)
    except (KeyboardInterrupt, Terminated):
        raise typer.Exit(0) from None
    raise typer.Exit(0 if last is not None and last.ok else 4)


def _still(found: status.Status) -> status.Status:
    """The state without what changes by itself."""
    return replace(found, nodes=tuple(replace(node, age="") for node in found.nodes))


def _show(session: Session, found: status.Status, render: Render) -> None:
    settings = session.settings
    if settings.output in {"table", "wide"} and sys.stdout.isatty() and session.environ.get("TERM") != "dumb":
        emit(_CLEAR)
    session.write(found, render)
    if settings.output == "yaml":
        emit("---\n")
