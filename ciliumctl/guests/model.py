"""How a guest is made, what is known of one, and the marks that all of them have."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from ciliumctl import templates

#: The label of every pod of ours that is there for a while; its value is what for. Whoever makes pods besides, and
#: gives them this label and the annotations below, has them found and cleaned up with the others.
LABEL = "ciliumctl.io/guest"
#: Annotations of such pods; a container beside others has the same as `CILIUMCTL_EXPIRES` and `CILIUMCTL_OWNER` in
#: its environment: a pod that is not ours gets no marks, because a label changes the identity that Cilium gives it.
EXPIRES = "ciliumctl.io/expires"
OWNER = "ciliumctl.io/owner"
#: An annotation of a pod that is there for more than the one call that made it.
KEPT = "ciliumctl.io/kept"
MANAGED = "app.kubernetes.io/managed-by"
PREFIX = "ciliumctl-"
NOBODY = "somebody"
#: In the environment of what one call starts in a guest that others may be using, too.
SESSION = "CILIUMCTL_SESSION"

Kind = Literal["ephemeral", "pod", "node"]
#: What a guest may do, by kubectl's names and with its meanings (`kubectl debug --profile`).
Profile = Literal["netadmin", "general", "baseline", "restricted", "sysadmin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a guest is made.

    `image` is the one of `templates/debug/images.yaml` when empty; `ttl` are the seconds after which it ends by itself;
    `target` is the container whose processes a guest beside it sees. `command` is a sleep of that length when empty.
    `purpose` stands in names and marks: only guests of the same purpose are used again. `owner` is whose it is, so that
    nobody else's clean-up takes it; whoever the kubeconfig says we are when empty. `keep` lets it be used
    again by the owner's later calls, a pod too. `ended` is a container that has just ended, whatever its pod's status
    says. `grace` are the seconds that the command of a pod has to undo what it did, when the pod is deleted.
    """

    image: str = ""
    pull_secret: str = ""
    profile: Profile = "netadmin"
    ttl: float = 3600.0
    target: str = ""
    command: tuple[str, ...] = ()
    purpose: str = "debug"
    owner: str = ""
    keep: bool = False
    ended: str = ""
    grace: int = 0

    @property
    def reference(self) -> str:
        """The image."""
        return self.image or default_image()

    def owned_by(self, user: str) -> str:
        """Whose it is: `owner`, else `user`, the one of the kubeconfig."""
        return self.owner or user or NOBODY

    def expires(self, now: datetime | None = None) -> datetime:
        """When one that is made now ends."""
        return (now or datetime.now(UTC)) + timedelta(seconds=self.ttl)

    def new_name(self) -> str:
        """A name that no other guest has."""
        return f"{PREFIX}{self.purpose}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One that runs. `made` says whether it was made for this call, and not found and used again.

    `session` is this call's own mark on what it starts in it.
    """

    kind: Kind
    namespace: str
    pod: str
    container: str
    node: str
    made: bool
    expires: datetime
    session: str = field(default_factory=lambda: secrets.token_hex(4))

    def command(self, *words: str) -> list[str]:
        """A command to run in it that ends when this call leaves, also one that was cut off from it.

        The mark is in its environment, which cannot be read of a process that changes its user (`tcpdump` without
        `-Z root`).
        """
        return ["env", f"{SESSION}={self.session}", *words]

    @property
    def words(self) -> str:
        """It, in the words of a message."""
        if self.kind == "ephemeral":
            return f"container `{self.container}` in pod `{self.namespace}/{self.pod}`"
        return f"pod `{self.namespace}/{self.pod}`"


def default_image() -> str:
    """The image with the tools, with its digest."""
    found: str = templates.load("debug/images.yaml")["debug"]
    return found


def moment(text: str) -> datetime:
    """A mark's time; one that cannot be read has passed."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def marks(how: How, expires: datetime, owner: str) -> Mapping[str, Mapping[str, str]]:
    """A pod's labels and annotations."""
    return {
        "labels": {MANAGED: "ciliumctl", LABEL: how.purpose},
        "annotations": {
            EXPIRES: expires.isoformat(timespec="seconds"),
            OWNER: owner,
            **({KEPT: "true"} if how.keep else {}),
        },
    }
