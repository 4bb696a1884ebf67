"""What the commands that count flows have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NoReturn

from ciliumctl.cli.groups import OptionGroup
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Render, Writer

if TYPE_CHECKING:
    from ciliumctl.cli.commands.hubble._filtering import FilterOptions, ReachOptions
    from ciliumctl.cli.session import Session
    from ciliumctl.hubble.counting import Top
    from ciliumctl.hubble.dropping import Drops
    from ciliumctl.hubble.filters import Filter
    from ciliumctl.hubble.judging import Verdicts
    from ciliumctl.hubble.observing import Question

#: How long ago flows are counted from, when nobody says.
SINCE = "5m"
_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions(OptionGroup):
    """Flows of which time."""

    last: Annotated[int, option("--last", metavar="N", min=0, help="The newest N of all nodes, of whatever time")] = 0
    all: Annotated[bool, option("--all", help="All that the agents have, some 4,000 each")] = False
    since: Annotated[str, option("--since", metavar="TIME", help=f"From then on (default: {SINCE} ago)")] = ""
    until: Annotated[str, option("--until", metavar="TIME", help="Up to then")] = ""


def question(
    session: Session, filters: FilterOptions, reach: ReachOptions, window: WindowOptions, *more: Filter
) -> Question:
    """What is asked of whom. Raises `UsageError`."""
    from ciliumctl.hubble.observing import Question, Window

    since = window.since or ("" if window.last or window.all or window.until else SINCE)
    asked = Window(last=window.last, all=window.all, since=since, until=window.until)
    return Question(filters=filters.filters().added(*more), window=asked.checked(), reach=reach.reach(session))


def run(session: Session, ask: Callable[[], Top | Drops | Verdicts], render: Render) -> NoReturn:
    """Ask and end: with 7 when some node did not answer."""
    from ciliumctl.hubble import observing

    session.deadline(_SECONDS)
    result = ask()
    failed = observing.partial_error(result.unanswered, len(result.nodes))
    if failed is not None:
        session.fail(failed, result, render)
    session.finish(result, render)


def more(out: Writer, shown: Sequence[object], different: int, option_name: str) -> None:
    """Say that there is more than what is shown."""
    if len(shown) < different:
        out.line((f"and {different - len(shown)} more; `{option_name} 0` shows all", "dim"))
