"""Who may talk to a pod, and to whom it may talk, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar, Literal

from ciliumctl import agents, naming
from ciliumctl.clients.kube import Kube, dig
from ciliumctl.errors import CiliumctlError, NotFound, UsageError
from ciliumctl.policies import auditing, collecting, parties
from ciliumctl.policies.evaluating import passage, selecting
from ciliumctl.policies.matching import Wire, fit, seen_by
from ciliumctl.policies.model import (
    DIRECTIONS,
    Direction,
    Party,
    Passage,
    Protocol,
    Rule,
    Spec,
    State,
)

#: Pods that a rule means now, by name.
_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """A rule for the pod, and whom it means now.

    Attributes:
        effect: `allows` or `denies`.
        peers: In words. `pods` are the first of the pods that are meant, of `count`.
        ports: In words; empty for all.
        above: What is asked of a connection besides, such as `HTTP rules`.
    """

    direction: Direction
    effect: Literal["allows", "denies"]
    policy: str
    path: str
    peers: str
    ports: str
    above: str
    count: int
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Whether nothing goes in a direction but what rules allow, and which policies want it so."""

    direction: Direction
    isolated: bool
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What policies say to a connection; `source` and `destination` in words."""

    source: str
    destination: str
    port: str
    answer: str
    passage: Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What the pod's agent has made of it.

    Attributes:
        enforcing: In which directions, in its words: `none`, `ingress`, `egress`, `both`, `audit-…`.
        agrees: Whether that is what the policies say; `None` when it did not answer, and `problem` says why.
    """

    enforcing: str = ""
    agrees: bool | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Who may talk to a pod and why; with `connections` only what was asked about."""

    kind: ClassVar[str] = "PolicyExplanation"

    pod: str
    mode: str
    isolation: tuple[Isolation, ...]
    rules: tuple[Means, ...]
    connections: tuple[Connection, ...]
    agent: Agent
    limits: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every connection that was asked about gets through."""
        return all(one.answer in {"allowed", "audited"} for one in self.connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `to` and `coming` are other ends as `end` takes them; no port is any port."""

    namespace: str
    pod: str
    to: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    port: int | None = None
    protocol: Protocol = "TCP"


def explain(kube: Kube, namespace: str, asked: Question, *, ask_agent: bool = True) -> Explanation:
    """Answer, out of twelve requests (more pages, where there are more than 500 of a kind) and one exec.

    Where a connection is denied, two requests more, and one exec on the node of whom it is denied by: audit mode.
    `namespace` is Cilium's. One request more for each other end that is an address outside of the cluster's pods and
    nodes: it may be a service's.

    Raises:
        NotFound: there is no such pod. UsageError: another end makes no sense, or the pod has its node's network.
    """
    state = collecting.read(kube, namespace)
    subject = _pod(state, asked.namespace, asked.pod)
    specs = selecting(state, subject)
    isolation = tuple(_isolation(state, specs, direction) for direction in DIRECTIONS)
    to, coming = ([_other(kube, state, word, asked.namespace) for word in some] for some in (asked.to, asked.coming))
    pairs = [*((subject, one) for one in to), *((one, subject) for one in coming)]
    if ask_agent:
        said = [(*pair, _passage(state, *pair, asked)) for pair in pairs]
        state = auditing.aware(kube, namespace, state, said)
    connections = [_connection(state, *pair, asked) for pair in pairs]
    rules = () if connections else tuple(_means(state, subject, spec, rule) for spec in specs for rule in spec.rules)
    refused = [f"{ref} is not in force: {why}" for ref, why in state.refused.items()]
    denied = any(one.answer == "denied" for one in connections)
    unasked = ["the agents were not asked whether a pod is in audit mode"] if denied and not ask_agent else []
    return Explanation(
        pod=f"{subject.namespace}/{subject.name}",
        mode=state.settings.mode,
        isolation=isolation,
        rules=rules,
        connections=tuple(connections),
        agent=_agent(kube, namespace, subject, isolation, state) if ask_agent else Agent(),
        limits=(*state.limits, *refused, *unasked),
    )


def _pod(state: State, namespace: str, name: str) -> Party:
    found = state.pods.get((namespace, name))
    if found is None:
        hint = f"`kubectl get pods -n {namespace}` lists them"
        raise NotFound(f"there is no pod `{name}` in namespace `{namespace}` that runs", hint=hint)
    if found.kind != "pod":
        raise UsageError(
            f"pod `{namespace}/{name}` has its node's network: the policies of pods are not for it",
            hint="a CiliumClusterwideNetworkPolicy with a `nodeSelector` is for nodes",
        )
    return found


def end(state: State, word: str, namespace: str) -> Party:
    """The other end: `pod/NAME`, `pod/NAMESPACE/NAME`, `node/NAME`, an address, an entity, or a name in DNS.

    Raises `NotFound` for what does not exist, `UsageError` for what is none of these.
    """
    meant = naming.read(word, namespace)
    if meant is not None and meant.kind == "pod":
        there = state.pods.get((meant.namespace, meant.name))
        if there is None:
            raise NotFound(f"there is no pod `{meant.name}` in namespace `{meant.namespace}` that runs")
        return there
    if meant is not None and meant.kind == "node":
        if meant.name not in state.nodes:
            raise NotFound(f"there is no node `{meant.name}`", hint="`kubectl get nodes` lists them")
        return state.nodes[meant.name]
    try:
        return parties.at(state, str(ip_address(word)))
    except ValueError:
        pass
    if word in parties.ALONE:
        return parties.entity(word)
    if "." in word and "/" not in word:
        return parties.named(word)
    raise UsageError(
        f"`{word}` is nobody that policies know",
        hint=f"write pod/NAME, node/NAME, an address, a name in DNS, or one of {', '.join(parties.ALONE)}",
    )


def _other(kube: Kube, state: State, word: str, namespace: str) -> Party:
    """As `end`. Raises `UsageError` for a service's address, too: it is translated before policies are asked."""
    found = end(state, word, namespace)
    service = collecting.service_at(kube, found.name) if found.kind == "outside" else ""
    if service:
        raise UsageError(
            f"`{word}` is the address of service `{service}`: policies see the pods behind it",
            hint="name one of these, as `pod/NAMESPACE/NAME`, with the port that it listens on",
        )
    return found


def _isolation(state: State, specs: Sequence[Spec], direction: Direction) -> Isolation:
    names = tuple(dict.fromkeys(str(spec.policy) for spec in specs if direction in spec.isolates))
    isolated = state.settings.mode != "never" and (bool(names) or state.settings.mode == "always")
    return Isolation(direction=direction, isolated=isolated, policies=names)


def _passage(state: State, source: Party, destination: Party, asked: Question) -> Passage:
    return passage(state, source, destination, port=asked.port, protocol=asked.protocol)


def _connection(state: State, source: Party, destination: Party, asked: Question) -> Connection:
    found = _passage(state, source, destination, asked)
    return Connection(
        source=str(source),
        destination=str(destination),
        port=f"{asked.protocol}/{asked.port}" if asked.port is not None else "",
        answer=found.answer,
        passage=found,
    )


def _means(state: State, subject: Party, spec: Spec, rule: Rule) -> Means:
    """A rule and the pods that it means now, whatever the port."""
    every = Rule(path=rule.path, direction=rule.direction, deny=rule.deny, peers=rule.peers)
    met = [
        f"{one.namespace}/{one.name}"
        for one in state.pods.values()
        if one is not subject and one.kind == "pod" and fit(state, every, _wire(state, subject, one)) is not None
    ]
    return Means(
        direction=rule.direction,
        effect="denies" if rule.deny else "allows",
        policy=str(spec.policy),
        path=rule.path,
        peers="everybody" if rule.peers is None else " or ".join(one.said for one in rule.peers) or "nobody",
        ports=", ".join(dict.fromkeys(one.said for one in rule.ports)) if rule.ports is not None else "",
        above=" and ".join(dict.fromkeys(one.above for one in rule.ports or () if one.above)) or rule.above,
        count=len(met),
        pods=tuple(met[:_MOST]),
    )


def _wire(state: State, subject: Party, peer: Party) -> Wire:
    seen = seen_by(state, subject, peer)
    return Wire(subject=subject, peer=seen, target=peer, port=None, protocol="TCP")


def _agent(kube: Kube, namespace: str, subject: Party, isolation: Sequence[Isolation], state: State) -> Agent:
    """What `cilium-dbg endpoint get` says. Objects tell what should be; this is what is."""
    try:
        agent = agents.on(kube, namespace, subject.node)
        said = agents.ask_json(kube, agent, ["endpoint", "get", _called(subject)])
    except CiliumctlError as error:
        return Agent(problem=error.message)
    entry: Any = said[0] if isinstance(said, list) and said else said
    enforcing = dig(entry, "status", "policy", "realized", "policy-enabled", default="")
    if not enforcing:
        return Agent(problem="the agent does not say what it enforces")
    wanted = {one.direction for one in isolation if one.isolated}
    if state.settings.mode != "never":
        wanted |= {rule.direction for spec in selecting(state, subject) for rule in spec.rules}
    having = _DIRECTIONS.get(enforcing.removeprefix("audit-"), set())
    return Agent(enforcing=enforcing, agrees=having == wanted)


def _called(pod: Party) -> str:
    """A pod's endpoint as agents of all versions find it (pkg/endpoint/id/id.go)."""
    address = pod.addresses[0] if pod.addresses else ""
    return f"ipv6:{address}" if ":" in address else f"ipv4:{address}"


_DIRECTIONS: Mapping[str, set[Direction]] = {
    "none": set(),
    "ingress": {"ingress"},
    "egress": {"egress"},
    "both": {"ingress", "egress"},
}
