"""Ask the agents what they know of each other: each probes all nodes, once a minute and by itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ciliumctl import agents
from ciliumctl.agents import Agent
from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import deploy
from ciliumctl.errors import ApiFailed, CiliumctlError, NotFound, Partial
from ciliumctl.latency import health
from ciliumctl.latency.model import Latency, Tally, Way
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter

_HINT = "`--active` measures with pods of its own; `ciliumctl config view` shows whether health checking is on"
#: Seconds for an agent that probes all nodes before it answers.
_PROBING = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whom to ask, and for what: `nodes` empty for all, `probe` for new probes, so many of the slowest pairs."""

    namespace: str
    nodes: tuple[str, ...] = ()
    way: Way = "node-icmp"
    probe: bool = False
    worst: int = 10


def look(kube: Kube, wanted: Wanted, report: Reporter) -> Latency:
    """What the agents say. One request, and one exec in each agent, 32 at a time.

    Raises:
        NotFound: there is no agent, or none on a node that was named. ApiFailed: none gives an answer.
    """
    began = time.monotonic()
    with report.step("Asking the agents") as step:
        found = _agents(kube, wanted)
        tally = Tally.of(wanted.way, len(found), wanted.worst)
        problems = _ask(kube, found, wanted, tally)
        if len(problems) == len(found):
            first = problems[0]
            raise ApiFailed(f"no agent tells of the others: {first.message}", hint=_HINT, detail=first.detail)
        step.finish(f"{len(found) - len(problems)} of {len(found)} answered")
    return tally.result(context=kube.context, how="agents", seconds=time.monotonic() - began)


def _agents(kube: Kube, wanted: Wanted) -> tuple[Agent, ...]:
    found = agents.find(kube, wanted.namespace, nodes=wanted.nodes)
    for name in wanted.nodes:
        if name not in {agent.node for agent in found}:
            # Says which it is: no such node, or no agent on it.
            agents.on(kube, wanted.namespace, name)
    if not found:
        raise NotFound(
            f"no agent of Cilium runs in namespace `{wanted.namespace}`",
            hint="`-n` names another one; `--active` measures without Cilium, with pods of its own",
        )
    return found


def _ask(kube: Kube, found: Sequence[Agent], wanted: Wanted, tally: Tally) -> list[CiliumctlError]:
    """Ask each, and take in its answer before the next one's: an answer has a kilobyte for every node."""
    lock = threading.Lock()

    def one(agent: Agent) -> None:
        answer = _answer(kube, agent, probe=wanted.probe)
        pairs = list(health.pairs(answer, agent.node))
        with lock:
            tally.add(agent.node, health.probed(answer), pairs)

    problems = []
    for agent, said in zip(found, gather([partial(one, agent) for agent in found], limit=agents.AT_ONCE), strict=True):
        if isinstance(said, CiliumctlError):
            tally.silent(agent.node, said.message)
            problems.append(said)
        elif isinstance(said, Exception):
            raise said
    return problems


def _answer(kube: Kube, agent: Agent, *, probe: bool) -> Any:
    if not agent.ready:
        raise ApiFailed(f"the agent on node `{agent.node}` is not ready: {agent.state}")
    words = ["cilium-health", "status", "-o", "json", *(["--probe"] if probe else [])]
    text = agents.run(kube, agent, words, timeout=_PROBING if probe else agents.PATIENCE)
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ApiFailed(f"`cilium-health status` printed no JSON on node `{agent.node}`", detail=text[:500])
    return answer


def incomplete(result: Latency) -> CiliumctlError | None:
    """The error of a result that lacks nodes or left pods; none where pairs are unreachable: that is the answer."""
    silent = result.silent
    if result.unreachable:
        return None
    if not silent:
        return deploy.still_there(result.left) if result.left else None
    more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
    named = ", ".join(f"`{node.name}`" for node in silent[:3])
    return Partial(
        f"{len(silent)} of {len(result.nodes)} nodes could not be asked: {named}{more}",
        hint="`ciliumctl status --deep` says how their agents are",
    )
