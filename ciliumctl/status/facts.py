"""What is known of an installation before anybody judges it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliumctl.clients.helm import Release, Revision
from ciliumctl.errors import CiliumctlError

#: The workloads of Cilium's charts, in the order they are shown, with their kind and their fixed name.
COMPONENTS: dict[str, tuple[str, str]] = {
    "agent": ("DaemonSet", "cilium"),
    "envoy": ("DaemonSet", "cilium-envoy"),
    "operator": ("Deployment", "cilium-operator"),
    "hubble relay": ("Deployment", "hubble-relay"),
    "hubble ui": ("Deployment", "hubble-ui"),
    "cluster mesh": ("Deployment", "clustermesh-apiserver"),
}
_SUFFIX = {"DaemonSet": r"-[a-z0-9]{5}", "Deployment": r"-[a-z0-9]+-[a-z0-9]{5}"}
_POD_NAMES = {component: re.compile(re.escape(name) + _SUFFIX[kind]) for component, (kind, name) in COMPONENTS.items()}


def component_of(pod: str) -> str:
    """The component that a pod belongs to, by its name; empty for none of ours."""
    return next((component for component, pattern in _POD_NAMES.items() if pattern.fullmatch(pod)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A DaemonSet or a Deployment. `images` maps an image to the number of pods that were made with it.

    `waits` says that its pods are only replaced when somebody deletes them (`OnDelete`).
    """

    component: str
    kind: str
    name: str
    uid: str
    desired: int
    ready: int
    updated: int
    observed: bool
    images: Mapping[str, int]
    wanted_images: tuple[str, ...]
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, as `kubectl get pods -o wide` shows it."""

    name: str
    ready: bool
    state: str
    restarts: int
    age: str
    address: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node, as `kubectl get nodes -o wide` shows it."""

    name: str
    state: str
    kubelet: str
    kernel: str
    os: str
    address: str

    @property
    def ready(self) -> bool:
        """Whether the node is ready."""
        return self.state.split(",")[0] == "Ready"

    @property
    def simulated(self) -> bool:
        """Whether kwok pretends to be this node."""
        return self.kubelet.startswith("kwok-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at an installation. A part that could not be read is in `failures` by its name."""

    context: str
    namespace: str
    workloads: Mapping[str, Workload]
    pods: Mapping[str, tuple[Pod, ...]]
    nodes: tuple[Node, ...]
    config: Mapping[str, str]
    revision: Revision | None = None
    release: Release | None = None
    #: Pods with an address of the pod network, and those of them without a CiliumEndpoint; `None` when nobody knows.
    networked: int | None = None
    unmanaged: tuple[str, ...] = ()
    failures: Mapping[str, CiliumctlError] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """Whether there is anything of Cilium in the namespace."""
        return bool(self.workloads) or bool(self.config) or self.revision is not None
