"""What `node` and `undo` do between their options and their result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ciliumctl.cli.commands.migrate import _options, _showing
from ciliumctl.errors import CiliumctlError, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.migration.model import Direction
    from ciliumctl.migration.state import Node


def turn(
    session: Session,
    direction: Direction,
    names: Sequence[str],
    *,
    everything: bool,
    drain: _options.DrainOptions,
    test: _options.TestOptions,
) -> NoReturn:
    """Choose the nodes, ask, take their turns, end."""
    from ciliumctl.migration import admitting, state, turning
    from ciliumctl.migration.model import NodesMoved

    session.allow()
    if names and everything:
        raise UsageError("name the nodes, or say `--all`", hint="leave one of them out")
    # Each step has its own limit; `--timeout` is for all of them together.
    session.deadline(None)
    work = _options.work(session, f"migrate {direction}", drain, test)
    known = state.nodes(session.kube)
    if not names and not everything:
        raise _which(known, direction)
    chosen = _all(known, direction) if everything else state.chosen(known, names)
    admitting.check(known, chosen, direction)
    if any(one.phase != admitting.GOALS[direction] for one in chosen):
        _confirm(session, chosen, direction, work.state.old.name)
    try:
        result = turning.turn_all(work, known, chosen, direction)
    except CiliumctlError as error:
        if isinstance(error.result, NodesMoved):
            session.fail(error, error.result, _showing.show_moved)
        raise
    then = "migrate finish" if direction == "node" and not result.left else "migrate status"
    session.finish(result, _showing.show_moved, then=then)


def _which(known: Sequence[Node], direction: Direction) -> UsageError:
    there = ", ".join(one.name for one in _all(known, direction)[:8]) or "none"
    return UsageError(
        "name the nodes, or say `--all`", hint=f"`ciliumctl migrate {direction} NODE`; those to be had are: {there}"
    )


def _all(known: Sequence[Node], direction: Direction) -> list[Node]:
    """Those that are not there yet; a node that is half-way comes first."""
    from ciliumctl.migration.admitting import GOALS
    from ciliumctl.migration.model import HALF_WAY

    found = [one for one in known if one.phase != GOALS[direction]]
    return sorted(found, key=lambda one: one.phase not in HALF_WAY)


def _confirm(session: Session, chosen: Sequence[Node], direction: Direction, old: str) -> None:
    names = ", ".join(one.name for one in chosen[:5]) + (f" and {len(chosen) - 5} more" if len(chosen) > 5 else "")
    what = "Drain, and hand over to Cilium" if direction == "node" else f"Drain, and give back to {old}"
    session.confirm(
        f"{what}, one by one: {names} of `{session.kube.context}`?",
        refusal="a node's turn moves its pods",
        hint="look at it with `ciliumctl migrate plan`, then add `--yes`",
    )
