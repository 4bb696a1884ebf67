"""Which version an upgrade without a wish would go to. Only a proposal: nothing upgrades by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ciliumctl import charts
from ciliumctl.change import route
from ciliumctl.versioning import Minor, accepts, named


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
        return Proposal(installed=installed, version=patch, why=f"the newest patch of {named(minor)}")
    following = (minor[0], minor[1] + 1)
    step = route.newest_of(following, usable)
    if step:
        return Proposal(installed=installed, version=step, why=f"the newest patch of the next minor, from {installed}")
    return Proposal(installed=installed, version="", why=_why_none(installed, following, entries, kubernetes))


def _why_none(installed: str, following: Minor, entries: Sequence[charts.Entry], kubernetes: str) -> str:
    refused = route.newest_of(following, entries)
    if refused:
        return f"{refused} is next, and does not accept Kubernetes {kubernetes.removeprefix('v')}"
    newer = [entry.version for entry in entries if "-" not in entry.version]
    newer = [version for version in newer if route.parse(version) > route.parse(installed)]
    if newer:
        return f"the repository has no {named(following)}, which comes before its {newer[-1]}"
    return f"{installed} is the newest version there is"
