"""What is to be removed, what that means, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ciliumctl.clients.kube import CILIUM_CLUSTERWIDE_POLICIES, CILIUM_POLICIES
from ciliumctl.nodework import Outcome

_POLICIES = {str(CILIUM_POLICIES), str(CILIUM_CLUSTERWIDE_POLICIES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to remove besides the release. `node_image` is what runs on the nodes; empty for the agent's own."""

    namespace: str
    release: str
    purge_crds: bool = False
    purge: bool = False
    delete_namespace: bool = False
    clean_nodes: bool = False
    keep_journal: bool = False
    node_image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What Cilium wrote on Node objects: on how many nodes there are annotations, a taint, its condition."""

    annotations: int = 0
    taints: int = 0
    conditions: int = 0

    def __bool__(self) -> bool:
        return bool(self.annotations or self.taints or self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A workload whose running pods keep the network that they had, and the command that starts them anew."""

    workload: str
    pods: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCleaned:
    """What was removed on one node, and what is still there. `reason` and `detail` say why it was not done.

    `kept` are configurations of others that Cilium took out of use, and that stay so: another CNI's is there by now.
    """

    node: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is left, or nothing runs there."""
        return self.outcome == "skipped" or (self.outcome == "done" and not self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an uninstallation removes, keeps and breaks."""

    kind: ClassVar[str] = "RemovalPreview"

    context: str
    #: What was asked for: it decides what of the rest goes, and what stays.
    wanted: Wanted
    namespace: str
    release: str
    version: str
    #: How the release stands, when an operation on it is at work or was killed; else empty.
    pending: str
    removes: Mapping[str, int]
    namespaces: tuple[str, ...]
    crds: tuple[str, ...]
    #: CRDs of other programs in Cilium's API group; they stay in any case.
    other_crds: tuple[str, ...]
    objects: Mapping[str, int]
    #: The users' own policies, as `kind/namespace/name`; lost with the CRDs.
    policy_names: tuple[str, ...]
    changes: tuple[str, ...]
    marks: Marks
    #: The namespace, when it goes because `--delete-namespace` asks for it; else empty.
    deleted_namespace: str
    #: Objects that the release does not own, as `kind/namespace/name`; they go with `--purge`.
    beside: tuple[str, ...]
    #: Secrets of users in namespaces that go with the release.
    lost_secrets: tuple[str, ...]
    #: Other clusters of the Cluster Mesh that this one is connected to.
    peers: tuple[str, ...]
    residue: tuple[str, ...]
    #: The nodes' folders that `--clean-nodes` looks in; empty unless it is asked for.
    folders: tuple[str, ...]
    #: Nodes that can be cleaned, and those that cannot with the reason; both empty unless `--clean-nodes` is asked for.
    nodes: int
    skipped_nodes: tuple[str, ...]
    #: The image that runs on the nodes.
    node_image: str
    #: What of others is in the namespace that is deleted, as `kind/name`.
    foreign: tuple[str, ...]
    #: What this user may not look at, though it could be lost.
    not_known: tuple[str, ...]
    networked_pods: int
    restarts: tuple[Restart, ...]
    without_kube_proxy: bool

    @property
    def ok(self) -> bool:
        """Always: it is only a look ahead."""
        return True

    @property
    def policies(self) -> int:
        """How many of the users' Cilium policies there are."""
        return sum(count for name, count in self.objects.items() if name in _POLICIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an uninstallation and how it went."""

    title: str
    outcome: Literal["done", "failed", "skipped"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was done. `ok` when every step was."""

    kind: ClassVar[str] = "Removal"

    context: str
    namespace: str
    release: str
    steps: tuple[Step, ...]
    nodes: tuple[NodeCleaned, ...] = ()
    restarts: tuple[Restart, ...] = ()
    kept: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(step.outcome != "failed" for step in self.steps)
