"""What the checks look at: the cluster as it is, and what is to be installed into it. Only facts, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ciliumctl.clients.helm import Release, Revision
from ciliumctl.clients.kube import Manifest
from ciliumctl.cni import OtherCni
from ciliumctl.errors import CiliumctlError
from ciliumctl.flavour import Facts
from ciliumctl.nodefacts import NodeReports
from ciliumctl.owners import Owner
from ciliumctl.values.lint import Finding as ValueFinding
from ciliumctl.versioning import Minor, minor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be installed. `values` are the chart's own with the user's on top, `crds` its kinds with a version."""

    namespace: str
    release: str
    version: str
    kube_version: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    crds: Mapping[str, str] = field(default_factory=dict)

    @property
    def minor(self) -> Minor:
        """Its major and minor version."""
        return minor_of(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node, as it tells of itself. `reason` and `message` are those of its Ready condition."""

    name: str
    ready: bool
    reason: str = ""
    message: str = ""
    unschedulable: bool = False
    architecture: str = ""
    system: str = "linux"
    kernel: str = ""
    os_image: str = ""
    kubelet: str = ""
    addresses: tuple[str, ...] = ()
    pod_ranges: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: frozenset[str] = frozenset()
    taints: tuple[Taint, ...] = ()
    images: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def simulated(self) -> bool:
        """Whether kwok pretends to be this node."""
        return self.kubelet.startswith("kwok-")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRanges:
    """The ranges that services get their addresses from, and how we know."""

    ranges: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crd:
    """A CustomResourceDefinition of Cilium's, as its metadata tells. `schema` is what its operator wrote there."""

    name: str
    schema: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An object of the manifest, sent to the server without being kept.

    `refusal` is the server's reason, `unchecked` why it could not be asked. `there` tells whether the object exists;
    `owner` is then the Helm release that it belongs to, as `namespace/name`.
    """

    object: str
    refusal: str = ""
    unchecked: str = ""
    there: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate in a Secret. `problem` is why its dates are not known."""

    secret: str
    key: str
    until: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """Running pods of the pod network, and those that Cilium does not manage; too many to name, `pods` is empty."""

    networked: int = 0
    unmanaged: int = 0
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What an earlier run of ciliumctl, or of the official check, left behind."""

    lock: str = ""
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that a check may look at. A part that could not be read is in `failures` by its name.

    The parts are the fields from `namespaces` on, by their names; those that no chosen check reads are empty.
    `node_reports` is `None` where no node was asked by a pod.
    """

    context: str
    host: str
    target: Target
    flavour: str
    facts: Facts
    existing: Release | None = None
    owner: Owner | None = None
    others: tuple[OtherCni, ...] = ()
    now: datetime

    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    manifest: tuple[Manifest, ...] = ()
    service_ranges: ServiceRanges = ServiceRanges()
    crds: tuple[Crd, ...] = ()
    orphans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stored_versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    releases: tuple[Revision, ...] = ()
    missing_rights: tuple[str, ...] = ()
    sent: tuple[Sent, ...] = ()
    pods: Unmanaged = Unmanaged()
    certificates: tuple[Certificate, ...] = ()
    fqdn_policies: tuple[str, ...] = ()
    leftovers: Leftovers = Leftovers()
    cni_configs: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    endpoint_problem: str = ""
    newest_patch: str = ""
    value_findings: tuple[ValueFinding, ...] = ()
    node_reports: NodeReports | None = None

    failures: Mapping[str, CiliumctlError] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version of the Cilium that is there; empty where there is none that Helm knows of."""
        return self.existing.chart_version if self.existing is not None else ""

    @property
    def minor(self) -> Minor:
        """Its major and minor version; (0, 0) for none."""
        return minor_of(self.version)

    @property
    def simulated(self) -> bool:
        """Whether kwok pretends to be the nodes: nothing runs there."""
        return any(node.kubelet.startswith("kwok-") for node in self.facts.nodes)

    @property
    def present(self) -> bool:
        """Whether some Cilium runs here already."""
        return self.existing is not None or self.owner is not None
