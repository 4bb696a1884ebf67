"""Cilium's agents: which pod is the agent of which node, and what one says when it is asked.

An agent knows its own node only; what is asked of the cluster is asked of several, and put together by whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl.clients.kube import NODES, PODS, Kube, Table
from ciliumctl.errors import ApiFailed, NotFound

#: What the agents' pods are found by, and the container that is asked.
AGENT_LABEL = "k8s-app=cilium"
AGENT_CONTAINER = "cilium-agent"
#: The official CLI's mark (`true`) of a node that gets no agent: to Cilium it is outside.
NO_AGENT_LABEL = "cilium.io/no-schedule"
#: A shell's words that find the agent's program, as `$c`: `cilium-dbg` since 1.15, `cilium` before.
AGENT_PROGRAM = "c=cilium-dbg; command -v $c >/dev/null || c=cilium"
#: How many agents are asked at once, as a rule; each costs one websocket, and a status some 20 kB.
AT_ONCE = 32
#: Seconds for one agent.
PATIENCE = 20.0
_NOT_FOUND = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The agent of a node: its pod, and whether that is ready to be asked. `state` is what `kubectl get` calls it."""

    node: str
    namespace: str
    pod: str
    ready: bool
    state: str


def find(kube: Kube, namespace: str, *, nodes: Collection[str] = ()) -> tuple[Agent, ...]:
    """The agents, by the names of their nodes; only those of `nodes` when given. One request, 300 bytes an agent.

    A node whose agent is being replaced is there once, with the one that is ready.
    """
    # Of one node the server picks them: a table of a thousand rows is 300 kB.
    fields = f"spec.nodeName={next(iter(nodes))}" if len(nodes) == 1 else ""
    table = kube.table(PODS, namespace, labels=AGENT_LABEL, fields=fields)
    found: dict[str, Agent] = {}
    for agent in _agents(table, namespace):
        if (not nodes or agent.node in nodes) and (agent.ready or agent.node not in found):
            found[agent.node] = agent
    return tuple(found[node] for node in sorted(found))


def _agents(table: Table, namespace: str) -> list[Agent]:
    columns = [table.column(name) for name in ("name", "ready", "status", "node")]
    return [
        Agent(
            node=str(node),
            namespace=namespace,
            pod=str(pod),
            ready=str(status) == "Running" and len(set(str(ready).split("/"))) == 1,
            state=str(status),
        )
        for pod, ready, status, node in zip(*columns, strict=True)
        if node and node != "<none>"
    ]


def on(kube: Kube, namespace: str, node: str) -> Agent:
    """The agent of one node. One request, one more to say why there is none.

    Raises:
        NotFound: there is no such node, or no agent on it.
    """
    found = find(kube, namespace, nodes=(node,))
    if found:
        return found[0]
    if kube.find(NODES, node) is None:
        raise NotFound(f"there is no node `{node}`", hint="`kubectl get nodes` lists them")
    raise NotFound(
        f"no agent of Cilium runs on node `{node}` in namespace `{namespace}`",
        hint="`ciliumctl status` shows what runs where; `-n` names another namespace",
    )


def ask(kube: Kube, agent: Agent, words: Sequence[str], *, timeout: float = PATIENCE) -> str:
    """What `cilium-dbg WORDS…` prints in an agent; `cilium` before 1.15. One exec.

    Raises:
        ApiFailed: the command failed, or could not be started. `detail` is all that it said.
    """
    return _said(kube, agent, program(words), ["cilium-dbg", *words], timeout)


def run(kube: Kube, agent: Agent, command: Sequence[str], *, timeout: float = PATIENCE) -> str:
    """What another program of the agent's image prints, such as `cilium-health`. One exec.

    Raises:
        ApiFailed: there is no such program, it failed, or could not be started. `detail` is all that it said.
    """
    return _said(kube, agent, by_shell(command), command, timeout)


def program(words: Sequence[str]) -> list[str]:
    """The command of the agent's program with these words: arguments of the shell, never part of its script."""
    return ["sh", "-c", f'{AGENT_PROGRAM}; exec $c "$@"', "sh", *words]


def by_shell(command: Sequence[str]) -> list[str]:
    """A command by a shell, which says 127 for a program that is not there: the runtime has an error of its own."""
    return ["sh", "-c", 'exec "$@"', "sh", *command]


def _said(kube: Kube, agent: Agent, command: Sequence[str], called: Sequence[str], timeout: float) -> str:
    ran = kube.exec(agent.namespace, agent.pod, command, container=AGENT_CONTAINER, timeout=timeout)
    if ran.code == _NOT_FOUND:
        raise ApiFailed(f"the agent's image has no program `{called[0]}` (asked on node `{agent.node}`)")
    if ran.code:
        said = (ran.stderr or ran.stdout).decode("utf-8", "replace").strip()
        last = said.splitlines()[-1] if said else f"it ended with {ran.code}"
        raise ApiFailed(f"`{' '.join(called)}` failed on node `{agent.node}`: {last}", detail=said)
    return ran.stdout.decode("utf-8", "replace")


def ask_json(kube: Kube, agent: Agent, words: Sequence[str], *, timeout: float = PATIENCE) -> Any:
    """What `cilium-dbg WORDS… -o json` prints in an agent, parsed. Raises `ApiFailed`, for what is no JSON too."""
    text = ask(kube, agent, [*words, "-o", "json"], timeout=timeout)
    try:
        return json.loads(text)
    except ValueError:
        raise ApiFailed(
            f"`cilium-dbg {' '.join(words)} -o json` printed no JSON on node `{agent.node}`", detail=text[:500]
        ) from None
