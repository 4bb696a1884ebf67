"""What a command in a container did, for machines, and what was found when guests were cleaned up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ciliumctl.guests.leftovers import Cleaned, Left


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugRun:
    """A command that ran to its end. `truncated` says that it wrote more than is kept of each stream."""

    kind: ClassVar[str] = "DebugRun"

    namespace: str
    pod: str
    container: str
    node: str
    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command ended with 0."""
        return self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedGuest:
    """One guest. `outcome` is `removed`, `failed`, or `in-use` for one that was left alone; `expires` is its end."""

    what: str
    namespace: str
    pod: str
    container: str
    node: str
    purpose: str
    owner: str
    expires: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugCleanup:
    """What became of every guest that is, or was, there."""

    kind: ClassVar[str] = "DebugCleanup"

    context: str
    guests: tuple[CleanedGuest, ...]

    @property
    def ok(self) -> bool:
        """Whether all that was to go is gone; nothing to do counts, too."""
        return not self.count("failed")

    @property
    def names(self) -> tuple[str, ...]:
        """The pods that were removed, or had a container ended."""
        return tuple(f"pod/{one.namespace}/{one.pod}" for one in self.guests if one.outcome == "removed")

    def count(self, outcome: str) -> int:
        """How many had this outcome."""
        return sum(one.outcome == outcome for one in self.guests)


def told(done: Cleaned) -> DebugCleanup:
    """What was done, in the shape that is shown."""
    rows = [*(_row(one, one.outcome) for one in done.guests), *(_row(one, "in-use") for one in done.in_use)]
    rows.sort(key=lambda row: (row.namespace, row.pod, row.container))
    return DebugCleanup(context=done.context, guests=tuple(rows))


def _row(one: Left, outcome: str) -> CleanedGuest:
    guest = one.guest
    return CleanedGuest(
        what={"ephemeral": "container", "pod": "pod", "node": "node pod"}[guest.kind],
        namespace=guest.namespace,
        pod=guest.pod,
        container=guest.container,
        node=guest.node,
        purpose=one.purpose,
        owner=one.owner,
        expires=guest.expires.isoformat(timespec="seconds"),
        outcome=outcome,
        detail=one.detail,
    )
