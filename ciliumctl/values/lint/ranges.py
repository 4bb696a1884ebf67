"""Ranges of chart versions: `1.14-1.18`, `1.15.0-1.15.7, 1.16.0-1.16.1`, `>=1.16.2`, `<=1.13`.

A minor stands for all of its patches. A pre-release counts as the release that it comes before.
"""

from __future__ import annotations

import re
from functools import cache

Number = tuple[int, int, int]

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-+].*)?$")
# Higher than any patch.
_LAST = 1 << 20


def number(version: str) -> Number | None:
    """The numbers of a version; missing ones are zero. None for what is no version."""
    match = _VERSION.match(version.strip())
    return (int(match[1]), int(match[2] or 0), int(match[3] or 0)) if match else None


def within(version: str, wanted: str) -> bool:
    """Whether a version is in a range. Raises `ValueError` for what is no range."""
    found = number(version)
    return found is not None and any(low <= found <= high for low, high in _parts(wanted))


def older(one: str, other: str) -> bool:
    """Whether `one` comes before `other`; of what is no version nothing is said."""
    left, right = number(one), number(other)
    return left is not None and right is not None and left < right


@cache
def _parts(wanted: str) -> tuple[tuple[Number, Number], ...]:
    return tuple(_part(text.strip()) for text in wanted.split(","))


def _part(text: str) -> tuple[Number, Number]:
    lowest, highest = (0, 0, 0), (_LAST, _LAST, _LAST)
    if text.startswith(">="):
        return _bound(text[2:], 0), highest
    if text.startswith("<="):
        return lowest, _bound(text[2:], _LAST)
    if text.startswith("<"):
        major, minor, patch = _bound(text[1:], 0)
        below = (major, minor, patch - 1) if patch else (major, minor - 1, _LAST)
        return lowest, below
    low, dash, high = text.partition("-")
    return _bound(low, 0), _bound(high if dash else low, _LAST)


def _bound(text: str, missing: int) -> Number:
    match = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no version")
    return int(match[1]), int(match[2]), int(match[3]) if match[3] else missing
