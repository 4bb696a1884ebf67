"""What the agents say of themselves: `cilium-dbg status`, run in each ready one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ciliumctl import agents
from ciliumctl.agents import AGENT_CONTAINER, AGENT_PROGRAM
from ciliumctl.clients.kube import Kube, dig
from ciliumctl.errors import ApiFailed, CiliumctlError
from ciliumctl.parallel import gather
from ciliumctl.status.problems import count
from ciliumctl.status.verdict import AgentView, Problem, Status

# Parts of the answer that have a state (api/v1/models of Cilium 1.15 to 1.20), and what they are called.
_PARTS = {
    "cilium": "agent",
    "kubernetes": "Kubernetes API",
    "kvstore": "kvstore",
    "container-runtime": "container runtime",
    "hubble": "Hubble",
    "auth-certificate-provider": "mutual authentication",
}
_FINE = {"", "ok", "disabled"}
_NAMED = 5


def look(kube: Kube, status: Status) -> Status:
    """Add what every ready agent says of itself. One command in each, `agents.AT_ONCE` at a time.

    An agent that says something is wrong makes the status unhealthy; one that cannot be asked is a warning.
    """
    ready = [line for line in status.nodes if line.agent_state == "Ready"]
    answers = gather([partial(_ask, kube, status.namespace, line.agent) for line in ready], limit=agents.AT_ONCE)
    views = []
    for line, answer in zip(ready, answers, strict=True):
        if isinstance(answer, CiliumctlError):
            views.append(AgentView(node=line.name, pod=line.agent, state="unknown", messages=(answer.message,)))
        elif isinstance(answer, Exception):
            raise answer
        else:
            messages = read(answer)
            views.append(
                AgentView(node=line.name, pod=line.agent, state="failing" if messages else "ok", messages=messages)
            )
    problems = (*status.problems, *_problems(views, status.namespace))
    healthy = not any(problem.severity == "error" for problem in problems)
    return replace(status, agents=tuple(views), problems=problems, healthy=healthy)


def _ask(kube: Kube, namespace: str, pod: str) -> Mapping[str, Any]:
    command = ["sh", "-c", f"{AGENT_PROGRAM}; exec $c status -o json"]
    ran = kube.exec(namespace, pod, command, container=AGENT_CONTAINER, timeout=agents.PATIENCE)
    try:
        # A failing agent answers, too, and ends with 1: what it says counts, not its code.
        answer = json.loads(ran.stdout)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    said = (ran.stderr or ran.stdout).decode("utf-8", "replace").strip() or f"ended with {ran.code}"
    raise ApiFailed(f"`cilium-dbg status` gives no answer: {said.splitlines()[-1]}")


def read(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong, as the agent says it: parts that are not well, controllers that keep failing."""
    messages = []
    for key, title in _PARTS.items():
        state = str(dig(answer, key, "state", default=""))
        if state.lower() not in _FINE:
            said = str(dig(answer, key, "msg", default="")).strip()
            messages.append(f"{title}: {state}" + (f", {said}" if said else ""))
    controllers: list[Mapping[str, Any]] = dig(answer, "controllers", default=[])
    for controller in controllers:
        failures = dig(controller, "status", "consecutive-failure-count", default=0)
        if failures:
            why = str(dig(controller, "status", "last-failure-msg", default="")).strip()
            name = dig(controller, "name", default="")
            messages.append(f"controller `{name}` failed {failures} times in a row" + (f": {why}" if why else ""))
    return tuple(messages)


def _problems(views: Sequence[AgentView], namespace: str) -> list[Problem]:
    problems = []
    failing = [view for view in views if view.state == "failing"]
    if failing:
        problems.append(
            Problem(
                severity="error",
                component="agent",
                message=f"{len(failing)} of {count(len(views), 'agent')} report that something is wrong",
                details=_details(failing),
                hint=f"`kubectl exec -n {namespace} {failing[0].pod} -c {AGENT_CONTAINER} -- "
                "cilium-dbg status --verbose`",
                pod=failing[0].pod,
            )
        )
    silent = [view for view in views if view.state == "unknown"]
    if silent:
        problems.append(
            Problem(
                severity="warning",
                component="agent",
                message=f"{len(silent)} of {count(len(views), 'agent')} could not be asked",
                details=_details(silent),
            )
        )
    return problems


def _details(views: Sequence[AgentView]) -> tuple[str, ...]:
    """The different things that are said, each with the first agent that says it and how many more do."""
    by_message: dict[str, list[AgentView]] = {}
    for view in views:
        for message in view.messages:
            by_message.setdefault(message.replace(view.pod, "POD"), []).append(view)
    lines = [
        f"{said[0].pod} on {said[0].node}{f' and {len(said) - 1} more' if len(said) > 1 else ''}: {message}"
        for message, said in sorted(by_message.items(), key=lambda item: -len(item[1]))
    ]
    return tuple(lines[:_NAMED]) + ((f"and {len(lines) - _NAMED} more",) if len(lines) > _NAMED else ())
