"""The L3 and L4 part of Cilium's policies in the common shape; what else they say is named as unsupported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ciliumctl.clients.kube import Manifest, name_of, namespace_of
from tests.cluster.policy_rules import (
    ENTITIES,
    Block,
    Direction,
    Entity,
    Peer,
    Pods,
    Policy,
    Port,
    Rule,
    blocks,
    keys_of,
    selects,
)
from tests.cluster.policy_state import NAMESPACE_LABEL, NAMESPACE_LABELS, State

_SECTIONS: tuple[tuple[str, Direction, bool], ...] = (
    ("ingress", "ingress", False),
    ("egress", "egress", False),
    ("ingressDeny", "ingress", True),
    ("egressDeny", "egress", True),
)
_PEERS = {"Endpoints", "Entities", "CIDR", "CIDRSet"}
_ICMP_TYPES = {"EchoReply": 0, "EchoRequest": 8}
_ICMP6_TYPES = {"EchoRequest": 128, "EchoReply": 129}
_EVERY_PROTOCOL = ("TCP", "UDP", "SCTP")


class _Unsupported(Exception):
    """A rule says something that no packet filter can do."""


def read(policy: Manifest, state: State) -> list[Policy]:
    """One CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: as many policies as it has specs."""
    specs = [*([policy["spec"]] if policy.get("spec") else []), *(policy.get("specs") or ())]
    namespace = namespace_of(policy)
    name = f"{policy['kind']} {namespace}/{name_of(policy)}" if namespace else f"{policy['kind']} {name_of(policy)}"
    return [_read(name, namespace, spec, state) for spec in specs]


def _read(name: str, namespace: str, spec: Mapping[str, Any], state: State) -> Policy:
    rules: list[Rule] = []
    unsupported: list[str] = []
    if "endpointSelector" not in spec:
        return Policy(
            name=name, subjects=frozenset(), isolates=frozenset(), rules=(), unsupported=(f"{name}: nodeSelector",)
        )
    for section, direction, deny in _SECTIONS:
        for rule in spec.get(section) or ():
            try:
                rules += _rules(rule, direction, namespace, state, deny=deny)
            except _Unsupported as error:
                unsupported.append(f"{name}: {section}: {error}")
    return Policy(
        name=name,
        subjects=keys_of(_endpoints(spec["endpointSelector"] or {}, namespace, state).pods),
        isolates=frozenset(_isolates(spec)),
        rules=tuple(rules),
        unsupported=tuple(unsupported),
    )


def _isolates(spec: Mapping[str, Any]) -> Iterator[Direction]:
    explicit = spec.get("enableDefaultDeny") or {}
    directions: tuple[Direction, ...] = ("ingress", "egress")
    for direction in directions:
        if explicit.get(direction, bool(spec.get(direction) or spec.get(f"{direction}Deny"))):
            yield direction


def _rules(
    rule: Mapping[str, Any], direction: Direction, namespace: str, state: State, *, deny: bool
) -> Iterator[Rule]:
    word = "from" if direction == "ingress" else "to"
    known = {f"{word}{peer}" for peer in _PEERS} | {"toPorts", "icmps"}
    for key in rule:
        if key not in known:
            raise _Unsupported(key)
    ports = [port for entry in rule.get("toPorts") or () for port in _ports(entry)]
    ports += [_icmp(field) for entry in rule.get("icmps") or () for field in entry.get("fields") or ()]
    # A rule that says nothing allows nothing: it is how default deny is written.
    if not rule:
        return
    named = any(f"{word}{peer}" in rule for peer in _PEERS)
    peers = tuple(_peers(rule, word, namespace, state)) if named else (Entity("all"),)
    yield Rule(direction=direction, peers=peers, ports=tuple(ports), deny=deny)


def _peers(rule: Mapping[str, Any], word: str, namespace: str, state: State) -> Iterator[Peer]:
    for selector in rule.get(f"{word}Endpoints") or ():
        yield _endpoints(selector, namespace, state)
    for name in rule.get(f"{word}Entities") or ():
        if name not in ENTITIES:
            raise _Unsupported(f"entity {name}")
        yield Entity(name)
    for cidr in rule.get(f"{word}CIDR") or ():
        yield Block(cidr)
    for entry in rule.get(f"{word}CIDRSet") or ():
        if "cidr" not in entry:
            raise _Unsupported(f"{word}CIDRSet without cidr")
        yield from blocks([entry])


def _endpoints(selector: Mapping[str, Any], namespace: str, state: State) -> Pods:
    """The pods that a selector means: those of the policy's own namespace, unless it names one."""
    keys = [*(selector.get("matchLabels") or {}), *(one["key"] for one in selector.get("matchExpressions") or ())]
    names_one = any(_key(key).startswith((NAMESPACE_LABEL, NAMESPACE_LABELS)) for key in keys)
    return Pods(
        tuple(
            pod
            for pod in state.pods
            if selects(selector, pod.identity, _key) and (names_one or not namespace or pod.namespace == namespace)
        )
    )


def _key(key: str) -> str:
    """A label's name without the source that Cilium writes before it: `k8s:app`, and `k8s.app` in the API."""
    return re.sub(r"^(k8s|any)[:.]", "", key)


def _ports(entry: Mapping[str, Any]) -> Iterator[Port]:
    for key in entry:
        if key != "ports":
            raise _Unsupported(f"toPorts.{key}")
    for port in entry.get("ports") or ():
        wanted, protocol = str(port.get("port", "0")), port.get("protocol", "ANY")
        for each in _EVERY_PROTOCOL if protocol == "ANY" else (protocol,):
            if wanted.isdigit():
                yield Port(protocol=each, first=int(wanted), last=int(port.get("endPort") or wanted))
            else:
                yield Port(protocol=each, name=wanted)


def _icmp(field: Mapping[str, Any]) -> Port:
    sixth = field.get("family", "IPv4") == "IPv6"
    wanted = field["type"]
    number = int(wanted) if str(wanted).isdigit() else (_ICMP6_TYPES if sixth else _ICMP_TYPES).get(wanted)
    if number is None:
        raise _Unsupported(f"ICMP type {wanted}")
    return Port(protocol="ICMPv6" if sixth else "ICMP", first=number, last=number)
