"""Follow the flows of many nodes: merged by time in a small window and a bounded memory, past agents that come and go.

A thread a node puts what it reads into one queue of bounded length: whoever is too fast waits, down to the agent. The
reader holds flows for the time of the window, so that those of a slower node get in before them.
"""

from __future__ import annotations

import heapq
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from ciliumctl.agents import Agent
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, NotFound, TimedOut, UnknownFilter
from ciliumctl.hubble import asking, choosing, times
from ciliumctl.hubble.flow import Flow
from ciliumctl.hubble.observing import Question
from ciliumctl.report import Reporter

#: Flows that are held at most, in the queue and in the window.
HELD = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times in seconds: how long flows are held, how soon an agent is looked for again, how often for new ones."""

    window: float = 0.5
    retry: float = 1.0
    longest_retry: float = 30.0
    look: float = 30.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """A node's stream is over, and why."""

    agent: Agent
    error: CiliumctlError | None


@dataclass(kw_only=True)
class _Node:
    """What is known of a node that is followed."""

    agent: Agent
    last: int = 0
    resumed_from: int = 0
    failures: int = 0
    again_at: float | None = None
    silent_since: float | None = None
    listening: asking.Listening | None = None


@dataclass
class Following:
    """The streams of several nodes as one. `silent` are the nodes that give nothing now, with the reason."""

    kube: Kube
    question: Question
    report: Reporter
    pace: Pace = field(default_factory=Pace)
    clock: Callable[[], float] = time.monotonic
    silent: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, _Node] = field(default_factory=dict)
    _queue: queue.Queue[tuple[str, Flow] | _Ended] = field(default_factory=lambda: queue.Queue(HELD))
    _held: list[tuple[int, int, float, Flow]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)
    _closing: threading.Event = field(default_factory=threading.Event)
    _looked: float = 0.0

    def start(self) -> None:
        """Begin to listen on every chosen node.

        Raises:
            NotFound: there is nobody to ask. UsageError: they are too many.
        """
        chosen = choosing.choose(self.kube, self.question.filters, self.question.reach)
        choosing.limit_following(chosen, self.question.reach)
        choosing.tell(chosen, self.report)
        if not chosen.agents:
            raise NotFound("no agent that could be asked is ready", hint="`ciliumctl status` says why")
        for agent in chosen.unready:
            self.silent[agent.node] = f"its agent is {agent.state}"
        self._looked = self.clock()
        for agent in chosen.agents:
            self._begin(_Node(agent=agent), self.question.words)
        self.report.note(f"nodes followed: {len(chosen.agents)}; Ctrl-C ends it")

    def flows(self) -> Iterator[Flow]:
        """The flows in order, until the command's time is up.

        Raises:
            UnknownFilter: an agent does not know an option, and none ever will.
        """
        while not self.kube.deadline.passed:
            self._take()
            yield from self._due()
            self._look_after()
        yield from self._due(everything=True)

    def close(self) -> None:
        """Hang up everywhere."""
        self._closing.set()
        for node in self.nodes.values():
            if node.listening is not None:
                node.listening.close()

    # Reading

    def _begin(self, node: _Node, words: Sequence[str]) -> None:
        self.nodes[node.agent.node] = node
        node.again_at = None
        threading.Thread(target=self._listen, args=(node, tuple(words)), name="follow", daemon=True).start()

    def _listen(self, node: _Node, words: Sequence[str]) -> None:
        error: CiliumctlError | None = None
        agent = node.agent
        try:
            with asking.Listening(self.kube, agent, words, follow=True) as listening:
                node.listening = listening
                for flow in listening.flows(self.kube.deadline):
                    self._put((agent.node, flow))
        except CiliumctlError as failed:
            error = failed
        except Exception:
            # A connection that is hung up on breaks in many ways.
            if not self._closing.is_set():
                raise
        self._put(_Ended(agent, error))

    def _put(self, item: tuple[str, Flow] | _Ended) -> None:
        while not self._closing.is_set():
            try:
                self._queue.put(item, timeout=0.5)
            except queue.Full:
                continue
            return

    def _take(self) -> None:
        """Take what is there, and wait a moment when nothing is."""
        wait = self.pace.window / 4
        while len(self._held) < HELD:
            try:
                item = self._queue.get(timeout=wait)
            except queue.Empty:
                return
            wait = 0.0
            if isinstance(item, _Ended):
                self._ended(item)
            else:
                self._heard(*item)
            if self._held and self.clock() - self._held[0][2] > self.pace.window:
                return

    def _heard(self, name: str, flow: Flow) -> None:
        node = self.nodes[name]
        if node.failures or name in self.silent:
            self.silent.pop(name, None)
            self.report.note(f"node `{name}` is heard again")
            node.failures, node.silent_since = 0, None
        if flow.moment <= node.resumed_from:
            # It was asked from the last flow on: that one is there twice.
            return
        node.last = max(node.last, flow.moment)
        heapq.heappush(self._held, (flow.moment, next(self._number), self.clock(), flow))

    def _due(self, *, everything: bool = False) -> Iterator[Flow]:
        """What has been held long enough; more when there is too much of it."""
        now = self.clock()
        while self._held and (everything or len(self._held) >= HELD or now - self._held[0][2] >= self.pace.window):
            yield heapq.heappop(self._held)[3]

    # Agents that go and come

    def _ended(self, ended: _Ended) -> None:
        name = ended.agent.node
        if isinstance(ended.error, UnknownFilter):
            raise ended.error
        if isinstance(ended.error, TimedOut) and self.kube.deadline.passed:
            return
        node = self.nodes[name]
        node.listening = None
        node.silent_since = node.silent_since or self.clock()
        wait = min(self.pace.longest_retry, self.pace.retry * 2**node.failures)
        node.failures += 1
        node.again_at = self.clock() + wait
        if name not in self.silent:
            said = ended.error.message if ended.error else "hubble ended"
            self.silent[name] = said
            self.report.warn(f"node `{name}` is silent: {said}", "it is taken up again when its agent answers")

    def _look_after(self) -> None:
        now = self.clock()
        due = [node for node in self.nodes.values() if node.again_at is not None and node.again_at <= now]
        if due or now - self._looked >= self.pace.look:
            self._looked = now
            self._look_again(due)

    def _look_again(self, due: Sequence[_Node]) -> None:
        """Find the agents that are there now: new ones are listened to, those that were lost are taken up."""
        try:
            chosen = choosing.choose(self.kube, self.question.filters, self.question.reach)
        except CiliumctlError as error:
            for node in due:
                self._ended(_Ended(node.agent, error))
            return
        there = {agent.node: agent for agent in chosen.agents}
        for name, agent in there.items():
            if name not in self.nodes:
                self.silent.pop(name, None)
                self.report.note(f"node `{name}` is followed, too")
                self._begin(_Node(agent=agent), self.question.words)
        for node in due:
            agent = there.get(node.agent.node, node.agent)
            if node.agent.node in there:
                self._begin(replace(node, agent=agent, resumed_from=node.last), self._words_again(node))
            else:
                self._ended(_Ended(node.agent, NotFound(f"no agent is ready on node `{node.agent.node}`")))

    def _words_again(self, node: _Node) -> tuple[str, ...]:
        """As before, but from the last flow on: of a new agent everything that it has seen."""
        silence = self.clock() - (node.silent_since or self.clock())
        since = times.show(node.last, "RFC3339Nano") if node.last else f"{math.ceil(silence)}s"
        window = replace(self.question.window, since=since, last=0)
        return (*window.words, *self.question.filters.words)
