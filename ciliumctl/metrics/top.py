"""What the agents' own metrics say is the matter: read from some of them, twice where rates are wanted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from ciliumctl import agents
from ciliumctl.agents import Agent
from ciliumctl.clients.kube import CONFIG_MAPS, Kube, dig
from ciliumctl.errors import CiliumctlError, Forbidden, NotFound, Partial, UsageError
from ciliumctl.metrics import topics
from ciliumctl.metrics.scraping import Scraped, Scraper, Target, by_exec, reading_of
from ciliumctl.metrics.text import Exposition
from ciliumctl.metrics.topics import Topic, TopicRows
from ciliumctl.report import Reporter

#: How many agents are asked when nobody says which, and what asks all of them.
NODES_ASKED, ALL = 20, "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to show: at most `most` rows a topic. `interval` is in seconds; 0 reads once: counts since the start."""

    namespace: str
    topics: tuple[Topic, ...]
    nodes: tuple[str, ...] = ()
    interval: float = 5.0
    by_node: bool = False
    most: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An agent that could not be read."""

    node: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsTop:
    """What the agents say. `seconds` lie between the two reads, 0 for one; `ways` counts how agents were read."""

    kind: ClassVar[str] = "MetricsTop"

    context: str
    seconds: float
    nodes: tuple[str, ...]
    all_nodes: int
    ways: Mapping[str, int]
    topics: tuple[TopicRows, ...]
    unread: tuple[Unread, ...]

    @property
    def ok(self) -> bool:
        """Whether every agent that was asked could be read."""
        return not self.unread


def look(kube: Kube, wanted: Wanted, report: Reporter, pause: Callable[[float], None] = time.sleep) -> MetricsTop:
    """Read and sum up. Two requests, and one for each agent and read; an exec where the metrics' port is closed.

    Raises:
        NotFound: no agent runs. UsageError: no agent on a node that was named. ClusterError: the cluster says no.
        The first agent's error when none could be read.
    """
    everyone = agents.find(kube, wanted.namespace)
    asked = choose(everyone, wanted.nodes, wanted.namespace)
    reader = AgentReader(kube, wanted.namespace, [name for topic in wanted.topics for name in topic.metrics])
    before: dict[str, Scraped] = {}
    with report.step(f"Reading the metrics of {len(asked)} agents" if len(asked) != 1 else "Reading an agent") as step:
        found = reader.read(asked)
        well = [agent for agent, one in zip(asked, found, strict=True) if one.exposition is not None]
        if wanted.interval and well and any(topic.counter for topic in wanted.topics):
            before = {one.target.node: one for one in found if one.exposition is not None}
            step(f"again in {wanted.interval:g} s")
            pause(kube.deadline.left(wanted.interval))
            again = {one.target.node: one for one in reader.read(well)}
            found = [again.get(one.target.node, one) for one in found]
        failed = [one for one in found if one.error is not None]
        read = len(found) - len(failed)
        step.finish(f"{read} of {len(found)} read", outcome="done" if read else "failed")
    if len(failed) == len(found) and failed[0].error is not None:
        raise failed[0].error
    readings = [reading for one in found if (reading := reading_of(one, before.get(one.target.node))) is not None]
    return MetricsTop(
        context=kube.context,
        seconds=max((reading.seconds for reading in readings), default=0.0),
        nodes=tuple(agent.node for agent in asked),
        all_nodes=len(everyone),
        ways=dict(Counter(one.way for one in found if one.error is None)),
        topics=tuple(
            topics.summed(topic, readings, by_node=wanted.by_node, most=wanted.most) for topic in wanted.topics
        ),
        unread=tuple(Unread(node=one.target.node, error=one.error.message) for one in failed if one.error is not None),
    )


def choose(everyone: Sequence[Agent], wanted: Sequence[str], namespace: str) -> tuple[Agent, ...]:
    """The agents to ask: those named, all for `all`, else some, those that are not well first.

    Raises:
        NotFound: there is no agent at all. UsageError: there is none on a node that was named.
    """
    if not everyone:
        raise NotFound(
            f"no agent of Cilium runs in namespace `{namespace}`",
            hint="`ciliumctl status` shows what runs where; `-n` names another namespace",
        )
    if ALL in wanted:
        return tuple(everyone)
    if not wanted:
        some = sorted(everyone, key=lambda agent: (agent.ready, agent.node))[:NODES_ASKED]
        return tuple(sorted(some, key=lambda agent: agent.node))
    by_node = {agent.node: agent for agent in everyone}
    for name in wanted:
        if name not in by_node:
            some_names = ", ".join(list(by_node)[:NODES_ASKED])
            raise UsageError(f"no agent of Cilium runs on a node `{name}`", hint=f"there are agents on {some_names}")
    return tuple(by_node[name] for name in dict.fromkeys(wanted))


class AgentReader:
    """Reads agents: their port for scrapers when they have one, else by a command in each. Keeps only some names."""

    def __init__(self, kube: Kube, namespace: str, names: Sequence[str] = ()) -> None:
        self._kube = kube
        self._scraper = Scraper(kube)
        self._names = frozenset(names)
        self._port = _port(kube, namespace)

    def read(self, asked: Sequence[Agent]) -> list[Scraped]:
        """Each agent once."""
        targets = [self._target(agent) for agent in asked]
        return self._scraper.gather([partial(self._one, agent) for agent in asked], targets)

    def _one(self, agent: Agent) -> Scraped:
        found = self._scraper.one(self._target(agent)) if self._port else by_exec(self._kube, agent)
        if found.error is not None and self._port:
            # The agent may not have been restarted since its port was switched on.
            other = by_exec(self._kube, agent)
            found = other if other.error is None else found
        if found.exposition is None or not self._names:
            return found
        # A thousand agents say a gigabyte; what nobody asked for is not kept.
        kept = tuple(sample for sample in found.exposition.samples if sample.name in self._names)
        return replace(found, exposition=Exposition(samples=kept))

    def _target(self, agent: Agent) -> Target:
        return Target(component="agent", node=agent.node, namespace=agent.namespace, pod=agent.pod, port=self._port)


def _port(kube: Kube, namespace: str) -> int:
    """The agents' port for scrapers; 0 for none, and where one may not know: then the agents are asked themselves."""
    try:
        config = kube.find(CONFIG_MAPS, "cilium-config", namespace)
    except Forbidden:
        return 0
    address: str = dig(config, "data", "prometheus-serve-addr", default="")
    port = address.rpartition(":")[2]
    return int(port) if port.isdigit() else 0


def partial_error(result: MetricsTop) -> CiliumctlError | None:
    """The error of a result that lacks agents; `None` when all were read."""
    if result.ok:
        return None
    first = result.unread[0]
    return Partial(
        f"{len(result.unread)} of {len(result.nodes)} agents could not be read; `{first.node}`: {first.error}",
        hint="`ciliumctl status` shows how the agents are; `-o json` lists all that could not be read",
    )
