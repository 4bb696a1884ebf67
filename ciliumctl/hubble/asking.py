"""Ask agents for their flows: `hubble observe` in each, over its local socket, without relay and certificates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from ciliumctl.agents import AGENT_CONTAINER, Agent
from ciliumctl.clients.kube import Exec, Kube
from ciliumctl.errors import ApiFailed, CiliumctlError, UnknownFilter
from ciliumctl.hubble.choosing import Chosen, Reach
from ciliumctl.hubble.flow import Away, Flow, Lost, read
from ciliumctl.parallel import gather
from ciliumctl.wait import Deadline

#: What each agent is told first.
PROGRAM = ("hubble", "observe", "-o", "jsonpb")
# A program that follows would live on in the agent until its next flow: it ends with the standard input instead.
_FOLLOW = (
    'exec 3<&0; "$@" & p=$!; (cat <&3; kill $p) >/dev/null 2>&1 & g=$!; wait $p; c=$?; kill $g 2>/dev/null; exit $c'
)
_ERRORS = 4000
_LONGEST_LINE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A node that could not be asked, or whose answer broke off; `code` is the error's."""

    node: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was asked, and who of them did not answer: a part of each result that is made of flows."""

    nodes: tuple[str, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everybody answered: what the flows say is what was asked for, and no failure."""
        return not self.unanswered


@dataclass(kw_only=True)
class Answers:
    """What came of asking: how many flows, what the agents themselves had lost, who did not answer."""

    flows: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    unanswered: list[Unanswered] = field(default_factory=list)
    errors: list[CiliumctlError] = field(default_factory=list)


class Listening:
    """The flows of one agent, as long as its hubble runs. Use it as a context manager, and its `flows` once."""

    def __init__(self, kube: Kube, agent: Agent, words: Sequence[str], *, follow: bool = False) -> None:
        command = ["sh", "-c", _FOLLOW, "sh", *PROGRAM, *words] if follow else [*PROGRAM, *words]
        self._agent = agent
        self._said = bytearray()
        self.lost = 0
        self._exec: Exec = kube.open_exec(agent.namespace, agent.pod, command, container=AGENT_CONTAINER, stdin=follow)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; whoever waits for flows is woken."""
        self._exec.__exit__()

    def flows(self, deadline: Deadline) -> Iterator[Flow]:
        """The flows as they come.

        Raises:
            UnknownFilter: this agent's hubble does not know an option.
            ClusterError: it could not be started, failed, or broke off. TimedOut: the deadline passed.
        """
        for line in self._lines(deadline):
            found = parsed(line, f"hubble on node `{self._agent.node}`")
            if isinstance(found, Lost):
                self.lost += found.events
            elif isinstance(found, Flow):
                yield found
        if self._exec.exit_code:
            raise self._failure(self._exec.exit_code)

    def _lines(self, deadline: Deadline) -> Iterator[str]:
        rest = b""
        for channel, piece in self._exec.frames(deadline):
            if channel == "stderr":
                self._said += piece[: _ERRORS - len(self._said)]
                continue
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ApiFailed(f"hubble on node `{self._agent.node}` prints a line without end")
            for line in lines:
                if line.strip():
                    yield line.decode("utf-8", "replace")
        if rest.strip():
            yield rest.decode("utf-8", "replace")

    def _failure(self, code: int) -> CiliumctlError:
        said = self._said.decode("utf-8", "replace").strip()
        return failure(self._agent.node, code, said)


def parsed(line: str, who: str) -> Flow | Lost | Away | None:
    """What a line says that `who` printed. Raises `ApiFailed` for what hubble would not print."""
    try:
        return read(line)
    except ValueError:
        raise ApiFailed(f"{who} printed what is no flow: {line[:100]}", detail=line[:2000]) from None


def failure(node: str, code: int, said: str) -> CiliumctlError:
    """The error that hubble's own words mean."""
    # Cobra prints the usage after the error, or before it.
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if "rror" in line or "unknown" in line), lines[0] if lines else "")
    for phrase in ("unknown flag: ", "unknown shorthand flag: "):
        if phrase in said:
            option = said.split(phrase, 1)[1].split(maxsplit=1)[0]
            return UnknownFilter(
                f"the hubble of the agent on node `{node}` does not know `{option}`: Cilium is older than that option",
                hint="leave it out, or apply it here: `ciliumctl hubble observe --all -o jsonpb | "
                f"ciliumctl hubble observe --input-file - {option} …`",
                detail=said,
            )
    if "hubble.sock" in said:
        return ApiFailed(
            f"Hubble's server does not answer in the agent on node `{node}`",
            hint="`ciliumctl hubble status` shows whether it is on, `ciliumctl hubble enable` switches it on",
            detail=said,
        )
    return ApiFailed(
        f"hubble on node `{node}` ended with {code}" + (f": {first}" if first else ""),
        hint="`ciliumctl hubble status`",
        detail=said,
    )


def ask(kube: Kube, chosen: Chosen, words: Sequence[str], take: Callable[[Flow], None], reach: Reach) -> Answers:
    """Give every flow of the chosen agents to `take`, which is called by several threads, one at a time.

    One exec an agent, at most `reach.parallel` at once. A node that fails stops no other.
    """
    answers = Answers()
    lock = threading.Lock()
    deadline = kube.deadline

    def one(agent: Agent) -> int:
        with Listening(kube, agent, words) as listening:
            for flow in listening.flows(deadline.within(reach.patience)):
                with lock:
                    answers.flows += 1
                    take(flow)
            return listening.lost

    results = gather([partial(one, agent) for agent in chosen.agents], limit=reach.parallel)
    for agent, result in zip(chosen.agents, results, strict=True):
        if isinstance(result, CiliumctlError):
            answers.unanswered.append(Unanswered(node=agent.node, reason=result.message, code=result.code))
            answers.errors.append(result)
        elif isinstance(result, Exception):
            raise result
        elif result:
            answers.lost[agent.node] = result
    for agent in chosen.unready:
        answers.unanswered.append(
            Unanswered(node=agent.node, reason=f"its agent `{agent.pod}` is {agent.state}", code="not-ready")
        )
    return answers
