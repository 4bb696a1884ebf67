"""What is known of a path before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliumctl.paths.model import Place
from ciliumctl.paths.spelling import End
from ciliumctl.policies.model import Passage


def socket_of(address: str, port: int) -> str:
    """An address with its port, as everybody writes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """A pod. `trouble` says why it does not run, empty when it does; `ports` are (protocol, number) by name."""

    namespace: str
    name: str
    node: str
    addresses: tuple[str, ...]
    host_network: bool
    ready: bool
    trouble: str = ""
    containers: tuple[str, ...] = ()
    ports: tuple[tuple[str, str, int], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where a service may send a connection to."""

    address: str
    port: int
    ready: bool
    node: str = ""
    namespace: str = ""
    pod: str = ""

    def __str__(self) -> str:
        where = f" on {self.node}" if self.node else ""
        named = f"{self.namespace}/{self.pod}" if self.pod else ""
        at = socket_of(self.address, self.port)
        return f"{named} at {at}{where}" if named else f"{at}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """A service at one of its ports. `port` is 0 when it has none that was asked for."""

    namespace: str
    name: str
    addresses: tuple[str, ...]
    port: int
    protocol: str
    ports: tuple[str, ...]
    selector: Mapping[str, str]
    backends: tuple[Backend, ...]
    local_only: bool = False
    headless: bool = False
    external_name: str = ""

    @property
    def ready(self) -> tuple[Backend, ...]:
        """Those that get connections."""
        return tuple(one for one in self.backends if one.ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """A node: its conditions in words when it is not ready."""

    name: str
    ready: bool
    trouble: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of an endpoint's policy map. `identity` 0 is any, `port` 0 is any."""

    allows: bool
    direction: str
    identity: int
    port: int
    last: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """What the agent of one node says. Parts that it cannot say are `None`, with the reason in `lacking`.

    Attributes:
        problem: What is wrong with the agent itself.
        policy: Rows of the policy map of the end that is on its node.
        identity: What its ipcache has for the other end; 0 for no entry. `tunnel` is where that leads to.
        frontend: How many backends its table has for the service's address.
        peer: What its health probes say of the other node, empty when all get through.
        mtu: Of the link towards the other node.
    """

    node: str
    problem: str = ""
    policy: tuple[Entry, ...] | None = None
    identity: int | None = None
    tunnel: str = ""
    frontend: int | None = None
    peer: str | None = None
    mtu: int | None = None
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """A CiliumEndpoint: its number on its node, its identity, its state and its labels."""

    id: int
    identity: int
    state: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One try of the probe. `said` are the tool's own words."""

    about: str
    address: str
    port: int
    outcome: str
    said: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFacts:
    """The probe: with which tool from where, what each try came to, what Hubble and the kernel say of the way.

    Attributes:
        problem: Why there is none.
        name: Addresses that a name had for the source; `None` when it was not asked for one.
        home: What a try on the destination's own node came to; empty when there was none.
    """

    problem: str = ""
    via: str = ""
    tries: tuple[Tried, ...] = ()
    name: tuple[str, ...] | None = None
    home: str = ""
    way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is judged. `policies` is one passage for each backend, or one; why there is none is in `failed`.

    `failed` maps a part (`policies`, `endpoints`, `agents`, `nodes`) to why it could not be read.
    """

    source: Place
    destination: Place
    wanted: End
    port: int = 0
    protocol: str = "TCP"
    pods: Mapping[tuple[str, str], PodFacts] = field(default_factory=dict)
    service: ServiceFacts | None = None
    backend: Backend | None = None
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    config: Mapping[str, str] | None = None
    endpoints: Mapping[tuple[str, str], EndpointFacts] | None = None
    policies: Mapping[str, Passage] = field(default_factory=dict)
    agents: Mapping[str, AgentFacts] = field(default_factory=dict)
    probe: ProbeFacts | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def source_pod(self) -> PodFacts | None:
        """The pod at the source's end."""
        return self.pods.get((self.source.namespace, self.source.name)) if self.source.kind == "pod" else None

    @property
    def target_pod(self) -> PodFacts | None:
        """The pod at the destination's end: itself, or the one behind the service that is looked at."""
        if self.backend is not None:
            return self.pods.get((self.backend.namespace, self.backend.pod))
        place = self.destination
        return self.pods.get((place.namespace, place.name)) if place.kind == "pod" else None

    @property
    def target_node(self) -> str:
        """The node at the destination's end; empty for one that is outside."""
        return self.backend.node if self.backend is not None else self.destination.node

    @property
    def target_address(self) -> str:
        """The address at the very end: a backend's, not its service's."""
        return self.backend.address if self.backend is not None else self.destination.address

    @property
    def target_port(self) -> int:
        """The port at the very end."""
        return self.backend.port if self.backend is not None else self.port

    @property
    def both_nodes(self) -> tuple[str, str] | None:
        """The two nodes, when they are two."""
        ends = (self.source.node, self.target_node)
        return ends if all(ends) and ends[0] != ends[1] else None
