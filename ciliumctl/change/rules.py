"""What is known of Cilium's settings and versions: the rules in `templates/values/impact/`, and which of them fit."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import semver

from ciliumctl import templates
from ciliumctl.versioning import minor_of

#: What a change does, from nothing to what cannot be done on a running network.
Level = Literal["none", "rolling-restart", "agents-restart", "interruption", "not-live"]
LEVELS: tuple[Level, ...] = get_args(Level)

#: What means the same for a switch: it is not on.
OFF = frozenset({"", "false", "0", "disabled"})
#: The files with rules about keys.
FILES = ("addresses", "datapath", "services", "identities", "policies", "encryption", "quiet")


def worst(levels: Sequence[Level]) -> Level:
    """The worst of them; `none` without any."""
    return max(levels, key=LEVELS.index, default="none")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """What a change of some keys of `cilium-config` does."""

    keys: tuple[str, ...]
    values: tuple[str, ...]
    level: Level
    why: str
    way: str = ""
    when: Mapping[str, Any]
    readers: tuple[str, ...] = ()
    absent: str | Mapping[str, str] = ""
    source: Mapping[str, Any]

    def fits(self, key: str, before: str, after: str, *, mesh: bool) -> bool:
        """Whether the rule is about this change; an empty value stands for a key that is not there."""
        if key not in self.keys:
            return False
        before, after = self._meant(key, before), self._meant(key, after)
        if before == after or {before, after} <= OFF:
            return False
        if "before" in self.when and not re.fullmatch(self.when["before"], before):
            return False
        if "after" in self.when and not re.fullmatch(self.when["after"], after):
            return False
        if self.when.get("mesh") and not mesh:
            return False
        return not self.when.get("loses") or loses(before, after)

    def _meant(self, key: str, value: str) -> str:
        absent = self.absent if isinstance(self.absent, str) else self.absent.get(key, "")
        return value or absent


@cache
def of_keys() -> tuple[Rule, ...]:
    """The rules about keys of `cilium-config`, in their order: the first that fits decides."""
    return tuple(_rule(item) for name in FILES for item in templates.load(f"values/impact/{name}.yaml"))


def _rule(item: Mapping[str, Any]) -> Rule:
    return Rule(
        keys=tuple(item["keys"]),
        values=tuple(item.get("values", ())),
        level=item["level"],
        why=item["why"],
        way=item.get("way", ""),
        when=item.get("when", {}),
        readers=tuple(item.get("readers", ())),
        absent=item.get("absent", ""),
        source=item,
    )


def find(key: str, before: str, after: str, *, mesh: bool) -> Rule | None:
    """The rule for a change of one key; `None` when nothing is known of it."""
    return next((rule for rule in of_keys() if rule.fits(key, before, after, mesh=mesh)), None)


def loses(before: str, after: str) -> bool:
    """Whether a list of networks, separated by blanks or commas, loses one that it had."""
    kept = [network for network in map(_network, re.split(r"[\s,]+", after.strip())) if network is not None]
    for text in re.split(r"[\s,]+", before.strip()):
        old = _network(text)
        if old is not None and not any(_within(old, new) for new in kept):
            return True
    return False


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _within(inner: _Network, outer: _Network) -> bool:
    # A wider network holds the old one's addresses, but its ranges are counted from another start.
    return inner.network_address == outer.network_address and inner.prefixlen >= outer.prefixlen


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What crossing one minor version does beside what its objects and keys tell."""

    step: str
    level: Level
    why: str
    back: str
    way: str
    only_if: Mapping[str, str]
    before: str

    def crossed(self, old: str, new: str) -> bool:
        """Whether the way from `old` to `new`, upwards or downwards, crosses the step."""
        if self.before and not semver.Version.parse(old).match(self.before):
            return False
        first, last = sorted((minor_of(old), minor_of(new)))
        if self.step == "*":
            return first != last
        return first < minor_of(self.step) <= last


@cache
def of_versions() -> tuple[Step, ...]:
    """The rules about versions."""
    return tuple(
        Step(
            step=str(item["step"]),
            level=item["level"],
            why=item.get("why", ""),
            back=item.get("back", ""),
            way=item.get("way", ""),
            only_if=item.get("if", {}),
            before=item.get("before", ""),
        )
        for item in templates.load("values/impact/versions.yaml")
    )


def upwards(old: str, new: str) -> bool:
    """Whether `new` is the newer minor version."""
    return minor_of(new) >= minor_of(old)


def changed_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The keys of a ConfigMap whose values differ. One that comes or goes with an empty value is no difference."""
    return sorted(key for key in before.keys() | after.keys() if str(before.get(key, "")) != str(after.get(key, "")))
