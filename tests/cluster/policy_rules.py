"""Policies of both kinds in one shape: whom they select, whom they isolate, what they allow and deny."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.cluster.policy_state import Pod

Direction = Literal["ingress", "egress"]
ENTITIES = ("all", "world", "host", "remote-node", "cluster", "kube-apiserver")


@dataclass(frozen=True, slots=True)
class Pods:
    """Peers that are pods."""

    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Peers outside of the cluster, by address: as in Cilium, it means no pod and no node, whatever the range."""

    cidr: str
    excepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """Peers by what they are: one of ENTITIES."""

    name: str


Peer = Pods | Block | Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where traffic goes: a range of ports (0: all), a port's name, or a type of ICMP message."""

    protocol: str
    first: int = 0
    last: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Lets traffic through, or drops it; no ports are all ports."""

    direction: Direction
    peers: tuple[Peer, ...]
    ports: tuple[Port, ...] = ()
    deny: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy: `isolates` are the directions in which what nobody allows is dropped."""

    name: str
    subjects: frozenset[tuple[str, str]]
    isolates: frozenset[Direction]
    rules: tuple[Rule, ...]
    unsupported: tuple[str, ...] = ()


def selects(selector: Mapping[str, Any], labels: Mapping[str, str], key: Callable[[str], str] = str) -> bool:
    """Whether a label selector matches; an empty one matches everything. `key` translates the selector's keys."""
    wanted = all(labels.get(key(name)) == value for name, value in (selector.get("matchLabels") or {}).items())
    return wanted and all(_holds(one, labels, key) for one in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str], key: Callable[[str], str]) -> bool:
    name, values = key(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case _:
            return name not in labels


def keys_of(pods: Iterable[Pod]) -> frozenset[tuple[str, str]]:
    """What tells pods apart."""
    return frozenset((pod.namespace, pod.name) for pod in pods)


def blocks(entries: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Address ranges with exceptions, as both kinds of policies write them."""
    return tuple(Block(entry["cidr"], tuple(entry.get("except") or ())) for entry in entries)
