"""Policies in one shape, and whom they are about.

Kubernetes' and Cilium's policies become `Spec`s: whom one selects, in which directions it isolates, what its rules
allow and deny. Everything that traffic comes from or goes to is a `Party`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["ingress", "egress"]
Protocol = Literal["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"]
Answer = Literal["allowed", "denied", "audited", "unknown"]
#: How an agent enforces: pods that a policy selects, all pods, none (`enable-policy` in `cilium-config`).
Mode = Literal["default", "always", "never"]

DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP", "ICMP", "ICMPv6")
#: What Cilium has names for (pkg/policy/api/entity.go).
ENTITIES = (
    "all",
    "world",
    "world-ipv4",
    "world-ipv6",
    "cluster",
    "cluster-mesh",
    "host",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "init",
    "health",
    "unmanaged",
    "none",
)


# Whom policies are about


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of a connection.

    Attributes:
        kind: `pod` (with an address of its own), `node` (also a pod with the node's), `outside` (an address that is
            nobody's in the cluster), `name` (a name in DNS) or `entity` (all that Cilium calls so).
        node: Where a pod runs; the node's own name for a node.
        labels: Those that selectors see: a pod's with its namespace's, as Cilium writes them.
        ports: A pod's named ports, with protocol and number; a name may stand for several.
    """

    kind: Literal["pod", "node", "outside", "name", "entity"]
    name: str
    namespace: str = ""
    node: str = ""
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        match self.kind:
            case "pod":
                return f"pod {self.namespace}/{self.name}"
            case "node":
                return f"node {self.name}" if self.name == self.node else f"pod {self.name} on the host network"
            case "entity":
                return f"entity {self.name}"
            case _:
                return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service, as far as `toServices` asks: its labels, whom it selects, or the addresses behind it without that."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()


# What policies say


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """Which policy. `str()` is `KIND NAMESPACE/NAME`."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """Some peers of a rule.

    Attributes:
        path: Where it stands, such as `ingress[0].fromEndpoints[1]`.
        said: The same in words, such as `pods with app=web`.
        kind: What `what` is: a selector of pods (`pods`) or nodes (`nodes`), a range (`range`), an entity (`entity`),
            a name or pattern in DNS (`name`), a service (`service`), or something that objects do not tell (`unclear`).
        namespace: The only namespace that a selector of pods looks into; empty for any.
    """

    path: str
    said: str
    kind: Literal["pods", "nodes", "range", "entity", "name", "service", "unclear"]
    what: Mapping[str, Any]
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where traffic may go to.

    Attributes:
        protocol: One of `PROTOCOLS`, or `ANY` for TCP, UDP and SCTP.
        first, last: A range of ports, or the type of an ICMP message in both.
        name: A port's name instead of a number.
        above: What else is asked of a connection that fits, such as `HTTP rules`: no object tells whether it holds.
    """

    path: str
    protocol: str
    first: int = 0
    last: int = 65535
    name: str = ""
    above: str = ""

    @property
    def said(self) -> str:
        """Such as `TCP/80-90`."""
        if self.name:
            return f"{self.protocol}/{self.name}"
        if (self.first, self.last) == (0, 65535):
            return f"{self.protocol} on every port"
        return f"{self.protocol}/{self.first}" + (f"-{self.last}" if self.last != self.first else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of a policy's lists. No `peers` (`None`) are all of them, `()` nobody; no `ports` are all of them."""

    path: str
    direction: Direction
    deny: bool = False
    peers: tuple[Clause, ...] | None = None
    ports: tuple[Port, ...] | None = None
    above: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A policy, or one of several in it.

    Attributes:
        path: `spec`, or `specs[1]`.
        selector: Whom it is for: pods, or nodes with `on_nodes`.
        isolates: The directions in which nothing goes but what some policy allows.
    """

    policy: Ref
    path: str
    selector: Mapping[str, Any]
    on_nodes: bool = False
    isolates: frozenset[Direction] = frozenset()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of `cilium-config` changes the meaning of policies."""

    mode: Mode = "default"
    kubernetes: bool = True
    audit: bool = False
    host_firewall: bool = False
    local_host: bool = True
    ranges_mean_nodes: bool = False
    node_labels: bool = False
    default_deny_choice: bool = True
    layer_7: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that decides.

    Attributes:
        specs: The policies; those that Cilium refused are in `refused`, with its reason, and are not in force.
        groups: The ranges of each CiliumCIDRGroup, and its labels.
        api_servers: Their addresses.
        audited: Pods (namespace, name) whose endpoint only watches; of `untold` no agent says it, and why.
        skipped: Policies of a kind that is not evaluated.
    """

    specs: tuple[Spec, ...] = ()
    settings: Settings = Settings()
    pods: Mapping[tuple[str, str], Party] = field(default_factory=dict)
    nodes: Mapping[str, Party] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    groups: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = field(default_factory=dict)
    api_servers: frozenset[str] = frozenset()
    audited: frozenset[tuple[str, str]] = frozenset()
    untold: Mapping[tuple[str, str], str] = field(default_factory=dict)
    refused: Mapping[Ref, str] = field(default_factory=dict)
    skipped: tuple[Ref, ...] = ()

    @property
    def limits(self) -> tuple[str, ...]:
        """What was not looked at, a sentence each."""
        return tuple(
            f"policies of kind {kind} are not looked at" for kind in sorted({ref.kind for ref in self.skipped})
        )


# What comes of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A rule that had a say.

    Attributes:
        effect: What it does to this connection; `isolates` is why nothing else was allowed.
        path: Which entry, and which of its peers, such as `ingress[0].fromEndpoints[1]`; empty for a whole policy.
        clause: Its peers in words.
        port: Its port in words; empty for all.
        above: What is asked of the connection besides, such as `HTTP rules`.
        unsure: Why it is not known whether the rule fits; empty when it is.
    """

    effect: Literal["allows", "denies", "isolates"]
    policy: Ref
    path: str = ""
    clause: str = ""
    port: str = ""
    above: str = ""
    unsure: str = ""

    def __str__(self) -> str:
        where = f", {self.path}" if self.path else ""
        what = f" ({self.clause}{f', {self.port}' if self.port else ''})" if self.clause else ""
        return f"{self.policy}{where}{what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What policies say to one connection, at one of its ends.

    Attributes:
        why: One sentence.
        rules: What decided, the most telling first; empty where no policy has a say.
        limits: What objects cannot tell, a sentence each: rules above the connection, names, other kinds of policies.
    """

    answer: Answer
    direction: Direction
    why: str
    rules: tuple[Reason, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether traffic gets through."""
        return self.answer in {"allowed", "audited"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What policies say to one connection, at both ends: out of its source, and into its destination."""

    egress: Verdict
    ingress: Verdict

    @property
    def answer(self) -> Answer:
        """The worse of the two: denied, then unknown, then audited."""
        answers: tuple[Answer, ...] = ("denied", "unknown", "audited")
        for one in answers:
            if one in {self.egress.answer, self.ingress.answer}:
                return one
        return "allowed"

    @property
    def ok(self) -> bool:
        """Whether traffic gets through."""
        return self.answer in {"allowed", "audited"}
