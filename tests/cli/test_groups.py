from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, get_type_hints

from ciliumctl.cli.groups import OptionGroup, spread
from ciliumctl.cli.options import ChartOptions, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Other(ChartOptions):
    version: Annotated[str, option("--to", help="Another text")] = "new"


def test_the_options_of_a_group_stand_where_the_group_stands_and_come_back_as_one() -> None:
    got: list[tuple[object, ...]] = []

    def command(ctx: object, *, first: str = "", which: Other, last: int = 0) -> None:
        got.append((ctx, first, which, last))

    shown = spread(command)
    parameters = inspect.signature(shown).parameters
    assert list(parameters) == ["ctx", "first", "version", "chart", "repository", "last"]
    assert parameters["version"].default == "new"
    assert get_type_hints(shown)["chart"] is str
    shown("context", first="a", version="1", chart="c", repository="r", last=2)
    assert got == [("context", "a", Other(version="1", chart="c", repository="r"), 2)]


def test_a_command_without_groups_is_left_as_it_is() -> None:
    def command(ctx: object, *, name: str = "") -> None: ...

    assert spread(command) is command
    assert issubclass(Other, OptionGroup)
