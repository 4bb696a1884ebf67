"""Which version an upgrade without a wish would go to. Only a proposal: nothing upgrades by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import semver

from ciliumctl import charts
from ciliumctl.change import route

_BOUND = re.compile(r"(>=|>|<=|<|=)?\s*v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-\S*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`version` is empty when there is nothing to propose; `why` says so in a few words either way."""

    installed: str
    version: str
    why: str
    #: What else is newer, and why it is not proposed.
    notes: tuple[str, ...] = ()


def propose(installed: str, entries: Sequence[charts.Entry], kubernetes: str) -> Proposal:
    """The newest patch of the installed minor when that is not on it yet, else of the next minor.

    Pre-releases do not count, and neither do charts that do not accept the cluster's Kubernetes.
    """
    usable = [entry for entry in entries if accepts(entry.kube_version, kubernetes)]
    minor = route.minor_of(installed)
    patch = route.newest_of(minor, usable)
    if patch and route.parse(patch) > route.parse(installed):
        return Proposal(installed=installed, version=patch, why=f"the newest patch of {route.named(minor)}")
    following = (minor[0], minor[1] + 1)
    step = route.newest_of(following, usable)
    if step:
        return Proposal(installed=installed, version=step, why=f"the newest patch of the next minor, from {installed}")
    return Proposal(installed=installed, version="", why=_why_none(installed, following, entries, kubernetes))


def _why_none(installed: str, following: route.Minor, entries: Sequence[charts.Entry], kubernetes: str) -> str:
    refused = route.newest_of(following, entries)
    if refused:
        return f"{refused} is next, and does not accept Kubernetes {kubernetes.removeprefix('v')}"
    newer = [entry.version for entry in entries if "-" not in entry.version]
    newer = [version for version in newer if route.parse(version) > route.parse(installed)]
    if newer:
        return f"the repository has no {route.named(following)}, which comes before its {newer[-1]}"
    return f"{installed} is the newest version there is"


def accepts(constraint: str, kubernetes: str) -> bool:
    """Whether a chart's `kubeVersion`, such as `>= 1.21.0-0`, takes a Kubernetes version.

    Bounds joined by spaces or commas must all hold, `||` separates alternatives. What is not understood is taken for a
    yes: Helm checks it again.
    """
    found = re.match(r"v?(\d+)\.(\d+)\.?(\d+)?", kubernetes)
    if found is None:
        return True
    have = semver.Version(int(found[1]), int(found[2]), int(found[3] or 0))
    return any(_holds(alternative, have) for alternative in constraint.split("||"))


def _holds(bounds: str, have: semver.Version) -> bool:
    for sign, major, minor, patch in _BOUND.findall(bounds):
        bound = semver.Version(int(major), int(minor or 0), int(patch or 0))
        good = {
            ">=": have >= bound,
            ">": have > bound,
            "<=": have <= bound,
            "<": have < bound,
        }.get(sign, have == bound)
        if not good:
            return False
    return True
