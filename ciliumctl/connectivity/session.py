"""Whose a test bed is and how long it may live: names, labels, expiry."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ciliumctl.clients.kube import Manifest, annotations_of, labels_of

LABEL = "ciliumctl.io/connectivity"
EXPIRES = "ciliumctl.io/expires"
OWNER = "ciliumctl.io/owner"
BED = "ciliumctl.io/bed"
KEPT = "ciliumctl.io/kept"
PREFIX = "ciliumctl-test"
#: How long a bed may be in use; what is older was left behind.
LIFE = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's mark on everything it makes.

    `bed` tells beds apart that another run could not use; `kept` says that its run ended and left it for another.
    """

    name: str
    owner: str
    expires: datetime
    bed: str = ""
    kept: bool = False

    def namespace(self, lane: int, *, host: bool = False) -> str:
        """The namespace of a lane, and the one for pods in the host's network."""
        return f"{PREFIX}-{self.name}-{'host' if host else lane}"

    @property
    def labels(self) -> dict[str, str]:
        """What is found again by."""
        return {LABEL: self.name, "app.kubernetes.io/managed-by": "ciliumctl"}

    @property
    def annotations(self) -> dict[str, str]:
        """For people who meet it."""
        return {EXPIRES: self.expires.isoformat(timespec="seconds"), OWNER: self.owner, BED: self.bed}


def new(owner: str, bed: str, now: datetime | None = None) -> Run:
    """A run with a name of its own."""
    return Run(name=secrets.token_hex(3), owner=owner, expires=(now or datetime.now(UTC)) + LIFE, bed=bed)


def of(namespace: Manifest) -> Run:
    """The run that made a namespace."""
    annotations = annotations_of(namespace)
    try:
        expires = datetime.fromisoformat(annotations.get(EXPIRES, ""))
    except ValueError:
        expires = datetime.fromtimestamp(0, UTC)
    return Run(
        name=labels_of(namespace).get(LABEL, ""),
        owner=annotations.get(OWNER, "somebody"),
        expires=expires,
        bed=annotations.get(BED, ""),
        kept=annotations.get(KEPT) == "true",
    )


def renewed(run: Run, now: datetime | None = None) -> Run:
    """The same run with a whole life before it."""
    return replace(run, expires=(now or datetime.now(UTC)) + LIFE)
