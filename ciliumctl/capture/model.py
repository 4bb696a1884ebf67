"""What is captured where, within which limits, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

#: Where tcpdump runs: beside the pod's containers, in the node's agent of Cilium, or in a pod of its own on the node.
Method = Literal["pod", "agent", "node"]
Where = Literal["auto", "pod", "agent", "node"]
#: Why a capture ended; empty when it did not begin.
Ended = Literal["duration", "packets", "size", "interrupted", "reader gone", "lost", ""]

#: Seconds, and bytes for each target, unless told otherwise; a stream is looked at for longer.
SECONDS = 60.0
STREAM_SECONDS = 3600.0
SIZE = 50 * 1024**2
#: The most seconds that one capture lasts.
LONGEST = 24 * 3600.0
#: Whole packets: tcpdump's own default.
SNAPLEN = 262_144
#: How many targets there may be.
MOST_TARGETS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a capture ends: after `seconds`, `packets` of each target (0 for any number), or `size` bytes of each.

    `snaplen` are the bytes that are kept of each packet.
    """

    seconds: float = SECONDS
    packets: int = 0
    size: int = SIZE
    snaplen: int = SNAPLEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pod or a node whose packets are wanted.

    `containers` are the runtime's ids of a pod's containers, `limited` says that the pod may use only so much disk.
    """

    kind: Literal["pod", "node"]
    namespace: str = ""
    name: str
    node: str
    addresses: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    host_network: bool = False
    limited: bool = False

    @property
    def key(self) -> str:
        """It, as it is written on the command line."""
        return f"pod/{self.namespace}/{self.name}" if self.kind == "pod" else f"node/{self.name}"

    @property
    def words(self) -> str:
        """It, in the words of a message."""
        return f"pod `{self.namespace}/{self.name}`" if self.kind == "pod" else f"node `{self.name}`"

    @property
    def file(self) -> str:
        """The name of its file in a folder."""
        return f"{self.key.replace('/', '_')}.pcap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for. `targets` are words of the command line, `namespace` is that of pods that name none.

    `cilium` is the namespace of Cilium, and of pods that look from a node. `owner` is whose it is: see `guests.How`.
    """

    targets: tuple[str, ...]
    selector: str = ""
    namespace: str = "default"
    cilium: str = "kube-system"
    filter: str = ""
    interface: str = ""
    where: Where = "auto"
    image: str = ""
    pull_secret: str = ""
    owner: str = ""
    limits: Limits = Limits()
    #: Whether Hubble's flows are wanted; `None` for where they can be had.
    flows: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What came of one target; in a dry run, what would be done for it.

    `makes` says what is created for it and with what rights; empty for nothing. `packets` and `bytes` are in the
    file, `received` and `dropped` (by the kernel, for want of room) are tcpdump's own counts; `None` when it did not
    tell. `missing` says why there are no flows.
    """

    target: str
    node: str
    method: Method | Literal[""]
    makes: str = ""
    passed_over: tuple[str, ...] = ()
    interface: str = ""
    file: str = ""
    packets: int = 0
    bytes: int = 0
    received: int | None = None
    dropped: int | None = None
    ended: Ended = ""
    reason: str = ""
    flows: str = ""
    flow_count: int = 0
    missing: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was captured, or could be."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A capture of one target or several. `merged` is the file of all of them, `seconds` how long it took."""

    kind: ClassVar[str] = "Capture"

    context: str
    filter: str
    limits: Limits
    targets: tuple[Captured, ...]
    merged: str = ""
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether every target was captured."""
        return all(target.ok for target in self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """The files, for `-o name`; in a dry run the targets."""
        if self.dry_run:
            return tuple(target.target for target in self.targets)
        files = [self.merged] if self.merged else [target.file for target in self.targets if target.file]
        return (*files, *dict.fromkeys(target.flows for target in self.targets if target.flows))
