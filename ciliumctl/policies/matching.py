"""Does a rule fit a connection? Yes, no, or that objects alone do not tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Literal

from ciliumctl.connectivity.selecting import matches
from ciliumctl.policies.model import Clause, Party, Port, Rule, Service, State

_WITH_PORTS = ("TCP", "UDP", "SCTP")
# What is outside of the cluster, and what is in it and no pod (pkg/policy/api/entity.go).
_WORLD = ("reserved:world", "reserved:world-ipv4", "reserved:world-ipv6")
_EVERYWHERE = {"0.0.0.0/0", "::/0"}
_INSIDE = ("host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One connection as one of its ends sees it.

    Attributes:
        subject: Whose policies are asked.
        peer: The other end, with the labels that it has to the subject: `seen_by`.
        target: Where it goes to: the port is this one's.
        port: The port, or the type of an ICMP message; `None` for any.
    """

    subject: Party
    peer: Party
    target: Party
    port: int | None
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a rule fits: for sure, or perhaps, and then why not for sure."""

    rule: Rule
    clause: Clause | None
    port: Port | None
    unsure: str = ""


def seen_by(state: State, subject: Party, peer: Party) -> Party:
    """The peer with the reserved labels that it has to a subject: a pod's own node is its `host`, others are not."""
    reserved: list[str] = []
    if peer.kind == "node":
        reserved.append("host" if peer.node == subject.node else "remote-node")
    elif peer.kind == "entity":
        reserved.append(peer.name)
    elif peer.kind in {"outside", "name"}:
        reserved.append("world")
        reserved += {f"world-ipv{ip_address(one).version}" for one in peer.addresses}
    if peer.kind != "pod" and state.api_servers.intersection(peer.addresses):
        reserved.append("kube-apiserver")
    return replace(peer, labels={**peer.labels, **{f"reserved:{name}": "" for name in reserved}})


def fit(state: State, rule: Rule, wire: Wire) -> Fit | None:
    """The best fit of a rule to a connection; `None` when it has nothing to do with it."""
    found: Fit | None = None
    for clause in rule.peers if rule.peers is not None else (None,):
        unsure = _peer(state, clause, wire) if clause is not None else ""
        if unsure is None:
            continue
        for port in rule.ports if rule.ports is not None else (None,):
            doubt = _port(port, wire) if port is not None else ""
            if doubt is None:
                continue
            one = Fit(rule=rule, clause=clause, port=port, unsure=unsure or doubt)
            above = rule.above or (port.above if port is not None else "")
            if not one.unsure and not above:
                return one
            if found is None or (found.unsure and not one.unsure):
                found = one
    return found


# Each of these returns "" for a sure fit, why it is not sure, or `None` for no fit.


def _peer(state: State, clause: Clause, wire: Wire) -> str | None:
    peer = wire.peer
    match clause.kind:
        case "pods":
            wanted = not clause.namespace or clause.namespace == peer.namespace
            return _yes(wanted and _labelled(peer) and matches(clause.what, peer.labels))
        case "nodes":
            # Cilium adds this to the selector: a pod's own node is never one of them.
            other = "reserved:remote-node" in peer.labels
            return _yes(state.settings.node_labels and other and matches(clause.what, peer.labels))
        case "entity":
            return _entity(str(clause.what["entity"]), peer)
        case "range":
            return _range(state, clause, peer)
        case "name":
            return _name(clause, peer)
        case "service":
            return _service(state, clause, peer)
        case "unclear":
            return clause.said


def _yes(holds: bool) -> str | None:  # noqa: FBT001 - its only argument, of a word
    return "" if holds else None


def _labelled(peer: Party) -> bool:
    """Whether a peer can have been meant by labels: all but mere addresses, whose only ones are reserved."""
    return bool(peer.labels)


def _entity(name: str, peer: Party) -> str | None:
    match name:
        case "all":
            return ""
        case "world":
            return _yes(any(label in peer.labels for label in _WORLD))
        case "cluster" | "clustermesh":
            return _yes(peer.kind == "pod" or any(f"reserved:{one}" in peer.labels for one in _INSIDE))
        case "world-ipv4" | "world-ipv6" if "reserved:world" in peer.labels and not peer.addresses:
            return f"which addresses `{peer.name}` has is not known"
        case _:
            return _yes(f"reserved:{name}" in peer.labels)


def _range(state: State, clause: Clause, peer: Party) -> str | None:
    """Ranges mean what is outside of the cluster: no pods, and nodes only where Cilium is told so."""
    world = any(label in peer.labels for label in _WORLD)
    if not world and not (peer.kind == "node" and state.settings.ranges_mean_nodes):
        return None
    ranges = tuple(_ranges(state, clause))
    if not peer.addresses:
        if _EVERYWHERE.intersection(ranges) and not clause.what.get("except"):
            return ""
        return f"which addresses `{peer.name}` has is not known" if ranges else None
    excepted = [str(one) for one in clause.what.get("except") or ()]
    return _yes(any(within(one, ranges) and not within(one, excepted) for one in peer.addresses))


def _ranges(state: State, clause: Clause) -> Iterable[str]:
    what = clause.what
    if "cidr" in what:
        return (str(what["cidr"]),)
    if "group" in what:
        return state.groups.get(str(what["group"]), ({}, ()))[1]
    return [one for labels, ranges in state.groups.values() if matches(what["groups"] or {}, labels) for one in ranges]


def within(address: str, ranges: Iterable[str]) -> bool:
    """Whether an address is in one of the ranges; those that are none hold nothing."""
    where = ip_address(address)
    for one in ranges:
        try:
            network = ip_network(one, strict=False)
        except ValueError:
            continue
        if network.version == where.version and where in network:
            return True
    return False


def _name(clause: Clause, peer: Party) -> str | None:
    wanted = str(clause.what.get("matchName") or "")
    pattern = str(clause.what.get("matchPattern") or "")
    if peer.kind == "name":
        fits = peer.name.rstrip(".").lower() == wanted.rstrip(".").lower() if wanted else like(peer.name, pattern)
        return _yes(fits)
    if peer.kind in {"outside", "entity"} and any(label in peer.labels for label in _WORLD):
        return f"whether {peer.name} is an address of {clause.said} only the agent knows, from the pod's DNS requests"
    return None


def like(name: str, pattern: str) -> bool:
    """Whether a name in DNS fits a `matchPattern`."""
    return bool(_pattern(pattern.rstrip(".").lower()).fullmatch(name.rstrip(".").lower()))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    # pkg/fqdn/matchpattern: `*` is any part of one label, a lone one is everything, `**.` at the start any labels.
    if text == "*":
        return re.compile(r".*")
    several = text.startswith("**.")
    rest = text.removeprefix("**.")
    start = r"[-a-z0-9_]+(?:\.[-a-z0-9_]+)*\." if several else ""
    return re.compile(start + re.escape(rest).replace(r"\*", "[-a-z0-9_]*"))


def _service(state: State, clause: Clause, peer: Party) -> str | None:
    fits = [_behind(service, peer) for service in state.services if _meant(service, clause.what)]
    return _yes(any(fits))


def _meant(service: Service, what: Mapping[str, object]) -> bool:
    by_labels = what.get("k8sServiceSelector")
    if isinstance(by_labels, Mapping):
        place = by_labels.get("namespace") in {None, "", service.namespace}
        return place and matches(by_labels.get("selector") or {}, service.labels)
    by_name = what.get("k8sService")
    if not isinstance(by_name, Mapping):
        return False
    return by_name.get("namespace") in {None, "", service.namespace} and by_name.get("serviceName") == service.name


def _behind(service: Service, peer: Party) -> bool:
    """Whether a peer is one of a service's: by its selector, or by its addresses where it has none."""
    if service.selector:
        wanted = {"matchLabels": dict(service.selector)}
        return peer.kind == "pod" and peer.namespace == service.namespace and matches(wanted, peer.labels)
    world = any(label in peer.labels for label in _WORLD)
    return world and bool(set(service.addresses).intersection(peer.addresses))


def _port(port: Port, wire: Wire) -> str | None:
    protocols = _WITH_PORTS if port.protocol == "ANY" else (port.protocol,)
    if wire.protocol not in protocols:
        return None
    if port.name:
        numbers = [
            number
            for protocol, number in wire.target.ports.get(port.name, ())
            if protocol == wire.protocol or not protocol
        ]
        if wire.port is None:
            return f"it depends on the port: {port.said}" if numbers else None
        return _yes(wire.port in numbers)
    if wire.port is None:
        every = (port.first, port.last) == (0, 65535)
        return "" if every else f"it depends on the {_word(port)}: {port.said}"
    return _yes(port.first <= wire.port <= port.last)


def _word(port: Port) -> Literal["port", "message"]:
    return "port" if port.protocol in {*_WITH_PORTS, "ANY"} else "message"
