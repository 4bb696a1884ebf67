"""The scenarios as a list, with what a cluster would skip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import looking
from ciliumctl.connectivity.running import Wanted, select


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scenario. `skipped` says why this cluster would not run it; empty when it would, or was not asked."""

    name: str
    about: str
    category: str
    profile: str
    official: tuple[str, ...]
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All of them."""

    kind: ClassVar[str] = "ConnectivityTests"

    tests: tuple[Entry, ...]

    @property
    def ok(self) -> bool:
        """Always."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """For `-o name`."""
        return tuple(test.name for test in self.tests)


def listed(kube: Kube | None, wanted: Wanted) -> Listed:
    """The scenarios that are chosen; with a cluster, what it would skip. No request without, six with."""
    chosen = select(wanted)
    world = looking.look(kube, wanted.settings, wanted.namespace) if kube is not None else None
    entries = [
        Entry(
            name=one.name,
            about=one.about,
            category=one.category,
            profile="smoke" if one.smoke else "full",
            official=one.official,
            skipped=one.skipped(world) if world is not None else "",
        )
        for one in chosen
    ]
    return Listed(tests=tuple(entries))
