"""What goes with what: versions as numbers, and the table of `templates/compatibility.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ciliumctl import templates

Numbers = tuple[int, ...]
Minor = tuple[int, int]


def numbers(version: str) -> Numbers:
    """The leading numbers of a version: `(1, 34, 4)` for `v1.34.4+k3s1`. Empty when it has none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def minor_of(version: str) -> Minor:
    """Its major and minor version; (0, 0) when it has none."""
    found = numbers(version)
    return (found[0], found[1]) if len(found) > 1 else (0, 0)


def below(version: str, floor: str) -> bool:
    """Whether a version is older than another, as far as the other tells."""
    mine, theirs = numbers(version), numbers(floor)
    return bool(mine) and mine[: len(theirs)] + (0,) * (len(theirs) - len(mine)) < theirs


def shown(minor: Minor) -> str:
    """`1.20` for (1, 20)."""
    return f"{minor[0]}.{minor[1]}"


@cache
def table() -> Mapping[str, Any]:
    """The whole table."""
    found: Mapping[str, Any] = templates.load("compatibility.yaml")
    return found


def of_minor(minor: Minor) -> Mapping[str, Any]:
    """What is known of a minor version of Cilium; empty for one that is newer than the table."""
    found: Mapping[str, Any] = table()["minors"].get(shown(minor), {})
    return found


def needed_kernel(minor: Minor) -> Mapping[str, str]:
    """The oldest kernels, `kernel` and `rhel`. What is newer than the table needs at least what its newest does."""
    known = {minor_of(name): entry for name, entry in table()["minors"].items()}
    newest, oldest = max(known), min(known)
    found: Mapping[str, str] = known.get(minor) or known[newest if minor > newest else oldest]
    return found


def accepts(constraint: str, version: str) -> bool:
    """Whether a chart's `kubeVersion`, such as `>= 1.21.0-0`, lets a version in. What cannot be read does."""
    for part in constraint.replace(",", " ").replace(">= ", ">=").split():
        match = re.fullmatch(r"(>=|<|<=|>|=)?v?([\d.]+)(?:-\S*)?", part)
        if match is None:
            continue
        mine = (*numbers(version), 0, 0, 0)[:3]
        theirs = (*numbers(match[2]), 0, 0, 0)[:3]
        good = {"<": mine < theirs, "<=": mine <= theirs, ">": mine > theirs, "=": mine == theirs}
        if not good.get(match[1] or "=", mine >= theirs):
            return False
    return True


def rhel_kernel(kernel: str) -> Numbers:
    """The numbers of a kernel of RHEL 8 with its build, `(4, 18, 0, 553)`; empty for any other kernel."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)-(\d+)", kernel)
    return tuple(map(int, match.groups())) if match and ".el8" in kernel else ()


def missing_steps(installed: str, wanted: str) -> Sequence[Minor]:
    """The minor versions between two, which an upgrade must not leave out."""
    (major, here), (goal, there) = minor_of(installed), minor_of(wanted)
    return [(major, minor) for minor in range(here + 1, there)] if major == goal else []
