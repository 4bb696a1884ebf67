"""What a migration is about: the network that is there, the one that comes, and where each node stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

#: What the user names with `--from`; each is a file in `templates/migration/`.
Origin = Literal["flannel", "calico", "weave"]
#: `moving` and `undoing` are nodes at which a run was stopped, or failed: the same command goes on.
Phase = Literal["waiting", "moving", "migrated", "undoing"]
HALF_WAY: tuple[Phase, ...] = ("moving", "undoing")
Severity = Literal["refused", "warning"]
#: Which way nodes go: `node` hands them to Cilium, `undo` gives them back.
Direction = Literal["node", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OldNetwork:
    """The CNI that is in charge. `port` is the UDP port of its tunnel, 0 for none; `mtu` 0 where it follows the link.

    `daemon_sets` are its DaemonSets as `namespace/name`; none where it runs inside of another program, as in k3s.
    `proved` says how a migration from this back-end was tried; empty where it was not.
    """

    origin: str
    name: str
    backend: str
    ranges: tuple[str, ...]
    source: str
    port: int = 0
    mtu: int = 0
    daemon_sets: tuple[str, ...] = ()
    proved: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNetwork:
    """What Cilium gets beside it: the range of its pods, each node's share of it, and a port that nobody has."""

    ranges: tuple[str, ...]
    block: int
    port: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that keeps the migration from going on, or that it breaks, with what to do about it."""

    severity: Severity
    text: str
    hint: str = ""
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAhead:
    """A node before its turn: the pods that move, those that are made anew in place, and what keeps them."""

    node: str
    control_plane: bool
    ready: bool
    phase: Phase
    moved: int
    restarted: int
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """What will be done, in order. Nothing is changed by it. `begun` says that Cilium is beside it already."""

    kind: ClassVar[str] = "MigrationPlan"

    context: str
    namespace: str
    old: OldNetwork
    new: NewNetwork
    begun: bool
    version: str
    nodes: tuple[NodeAhead, ...]
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]
    requests: int

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What cannot work."""
        return tuple(one for one in self.findings if one.severity == "refused")

    @property
    def ok(self) -> bool:
        """Whether it can begin."""
        return not self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A migration under way, as its ConfigMap keeps it: what was there, what came, and who began it when."""

    old: OldNetwork
    new: NewNetwork
    families: tuple[int, ...]
    began: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """Where a node stands. `cilium` and `old` count its running pods by the range of their address."""

    node: str
    phase: Phase
    ready: bool
    schedulable: bool
    agent: bool
    cilium: int
    old: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """Where the migration stands. Without one, `begun` is empty."""

    kind: ClassVar[str] = "MigrationStatus"

    context: str
    namespace: str
    begun: str
    who: str
    old: OldNetwork | None
    new: NewNetwork | None
    nodes: tuple[NodeLine, ...]

    @property
    def migrated(self) -> int:
        """How many nodes are."""
        return sum(one.phase == "migrated" for one in self.nodes)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Nodes at which a run was stopped."""
        return tuple(one.node for one in self.nodes if one.phase in HALF_WAY)

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return [f"node/{one.node}" for one in self.nodes]

    @property
    def ok(self) -> bool:
        """Whether no node is half-way."""
        return not self.unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What came of putting Cilium beside the other CNI."""

    kind: ClassVar[str] = "MigrationStart"

    outcome: Literal["started", "unchanged", "dry-run"]
    context: str
    namespace: str
    release: str
    version: str
    old: OldNetwork
    new: NewNetwork
    values: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Always: what fails raises."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRun:
    """One connectivity test of a node against a peer, whose pods are Cilium's or the other CNI's."""

    peer: str
    peer_network: str
    passed: int
    failed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that ran got through."""
        return not self.failed and self.passed > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of one node.

    `failed` is the step that it stopped at, with the `detail`; without `begun` nothing was changed; `evicted` are pods.
    """

    node: str
    outcome: Literal["migrated", "undone", "unchanged", "stopped"]
    begun: bool = True
    failed: str = ""
    detail: str = ""
    evicted: int = 0
    restarted: int = 0
    gates: tuple[GateRun, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it is where it was to go."""
        return self.outcome != "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesMoved:
    """What came of the nodes, in the order in which they were taken. `left` are those that still wait."""

    kind: ClassVar[str] = "MigrationNodes"

    operation: Direction
    context: str
    nodes: tuple[Moved, ...]
    left: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether none stopped half-way."""
        return all(one.ok for one in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRetired:
    """What was removed of the other CNI on a node, and what is left."""

    node: str
    outcome: str
    detail: str = ""
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing of it is left; nodes where nothing runs count."""
        return self.outcome == "skipped" or (self.outcome == "done" and not self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the end of a migration did, or in a dry run would do; `unchanged`, without `old`, where none is left."""

    kind: ClassVar[str] = "MigrationFinish"

    outcome: Literal["finished", "partial", "unchanged", "dry-run"]
    context: str
    namespace: str
    old: str
    values: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    nodes: tuple[NodeRetired, ...] = ()
    healthy: bool | None = None
    summary: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything of the old network is gone, and Cilium is healthy where that was looked at."""
        return self.outcome != "partial" and self.healthy is not False
