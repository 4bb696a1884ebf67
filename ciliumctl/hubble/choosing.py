"""Which agents are asked for flows: an agent has seen the traffic of its own node, and of no other.

What a pod sends or gets is seen on its node. A drop of one end's traffic may happen at the other end's node; so pods
that a filter names narrow the nodes, unless drops or verdicts are asked for and only one end is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ciliumctl.agents import AT_ONCE, Agent, find
from ciliumctl.clients.kube import PODS, Kube
from ciliumctl.errors import NotFound, UsageError
from ciliumctl.hubble.filters import Filters
from ciliumctl.hubble.matching import node_matches
from ciliumctl.report import Reporter

#: Verdicts, and types of events, that may come from the other end's node.
_ELSEWHERE = ({"DROPPED", "ERROR", "AUDIT"}, {"drop", "policy-verdict"})
#: Nodes that are followed at most when nobody says more: each is a connection and a thread.
FOLLOWED = 100

Narrowed = Literal["no", "by node name", "by pod"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which nodes are asked: `namespace` is Cilium's own, `most` the greatest number of them (0: no limit).

    `patience` is how many seconds one agent may take that is not followed.
    """

    namespace: str
    all_nodes: bool = False
    most: int = 0
    parallel: int = AT_ONCE
    patience: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The agents to ask, and what is known of the others.

    `why` says how they were narrowed; `left_out` are nodes that would have been asked without a limit, `unready` those
    whose agent cannot be asked.
    """

    agents: tuple[Agent, ...]
    all_nodes: int
    narrowed: Narrowed
    why: str
    unready: tuple[Agent, ...] = ()
    left_out: tuple[str, ...] = ()


def choose(kube: Kube, filters: Filters, reach: Reach) -> Chosen:
    """The agents to ask. One request, one more for each namespace whose pods the filters name.

    Raises:
        NotFound: no agent runs, or none on the nodes that were named; no such pod.
    """
    found = find(kube, reach.namespace)
    if not found:
        raise NotFound(
            f"no agent of Cilium runs in namespace `{reach.namespace}`",
            hint="`ciliumctl status` shows what runs; write another namespace of Cilium's before the command, "
            "`ciliumctl -n NAME hubble …`",
        )
    wanted, narrowed, why = _wanted(kube, filters, reach, found)
    ready = [agent for agent in wanted if agent.ready]
    kept = _spread(ready, reach.most) if reach.most else ready
    return Chosen(
        agents=tuple(kept),
        all_nodes=len(found),
        narrowed=narrowed,
        why=why,
        unready=tuple(agent for agent in wanted if not agent.ready),
        left_out=tuple(sorted({agent.node for agent in ready} - {agent.node for agent in kept})),
    )


def _spread(found: Sequence[Agent], most: int) -> list[Agent]:
    """At most so many, from all over the list: neighbours by name are often neighbours in a rack."""
    if len(found) <= most:
        return list(found)
    return [found[index * len(found) // most] for index in range(most)]


def _wanted(kube: Kube, filters: Filters, reach: Reach, found: Sequence[Agent]) -> tuple[list[Agent], Narrowed, str]:
    patterns = filters.values("node-name")
    named = [agent for agent in found if not patterns or any(_node_fits(agent.node, one) for one in patterns)]
    if not named:
        raise NotFound(
            f"no node with an agent fits `--node-name {' '.join(patterns)}`", hint="`kubectl get nodes` lists them"
        )
    names = _pods_to_look_up(filters)
    if reach.all_nodes or not names:
        narrowed: Narrowed = "by node name" if patterns else "no"
        return named, narrowed, f"`--node-name {' '.join(patterns)}`" if patterns else "no filter names a place"
    nodes = _nodes_of(kube, names)
    if not nodes:
        raise NotFound(
            f"no pod that runs begins with `{'`, `'.join(names)}`",
            hint="`kubectl get pods -A` lists them; `--all-nodes` asks every agent for flows of one that is gone",
        )
    there = [agent for agent in named if agent.node in nodes]
    if not there:
        raise NotFound(
            f"no agent of Cilium runs on the nodes of `{'`, `'.join(names)}`: {', '.join(sorted(nodes))}",
            hint="`ciliumctl status` shows what runs where; `--all-nodes` asks every agent",
        )
    return there, "by pod", f"the nodes of {', '.join(names)}"


def _node_fits(node: str, wanted: str) -> bool:
    # The cluster's name is the agents' own knowledge: they get the filter, too.
    return node_matches(node, wanted.rpartition("/")[2])


def _pods_to_look_up(filters: Filters) -> tuple[str, ...]:
    """The pods that are worth a look; none where what is asked for may be seen anywhere."""
    either, source, destination = (filters.values(name) for name in ("pod", "from-pod", "to-pod"))
    names = (*either, *source, *destination)
    if any(name.startswith("/") for name in names):
        # In every namespace: the table of all pods costs more than it saves.
        return ()
    verdicts, types = _ELSEWHERE
    asks_drops = bool(
        verdicts.intersection(filters.values("verdict"))
        or {value.partition(":")[0] for value in filters.values("type")} & types
        or filters.values("drop-reason-desc")
    )
    if asks_drops and not (source and destination):
        return ()
    return names


def _nodes_of(kube: Kube, names: Sequence[str]) -> set[str]:
    """The nodes of the pods that begin so; `NAMESPACE/` stands for all of a namespace."""
    prefixes: dict[str, list[str]] = {}
    for name in names:
        place, _slash, prefix = name.partition("/")
        prefixes.setdefault(place, []).append(prefix)
    nodes: set[str] = set()
    for place, wanted in prefixes.items():
        table = kube.table(PODS, place)
        for pod, node in zip(table.column("name"), table.column("node"), strict=True):
            if str(pod).startswith(tuple(wanted)) and node and node != "<none>":
                nodes.add(str(node))
    return nodes


def limit_following(chosen: Chosen, reach: Reach) -> None:
    """Refuse to follow very many nodes by the way. Raises `UsageError`."""
    if not reach.most and len(chosen.agents) > FOLLOWED:
        raise UsageError(
            f"following {len(chosen.agents)} nodes holds as many connections open",
            hint=f"name pods or nodes, add `--max-nodes {len(chosen.agents)}`, or go through the relay: `--via relay`",
        )


def tell(chosen: Chosen, report: Reporter) -> None:
    """Say which nodes are not asked, where that could surprise."""
    if chosen.narrowed == "by pod" and len(chosen.agents) < chosen.all_nodes:
        report.note(
            f"asking {len(chosen.agents)} of {chosen.all_nodes} nodes: {chosen.why}; `--all-nodes` asks every one, "
            "as what happened at the other end of a connection was seen there"
        )
    if chosen.left_out:
        report.warn(
            f"`--max-nodes` leaves out {len(chosen.left_out)} of {len(chosen.agents) + len(chosen.left_out)} nodes"
        )
    for agent in chosen.unready:
        report.warn(f"node `{agent.node}` is not asked: its agent `{agent.pod}` is {agent.state or 'not ready'}")
