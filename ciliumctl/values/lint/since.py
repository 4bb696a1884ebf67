"""Which charts have a value: facts made from the charts' own lists, in `templates/values/facts/since.yaml`.

Only some charts were looked at, so a value is told of as "in 1.16.19, not yet in 1.15.19", never more exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ciliumctl import templates
from ciliumctl.values.lint import ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The first and the last of the charts that were looked at which has a value, and those beside them without it.

    `before` is empty where the oldest has it already, `last` and `after` where the newest still has it.
    """

    first: str
    before: str
    last: str
    after: str


@cache
def _facts() -> tuple[list[str], dict[str, tuple[int, int]]]:
    found: dict[str, Any] = templates.load("values/facts/since.yaml")
    spans = {key: (span["first"], span["last"]) for span in found["spans"] for key in span["keys"].split()}
    return found["charts"], spans


def of(key: str) -> Span | None:
    """From where to where a dotted key is known; None for one that none of the charts has."""
    charts, spans = _facts()
    if key not in spans:
        return None
    first, last = spans[key]
    newest = len(charts) - 1
    return Span(
        first=charts[first],
        before=charts[first - 1] if first else "",
        last="" if last == newest else charts[last],
        after="" if last == newest else charts[last + 1],
    )


def before(one: str, other: str) -> bool:
    """Whether a version comes before another."""
    return ranges.older(one, other)
