"""What was dropped, between whom, why, by which policy, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    NETWORK_POLICIES,
    Kube,
    Manifest,
    Resource,
    name_of,
    namespace_of,
)
from ciliumctl.connectivity.selecting import directions
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.hubble import observing, reasons, suggesting
from ciliumctl.hubble.asking import Asked
from ciliumctl.hubble.counting import gathered
from ciliumctl.hubble.flow import DROP, L7, VERDICT, Flow, Side
from ciliumctl.report import Reporter

#: Pairs that are remembered; those beyond are only counted, so that a scan does not fill the memory.
MOST = 10_000
_L7_REASON = reasons.Reason(
    number=0,
    name="",
    text="Denied by a rule of layer 7",
    nature="policy",
    means="A rule allows the port, and its HTTP, DNS or Kafka part does not allow this request.",
    do="If the request is wanted, add it to that rule.",
)
Key = tuple[str, str, int, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Drops of one pair, one port and one reason.

    `policies` are those that decided, as the agents say (`told`), or else those that select the end that was protected.
    `suggestion` is a policy that would allow it; `None` where a rule cannot help or cannot be made.
    """

    source: str
    destination: str
    port: int
    protocol: str
    direction: str
    reason: reasons.Reason
    flows: int
    nodes: tuple[str, ...]
    last: str
    policies: tuple[str, ...]
    told: bool
    suggestion: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops(Asked):
    """All drops, most first. `flows` counts every one; `problems` those that are neither meant nor harmless."""

    kind: ClassVar[str] = "HubbleDrops"

    drops: tuple[Drop, ...]
    flows: int
    problems: int
    different: int


@dataclass
class _Seen:
    """What is remembered of one pair: one of its flows, how many, where, and who decided."""

    sample: Flow
    flows: int = 0
    last: int = 0
    nodes: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)


@dataclass
class Gathering:
    """Takes flows and keeps what they say of drops: one flow a pair."""

    most: int = MOST
    pairs: dict[Key, _Seen] = field(default_factory=dict)
    #: Flows of pairs that are not kept.
    beyond: int = 0
    #: Rules by the pair that they denied: a verdict says which, the drop beside it does not.
    verdicts: dict[tuple[str, str, int, str], set[str]] = field(default_factory=dict)
    flows: int = 0
    by_reason: Counter[int] = field(default_factory=Counter)

    def add(self, flow: Flow) -> None:
        """Take a flow; of each drop there are two, the verdict and the drop, which is counted."""
        if flow.verdict not in {"DROPPED", "ERROR"}:
            return
        if flow.event == VERDICT:
            if len(self.verdicts) < self.most:
                self.verdicts.setdefault(_ends(flow), set()).update(flow.rules("denied"))
            return
        if flow.event not in {DROP, L7}:
            return
        self.flows += 1
        self.by_reason[flow.reason] += 1
        key = (*_ends(flow), flow.protocol, flow.reason)
        seen = self.pairs.get(key)
        if seen is None:
            if len(self.pairs) >= self.most:
                self.beyond += 1
                return
            seen = self.pairs[key] = _Seen(sample=flow)
        seen.flows += 1
        seen.nodes.add(flow.node.rpartition("/")[2])
        seen.rules.update(flow.rules("denied"))
        if flow.moment >= seen.last:
            seen.last, seen.sample = flow.moment, flow


def _label(side: Side) -> str:
    """What a side is called here: pods by their name, others by identity and address."""
    if side.pod or not side.reserved or side.reserved.startswith("world"):
        return side.host
    return f"{side.reserved} {side.ip}".strip()


def _ends(flow: Flow) -> tuple[str, str, int, str]:
    return _label(flow.source), _label(flow.destination), flow.server_port, flow.direction


def gather(kube: Kube, question: observing.Question, report: Reporter) -> Drops:
    """Ask for drops, and read the policies when some rule denied something: three requests more.

    Raises:
        NotFound: there is nobody to ask. ClusterError, UnknownFilter: nobody answered, and why.
    """
    gathering = Gathering()
    asked = gathered(kube, question, gathering.add, report)
    if gathering.beyond:
        report.warn(
            f"{gathering.beyond} flows of more than {gathering.most} pairs are counted, and not listed",
            "name pods or a shorter time",
        )
    policies = _policies(kube, report) if any(_by_rule(seen) for seen in gathering.pairs.values()) else ()
    return replace(judge(gathering, policies), nodes=asked.nodes, unanswered=asked.unanswered)


def _by_rule(seen: _Seen) -> bool:
    return seen.sample.event == DROP and seen.sample.reason in {reasons.POLICY_DENIED, reasons.POLICY_DENY}


def _policies(kube: Kube, report: Reporter) -> tuple[Manifest, ...]:
    """Every policy; kinds that are not there, or that this user may not read, are left out and told."""
    found: list[Manifest] = []
    kinds: tuple[tuple[str, Resource], ...] = (
        ("NetworkPolicy", NETWORK_POLICIES),
        ("CiliumNetworkPolicy", CILIUM_POLICIES),
        ("CiliumClusterwideNetworkPolicy", CILIUM_CLUSTERWIDE_POLICIES),
    )
    for kind, resource in kinds:
        try:
            # Items of a list do not say their kind.
            found += [{**item, "kind": kind} for item in kube.objects(resource)]
        except NotFound:
            continue
        except CiliumctlError as error:
            report.warn(f"{kind} objects cannot be read, so that they are not named: {error.message}")
    return tuple(found)


def judge(gathering: Gathering, policies: Sequence[Manifest]) -> Drops:
    """Put drops, reasons and policies together. Asks nobody."""
    drops = [_drop(key, seen, gathering, policies) for key, seen in gathering.pairs.items()]
    drops.sort(key=lambda drop: (-drop.flows, drop.source, drop.destination, drop.port))
    return Drops(
        drops=tuple(drops),
        flows=gathering.flows,
        problems=sum(
            count for number, count in gathering.by_reason.items() if number and reasons.of(number).nature == "trouble"
        ),
        different=len(drops),
    )


def _drop(key: Key, seen: _Seen, gathering: Gathering, policies: Sequence[Manifest]) -> Drop:
    source, destination, port, direction, protocol, number = key
    flow = seen.sample
    reason = _L7_REASON if flow.event == L7 else reasons.of(number, flow.reason_name)
    told = seen.rules | gathering.verdicts.get((source, destination, port, direction), set())
    by_rule = _by_rule(seen)
    named = sorted(told) if told else sorted(_deciding(flow, number, policies)) if by_rule else []
    return Drop(
        source=source,
        destination=destination,
        port=port,
        protocol=flow.layer7 or protocol,
        direction=direction.lower(),
        reason=reason,
        flows=seen.flows,
        nodes=tuple(sorted(seen.nodes)),
        last=str(flow.raw.get("time") or ""),
        policies=tuple(named),
        told=bool(told),
        suggestion=suggesting.rule(flow) if number == reasons.POLICY_DENIED and flow.event == DROP else None,
    )


def _deciding(flow: Flow, number: int, policies: Iterable[Manifest]) -> set[str]:
    """The policies that select the end that was protected, in that direction; of a deny rule, those with deny rules."""
    mine = suggesting.subject(flow)
    if not mine.pod:
        return set()
    labels = suggesting.labels_of(mine)
    way = flow.direction.lower()
    wanted = {f"{way} deny"} if number == reasons.POLICY_DENY else {way, f"{way} deny"}
    found = set()
    for policy in policies:
        place = namespace_of(policy)
        if place not in {"", mine.namespace}:
            continue
        if wanted.intersection(directions(policy, labels)):
            found.add(f"{policy.get('kind', '')} {place + '/' if place else ''}{name_of(policy)}")
    return found
