"""What setting and unsetting have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ciliumctl.cli.commands import _applying, _installing, _planning
from ciliumctl.cli.commands._upgrading import show_change as render

if TYPE_CHECKING:
    from ciliumctl import change as changes
    from ciliumctl.change.configure import Translation, Wish
    from ciliumctl.cli.session import Session


def change(session: Session, wishes: Sequence[Wish], operation: str, answers: _applying.ChangeOptions) -> None:
    """Do it and end."""
    from ciliumctl import change as changes
    from ciliumctl.change import configure

    session.allow()
    deadline = session.deadline(answers.wait_duration)
    where = _installing.where(session)
    with _installing.scratch() as folder:
        found = changes.installed(session.kube, where, "change values")
        bench = configure.Bench(
            kube=session.kube, helm=session.helm, found=found, scratch=folder, report=session.report
        )
        target, translated = configure.aimed(bench, wishes)
        if answers.dry_run:
            _say(session, translated)
            session.finish(changes.plan(session.kube, target, session.report), _planning.show_plan)
        _offer(session, translated, operation)
        doing = _applying.Doing(
            command=operation,
            operation=f"{operation}: {', '.join(target.changed)}",
            deadline=deadline,
            wait=answers.wait,
            confirm=answers.confirm,
        )
        result = _applying.carry_out(session, target, doing)
    _end(session, result, changes.late(result, deadline), wait=answers.wait)


def _end(session: Session, result: changes.Changed, late: Exception | None, *, wait: bool) -> None:
    from ciliumctl.errors import CiliumctlError

    if isinstance(late, CiliumctlError):
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait else "status --wait")


def _say(session: Session, translated: Sequence[Translation]) -> None:
    for item in translated:
        session.report.note(f"`{item.key}` is the Helm value `{item.wish.key}`")


def _offer(session: Session, translated: Sequence[Translation], operation: str) -> None:
    """A key of `cilium-config` is never set by itself: the value behind it is offered."""
    for item in translated:
        value = f"={item.wish.value}" if item.wish.value is not None else ""
        session.confirm(
            f"`{item.key}` comes from the Helm value `{item.wish.key}`. Use `{item.wish.key}{value}`?",
            refusal=f"`{item.key}` comes from the Helm value `{item.wish.key}`",
            hint=f"`ciliumctl {operation} {item.wish.key}{value}`, or add `--yes`",
        )
