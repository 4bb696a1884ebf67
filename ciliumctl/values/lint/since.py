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
    """The first and the last of the charts that were looked at which has a value. `last` is empty when it still is."""

    first: str
    last: str
    oldest: bool


@cache
def _facts() -> dict[str, Any]:
    found: dict[str, Any] = templates.load("values/facts/since.yaml")
    return found


def of(key: str) -> Span | None:
    """From where to where a dotted key is known; None for one that none of the charts has."""
    facts = _facts()
    charts: list[str] = facts["charts"]
    where = facts["keys"].get(key)
    if where is None:
        return None
    first, last = where
    return Span(first=charts[first], last="" if last == len(charts) - 1 else charts[last], oldest=first == 0)


def before(one: str, other: str) -> bool:
    """Whether a version comes before another."""
    return ranges.older(one, other)
