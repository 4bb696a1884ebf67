"""What is mirrored to where, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Direction = Literal["both", "ingress", "egress"]

#: What the pods of mirrors are for, in their names and marks.
PURPOSE = "mirror"
#: Seconds that a mirror lasts unless told otherwise, and at most.
TTL = 3600.0
LONGEST = 24 * 3600.0
#: Not those that Cilium (8472), Flannel (8472), Calico (4789) and VXLAN itself (4789) have: two owners of one port
#: cannot have the same network number, and Cilium's takes all of them.
PORT = 4790
#: What a node's script has to undo what it did, in seconds.
GRACE = 15
#: Seconds by which the pod outlives its script, which ends first and undoes.
LATE = 60.0
#: The first words of the command of such a pod, behind which stand the words of `templates/capture/mirror.sh`.
PROGRAM = "ciliumctl-mirror"
#: Bytes that VXLAN adds to a packet: its own header, UDP's, IP's and the inner Ethernet's.
OVERHEAD = {4: 50, 6: 70}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for: words such as `pod/web` and `node/node-1`; `namespace` is that of pods that name none.

    `cilium` is the namespace of the pods that are made. `vni` is chosen when it is 0. `owner` is whose it is.
    """

    source: str
    target: str
    namespace: str = "default"
    cilium: str = "kube-system"
    direction: Direction = "both"
    interface: str = "eth0"
    ttl: float = TTL
    vni: int = 0
    port: int = PORT
    image: str = ""
    pull_secret: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A mirror. `interface` is where the copies arrive, in the target; `vni` is 0 when both are on one node.

    `pods` do it, each `namespace/name`; it ends by itself at `expires`, in UTC. `state` is what they are, `makes` what
    would be made in a dry run.
    """

    kind: ClassVar[str] = "Mirror"

    name: str
    source: str
    target: str
    nodes: tuple[str, ...]
    interface: str
    direction: str
    vni: int = 0
    port: int = 0
    expires: str
    owner: str = ""
    pods: tuple[str, ...] = ()
    state: str = "running"
    makes: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether all of it runs, or would."""
        return self.state == "running"

    @property
    def names(self) -> tuple[str, ...]:
        """It, for `-o name`."""
        return (f"mirror/{self.name}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorList:
    """The mirrors that are there."""

    kind: ClassVar[str] = "MirrorList"

    mirrors: tuple[Mirror, ...]

    @property
    def ok(self) -> bool:
        """A list is no verdict."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Them, for `-o name`."""
        return tuple(f"mirror/{one.name}" for one in self.mirrors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """One that was ended: `reason` says what is left of it, empty for nothing."""

    name: str
    source: str
    target: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorsEnded:
    """What was ended."""

    kind: ClassVar[str] = "MirrorsEnded"

    mirrors: tuple[Gone, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is left of any."""
        return not any(one.reason for one in self.mirrors)

    @property
    def names(self) -> tuple[str, ...]:
        """Them, for `-o name`."""
        return tuple(f"mirror/{one.name}" for one in self.mirrors)
