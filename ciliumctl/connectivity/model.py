"""What a scenario is made of: probes as data, what they expect, what they need. Nothing here talks to a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ciliumctl.clients.kube import Manifest, Resource

Category = Literal["pods", "services", "hosts", "dns", "transfer", "policy", "cilium", "outside"]
Family = Literal[4, 6]
#: Pods beyond those of a lane, made (or, for `agents`, looked up) only when a scenario that runs wants them.
Group = Literal["hosts", "sniffers", "outside", "limited", "tls", "agents"]

#: Seconds that a probe waits for an answer; a network that needs more does not do what it should.
ANSWER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must come of a command: its exit code, and what it prints.

    `codes` empty means any but 0. `pattern` is a regular expression that must match the whole output.
    """

    codes: tuple[int, ...] = (0,)
    pattern: str = ""
    words: str = "an answer"

    @property
    def denied(self) -> bool:
        """Whether the probe is a negative one."""
        return not self.codes

    def met(self, code: int, output: str) -> bool:
        """Whether this is what came."""
        right = code in self.codes if self.codes else code != 0
        return right and (not self.pattern or re.fullmatch(self.pattern, output.strip(), re.DOTALL) is not None)


ANSWERED = Expect()
#: The connection is refused at once: nobody drops it silently. curl's exit code is the same for a path that is not
#: there, so it must say so; only with `-v` does it.
REFUSED = Expect(codes=(7,), pattern=".*Connection refused.*", words="a refusal")
#: Dropped or refused: a policy may do either.
DENIED = Expect(codes=(), words="no answer")


def says(pattern: str, words: str = "") -> Expect:
    """An answer that matches a regular expression."""
    return Expect(pattern=pattern, words=words or f"an answer like `{pattern}`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a probe goes to: its name for people, its address, and the node it is on where that is known.

    `anywhere`: who answers may be on another node than the one that is asked, as with a node port.
    """

    name: str
    address: str = ""
    node: str = ""
    anywhere: bool = False

    def __str__(self) -> str:
        where = f" on {self.node}" if self.node else ""
        return f"{self.name}{where}" + (f" ({self.address})" if self.address else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One command in one pod. `source` is the pod's role in the bed; `seconds` ends the command."""

    name: str
    source: str
    target: Target
    command: str
    expect: Expect = ANSWERED
    seconds: int = 10

    def expecting(self, expect: Expect) -> Probe:
        """The same probe with another expectation."""
        return Probe(
            name=self.name,
            source=self.source,
            target=self.target,
            command=self.command,
            expect=expect,
            seconds=self.seconds,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """An object that a scenario brings, and its kind."""

    resource: Resource
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod of the bed. `addresses` by family; `host` are its node's; `container` is the one that is asked."""

    role: str
    name: str
    namespace: str
    node: str
    addresses: Mapping[int, str]
    host: Mapping[int, str]
    container: str = "server"

    def target(self, family: int, name: str = "") -> Target:
        """This pod as the end of a probe."""
        return Target(name=name or f"pod {self.role}", address=self.addresses[family], node=self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the bed. `ports` and `node_ports` by port name."""

    name: str
    namespace: str
    addresses: Mapping[int, str]
    node_ports: Mapping[str, int]

    @property
    def full_name(self) -> str:
        """Its name below the cluster's domain, which every search path knows."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that takes part. `hostname` is its label of that name, which need not be its name."""

    name: str
    addresses: Mapping[int, str]
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the cluster is, as far as scenarios care.

    `no_policies` says why no policy is enforced; empty when one is. `outside` is a node that the CNI leaves alone.
    `served` are the kinds that the API server knows, with their `apiVersion`.
    """

    nodes: tuple[Node, ...]
    families: tuple[int, ...]
    domain: str = "cluster.local"
    cilium: bool = False
    cilium_namespace: str = ""
    version: tuple[int, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    served: frozenset[tuple[str, str]] = frozenset()
    no_policies: str = ""
    privileged: bool = True
    external: str = ""
    outside: Node | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that the API server knows, in whatever version."""
        return frozenset(kind for _version, kind in self.served)

    @property
    def two_nodes(self) -> bool:
        """Whether there are two."""
        return len(self.nodes) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """The pods and services of one lane; a scenario reads the addresses from it."""

    namespace: str
    world: World
    pods: Mapping[str, Pod]
    services: Mapping[str, Service]
    lane: int = 0

    @property
    def families(self) -> tuple[int, ...]:
        """The families that every pod has."""
        return self.world.families

    def pod(self, role: str) -> Pod:
        """The pod of a role."""
        return self.pods[role]

    def servers(self) -> list[Pod]:
        """The pods that serve: on the client's node and, where there are two, on the other."""
        return [self.pods[role] for role in ("near", "far") if role in self.pods]

    def clients(self) -> list[Pod]:
        """The pods that ask: one a node."""
        return [self.pods[role] for role in ("client", "far-client") if role in self.pods]

    def group(self, prefix: str) -> list[Pod]:
        """The pods whose role is this word and a number, such as `host`: one a node, in the nodes' order."""
        return [pod for role, pod in sorted(self.pods.items()) if role.rpartition("-")[0] == prefix]


#: Tells why a scenario cannot run on a cluster; empty when it can.
Need = Callable[[World], str]
Probes = Callable[[Bed], Iterable[Probe]]
Objects = Callable[[Bed], Sequence[Applied]]


def _nothing(_bed: Bed) -> Sequence[Applied]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that the network must do.

    `objects` are there while the probes run; `changes` come two seconds after the probes began. With `policies`,
    every probe must first be answered without them, then meet its expectation under them: a policy test that would
    pass without its policy proves nothing. `groups` are pods that it wants beyond those of a lane. `official` names the
    tests of the official CLI that it stands for.
    """

    name: str
    about: str
    category: Category
    probes: Probes
    objects: Objects = _nothing
    changes: Objects = _nothing
    policies: Objects | None = None
    needs: tuple[Need, ...] = ()
    smoke: bool = False
    groups: tuple[Group, ...] = ()
    official: tuple[str, ...] = ()

    def skipped(self, world: World) -> str:
        """Why it cannot run; empty when it can."""
        return next((reason for need in self.needs if (reason := need(world))), "")
