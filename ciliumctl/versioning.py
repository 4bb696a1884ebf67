"""Versions as numbers: what is older, which minors lie between, what a chart's demand lets in."""

from __future__ import annotations

import re

Numbers = tuple[int, ...]
Minor = tuple[int, int]

_BOUND = re.compile(r"(>=|<=|<|>|=)?v?([\d.]+)(?:-\S*)?")


def numbers(version: str) -> Numbers:
    """The leading numbers of a version: `(1, 34, 4)` for `v1.34.4+k3s1`. Empty when it has none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def minor_of(version: str) -> Minor:
    """Its major and minor version; (0, 0) when it has none."""
    found = numbers(version)
    return (found[0], found[1]) if len(found) > 1 else (0, 0)


def named(minor: Minor) -> str:
    """`1.20` for (1, 20)."""
    return f"{minor[0]}.{minor[1]}"


def between(before: Minor, after: Minor) -> list[Minor]:
    """The minors that lie between two of one major version, in the order in which they are passed."""
    low, high = sorted((before, after))
    if low[0] != high[0]:
        return []
    found = [(low[0], number) for number in range(low[1] + 1, high[1])]
    return found if before == low else found[::-1]


def below(version: str, floor: str) -> bool:
    """Whether a version is older than another, as far as the other tells."""
    mine, theirs = numbers(version), numbers(floor)
    return bool(mine) and mine[: len(theirs)] + (0,) * (len(theirs) - len(mine)) < theirs


def accepts(constraint: str, version: str) -> bool:
    """Whether a demand such as a chart's `kubeVersion`, `>= 1.21.0-0`, lets a version in.

    Bounds joined by spaces or commas must all hold, `||` separates alternatives. What cannot be read lets everything
    in: Helm checks it again.
    """
    if not numbers(version):
        return True
    mine = (*numbers(version), 0, 0)[:3]
    return any(_holds(alternative, mine) for alternative in constraint.split("||"))


def _holds(bounds: str, mine: Numbers) -> bool:
    for part in re.sub(r"([<>=])\s+", r"\1", bounds.replace(",", " ")).split():
        match = _BOUND.fullmatch(part)
        if match is None:
            continue
        theirs = (*numbers(match[2]), 0, 0, 0)[:3]
        good = {">=": mine >= theirs, ">": mine > theirs, "<=": mine <= theirs, "<": mine < theirs}
        if not good.get(match[1], mine == theirs):
            return False
    return True
