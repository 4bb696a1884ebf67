"""Why Cilium drops a packet, in words, and what to do about it: data in `templates/hubble/drop-reasons.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

from ciliumctl import templates

#: `policy`: a rule said no, as it is meant to. `harmless`: nothing is wrong. `passing`: only while something starts.
Nature = Literal["policy", "harmless", "passing", "trouble"]
POLICY_DENIED, POLICY_DENY, AUTH_REQUIRED = 133, 181, 189


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason: its number, Hubble's name for it, Cilium's words, what it means and what to do."""

    number: int
    name: str
    text: str
    nature: Nature
    means: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """All reasons that are known."""

    kind: ClassVar[str] = "HubbleDropReasons"

    reasons: tuple[Reason, ...]

    @property
    def ok(self) -> bool:
        """Always: it is a list."""
        return True


@cache
def known() -> dict[int, Reason]:
    """All reasons by number."""
    return {int(entry["number"]): Reason(**entry) for entry in templates.load("hubble/drop-reasons.yaml")}


@cache
def names() -> frozenset[str]:
    """The names that `--drop-reason-desc` takes."""
    return frozenset(reason.name for reason in known().values() if reason.name)


def of(number: int, name: str = "") -> Reason:
    """The reason of a number; one that we do not know says so, with Hubble's own name."""
    found = known().get(number)
    if found is not None:
        return found
    return Reason(
        number=number,
        name=name,
        text=name or str(number),
        nature="trouble",
        means="A reason that this ciliumctl does not know; the agent is newer.",
        do="Look the number up in Cilium's `pkg/monitor/api/drop.go`.",
    )


def text(number: int) -> str:
    """Cilium's words for a reason, as `hubble` prints them."""
    return of(number).text


def catalogue() -> Reasons:
    """All reasons, by their number."""
    return Reasons(reasons=tuple(reason for _number, reason in sorted(known().items())))
