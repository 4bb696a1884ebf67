"""The way from one version to another: one minor at a time, the newest patch of each.

Only that way is tested by Cilium's own project, up and down
(https://docs.cilium.io/en/stable/operations/upgrade/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import semver

from ciliumctl import charts, versioning
from ciliumctl.clients.kube import CILIUM_CLUSTERWIDE_POLICIES, CILIUM_POLICIES, Kube, Manifest, dig, name_of
from ciliumctl.clients.kube import namespace_of as place_of
from ciliumctl.errors import ChartNotFound, Downgrade, NotFound, UpgradePath, UsageError
from ciliumctl.versioning import Minor, named

AUTO = "auto"
#: Before 1.16 every cluster with policies for DNS names must have run this one.
_KEEPS_NAMES = semver.Version(1, 15, 6)
_NEEDS_NAMES = semver.Version(1, 16, 0)
_VERSION = re.compile(r"v?\d+(?:\.\d+){0,2}(?:-[\w.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the user takes on: an older version, a minor left out, a start from a Cilium that is not well."""

    downgrade: bool = False
    skip: bool = False
    unhealthy: bool = False


def parse(version: str) -> semver.Version:
    """A version with or without its `v`. Raises `UsageError`."""
    try:
        return semver.Version.parse(version.removeprefix("v"))
    except ValueError as error:
        raise UsageError(f"`{version}` is not a version", hint="a chart's version looks like 1.16.19") from error


def minor_of(version: str) -> Minor:
    """The minor that a version is a patch of."""
    parsed = parse(version)
    return parsed.major, parsed.minor


def between(before: str, after: str) -> list[Minor]:
    """The minors that lie between two versions, in the order in which they are passed."""
    return versioning.between(minor_of(before), minor_of(after))


def stops(via: Sequence[str]) -> tuple[str, ...]:
    """What `--via` names, one by one: versions, charts or `auto`. Raises `UsageError`."""
    found = tuple(part.strip() for text in via for part in text.split(",") if part.strip())
    if AUTO in found and len(found) > 1:
        raise UsageError("`--via auto` finds all versions between by itself", hint="name `auto` alone, or versions")
    return found


def request(stop: str, repository: str) -> charts.Request:
    """The chart that a stop names: a version of the repository, or a chart itself."""
    if _VERSION.fullmatch(stop):
        return charts.Request(version=stop, repository=repository)
    return charts.Request(chart=stop, repository=repository)


def automatic(before: str, after: str, entries: Sequence[charts.Entry]) -> list[str]:
    """The versions to go through: the newest patch of the installed minor, then of each one between.

    A minor that the repository does not have is left out; `check` says so.
    """
    upwards = parse(before) < parse(after)
    minors = between(before, after)
    if upwards and minor_of(before) != minor_of(after):
        minors = [minor_of(before), *minors]
    found = [newest for minor in minors if (newest := newest_of(minor, entries))]
    return [version for version in found if version != before and (parse(version) > parse(before)) is upwards]


def newest_of(minor: Minor, entries: Sequence[charts.Entry]) -> str:
    """The newest release of a minor; empty when there is none. Pre-releases do not count."""
    try:
        return charts.pick(list(entries), named(minor), "").version
    except ChartNotFound:
        return ""


def ahead(found: str, charts_: Sequence[charts.Chart]) -> list[charts.Chart]:
    """Those of the charts, the last one being where to go, that are not behind the installed version already.

    Raises:
        UsageError: they are not in order.
    """
    final = charts_[-1]
    upwards = parse(final.version) >= parse(found)
    way = [one for one in charts_[:-1] if (parse(one.version) > parse(found)) is upwards and one.version != found]
    numbers = [parse(found), *(parse(one.version) for one in [*way, final])]
    if way and numbers != sorted(numbers, reverse=not upwards):
        listed = " → ".join(one.version for one in [*way, final])
        raise UsageError(f"the versions are not in order: {found} → {listed}", hint="name them from first to last")
    return [*(one for one in way if one.version != final.version), final]


def check(before: str, after: str, allowed: Allowed) -> None:
    """Refuse a step that is not tested, unless it is allowed.

    Raises:
        Downgrade: the version is older; UpgradePath: a minor would be left out.
    """
    if parse(after) < parse(before) and not allowed.downgrade:
        raise Downgrade(
            f"{after} is older than the installed {before}; only one minor back is tested",
            hint="`ciliumctl rollback` goes back to what was installed before; "
            "`--allow-downgrade` installs an older version on purpose",
        )
    missed = between(before, after)
    if missed and not allowed.skip:
        raise UpgradePath(
            f"{before} to {after} leaves out {', '.join(named(minor) for minor in missed)}: "
            "only one minor at a time is tested",
            hint="`--via` goes through others; `--allow-skip` leaves them out at your own risk",
        )


def loses_names(before: str, after: str) -> bool:
    """Whether policies for DNS names would forget their addresses on the way."""
    return parse(before) < _KEEPS_NAMES and parse(after) >= _NEEDS_NAMES


def check_names(kube: Kube, before: str, after: str) -> None:
    """Refuse 1.16 for a cluster with `toFQDNs` policies that has not run 1.15.6 or later. Raises `UpgradePath`."""
    if not loses_names(before, after):
        return
    policies = list(_name_policies(kube))
    if policies:
        listed = ", ".join(f"`{name}`" for name in policies[:3]) + (" and more" if len(policies) > 3 else "")
        raise UpgradePath(
            f"{before} to {after} is not possible with policies for DNS names ({listed}): they need 1.15.6 before 1.16",
            hint="`ciliumctl upgrade --version 1.15` first, then this one",
        )


def _name_policies(kube: Kube) -> Iterator[str]:
    for resource in (CILIUM_POLICIES, CILIUM_CLUSTERWIDE_POLICIES):
        try:
            for policy in kube.objects(resource):
                if any(_has_names(rule) for rule in _rules(policy)):
                    yield f"{place_of(policy)}/{name_of(policy)}".lstrip("/")
        except NotFound:
            # The kind is not there before the operator of the first installation ran.
            continue


def _rules(policy: Manifest) -> list[Manifest]:
    specs: list[Manifest] = dig(policy, "specs", default=[])
    spec: Manifest = dig(policy, "spec", default={})
    return [spec, *specs]


def _has_names(rule: Manifest) -> bool:
    egress: list[Manifest] = dig(rule, "egress", default=[])
    return any(dig(part, "toFQDNs") for part in egress)
