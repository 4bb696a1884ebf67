"""One node's turn: emptied, taken over by Cilium or given back, tested, and open for pods again.

Every step can be done twice, and where a node stands is written on the node itself: a run that was killed anywhere is
followed by another one that goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ciliumctl import agents, journal, lock, nodework
from ciliumctl.agents import AGENT_CONTAINER
from ciliumctl.clients.kube import PODS, Kube
from ciliumctl.errors import ApiFailed, CiliumctlError, OutsideError, TimedOut, Unreachable
from ciliumctl.migration import draining, gate, old, starting, state
from ciliumctl.migration.admitting import GOALS, check, check_record, check_rights
from ciliumctl.migration.gate import Gate
from ciliumctl.migration.model import HALF_WAY, Direction, GateRun, Moved, NodesMoved, State
from ciliumctl.migration.pods import Allowed
from ciliumctl.migration.state import Node
from ciliumctl.nodefacts.reading import paths_of
from ciliumctl.nodework.model import members
from ciliumctl.report import Reporter, Step
from ciliumctl.wait import poll

#: Seconds for an agent to be ready anew, with the image there already.
_AGENT = 300.0
#: Seconds for the kubelet to see the configuration that its node has now.
_READY = 60.0
_INTERVAL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the turns are taken with. `values` are the release's, the chart's own among them."""

    kube: Kube
    namespace: str
    release: str
    values: Mapping[str, Any]
    state: State
    gate: Gate
    allowed: Allowed
    holder: lock.Holder
    report: Reporter
    node_image: str = ""
    clock: Callable[[], float] = field(default=time.monotonic)


def turn_all(work: Work, known: Sequence[Node], chosen: Sequence[Node], direction: Direction) -> NodesMoved:
    """Take the nodes' turns, one after the other, under the lock; the first that stops ends it.

    `known` and `chosen` are as they were when the user was asked: under the lock they are read and admitted anew.

    Raises:
        Refused: somebody was at work meanwhile, and they may not have their turns any more.
        CiliumctlError: a step failed; `result` has what was reached, and the same command goes on.
    """
    goal = GOALS[direction]
    if any(one.phase != goal for one in chosen):
        check_rights(work.kube, work.namespace, direction, tested=work.gate.on)
    done: list[Moved] = []
    with lock.held(work.kube, work.holder, work.report) as mine:
        work, known = replace(work, state=state.needed(work.kube)), state.nodes(work.kube)
        check_record(work.state, work.values)
        by_name = {one.name: one for one in state.chosen(known, [one.name for one in chosen])}
        chosen = [by_name[one.name] for one in chosen]
        check(known, chosen, direction)
        for one in chosen:
            mine.check()
            begun = one.phase in HALF_WAY
            try:
                if one.phase != goal:
                    # Before the node is cordoned: what needs the user's word leaves it as it is.
                    draining.check(work.kube, one.name, work.allowed)
                    begun = True
                moved = _journalled(work, one, direction)
            except CiliumctlError as error:
                stopped = Moved(node=one.name, outcome="stopped", begun=begun, failed=error.code, detail=error.message)
                error.result = _result(work, direction, [*done, stopped], known)
                raise
            done.append(moved)
            if not moved.ok:
                break
    work.report.resume = ""
    return _result(work, direction, done, known)


def _result(work: Work, direction: Direction, done: Sequence[Moved], known: Sequence[Node]) -> NodesMoved:
    goal = GOALS[direction]
    ended = {one.node for one in done if one.ok}
    left = tuple(one.name for one in known if one.phase != goal and one.name not in ended)
    return NodesMoved(operation=direction, context=work.kube.context, nodes=tuple(done), left=left)


def _journalled(work: Work, one: Node, direction: Direction) -> Moved:
    if one.phase == GOALS[direction]:
        work.report.note(
            f"node `{one.name}` is {'migrated' if direction == 'node' else 'in its old network'}: unchanged"
        )
        return Moved(node=one.name, outcome="unchanged", begun=False)
    entry = journal.entry(work.holder, f"migrate {direction} {one.name}", work.release)
    with journal.keeping(work.kube, work.namespace, entry, work.report) as record:
        moved = _turn(work, one, direction)
        record.ended("done" if moved.ok else "failed", moved.detail)
    return moved


def _turn(work: Work, one: Node, direction: Direction) -> Moved:
    began = work.clock()
    kube, report, forth = work.kube, work.report, direction == "node"
    report.resume = (
        f"`ciliumctl migrate {direction} {one.name}` goes on where it was stopped"
        f"{f', `ciliumctl migrate undo {one.name}` goes back' if forth else ''}; the node stays cordoned"
    )
    with report.step(f"Cordoning `{one.name}`"):
        state.take(kube, one, "moving" if forth else "undoing")
    with report.step(f"Draining `{one.name}`") as step:
        evicted = draining.drain(kube, one.name, work.allowed, step)
    if forth:
        _take_over(work, one)
    else:
        _give_back(work, one)
    gates = _tested(work, one, gate.CILIUM if forth else work.state.old.name)
    red = next((run for run in gates if not run.ok), None)
    if red is not None:
        return Moved(
            node=one.name,
            outcome="stopped",
            failed="gate",
            detail=f"with {red.peer or 'itself'}: {'; '.join(red.failed) or 'nothing could be tested'}",
            evicted=evicted,
            gates=gates,
            seconds=work.clock() - began,
        )
    with report.step(f"Making anew what is left on `{one.name}`") as step:
        right = work.state.new.ranges if forth else work.state.old.ranges
        restarted = draining.restart(kube, one.name, right, work.allowed, step)
    with report.step(f"Uncordoning `{one.name}`"):
        state.give_back(kube, one.name, "migrated" if forth else "waiting")
    return Moved(
        node=one.name,
        outcome="migrated" if forth else "undone",
        evicted=evicted,
        restarted=restarted,
        gates=gates,
        seconds=work.clock() - began,
    )


def _tested(work: Work, one: Node, own: str) -> tuple[GateRun, ...]:
    if not work.gate.on:
        work.report.warn(f"node `{one.name}` is not tested, as you said", "`ciliumctl connectivity test` tests it")
        return ()
    resume = work.report.resume
    try:
        return gate.run(work.kube, work.gate, work.state, one.name, state.nodes(work.kube), work.report, own=own)
    finally:
        # The test says of itself how to clean up after it.
        work.report.resume = resume


def _take_over(work: Work, one: Node) -> None:
    """Label the node and restart its agent, which then writes its CNI configuration."""
    if one.labelled and _in_charge(work, one.name):
        return
    with work.report.step(f"Handing `{one.name}` to Cilium") as step:
        state.label(work.kube, one.name, on=True)
        _restart_agent(work, one.name)
        _wait_for(work, one.name, step, partial(_in_charge, work, one.name), "its CNI configuration is the first")
        step.finish("its agent is ready, its CNI configuration is the first")
    _wait_ready(work, one.name)


def _give_back(work: Work, one: Node) -> None:
    """Take the label off and restart the agent, which then writes nothing; its file goes, the old one comes back."""
    with work.report.step(f"Taking `{one.name}` from Cilium") as step:
        state.label(work.kube, one.name, on=False)
        _restart_agent(work, one.name)
        _wait_for(work, one.name, step, lambda: True, "")
        step.finish("its agent is ready, and writes no CNI configuration")
    _files_back(work, one.name)
    _wait_ready(work, one.name)


def _restart_agent(work: Work, node: str) -> None:
    agent = agents.on(work.kube, work.namespace, node)
    work.kube.delete(PODS, agent.pod, work.namespace)
    # The old one ends; until it has, it could still be taken for the new one.
    gone = poll(
        lambda: work.kube.find(PODS, agent.pod, work.namespace) is None,
        bool,
        deadline=work.kube.deadline.within(_AGENT),
        interval=0.5,
    )
    if not gone:
        raise TimedOut(
            f"the agent of node `{node}` does not end: pod `{agent.pod}`",
            hint=f"`kubectl describe pod -n {work.namespace} {agent.pod}` shows why; then run the command again",
        )


def _wait_for(work: Work, node: str, step: Step, also: Callable[[], bool], what: str) -> None:
    """Wait until the node's agent is ready, and something else holds besides."""
    said = ""

    def look() -> bool:
        nonlocal said
        try:
            found = agents.find(work.kube, work.namespace, nodes=(node,))
            if not (found and found[0].ready):
                said = f"the agent is {found[0].state if found else 'not there yet'}"
            elif also():
                return True
            else:
                said = f"not yet: {what}"
            step(said)
        except (Unreachable, ApiFailed) as error:
            said = error.message
        return False

    if not poll(look, bool, deadline=work.kube.deadline.within(_AGENT), interval=_INTERVAL):
        raise TimedOut(
            f"the agent of node `{node}` did not come back in time: {said}",
            hint="`ciliumctl status` shows what keeps it; then run the command again, or go back with "
            f"`ciliumctl migrate undo {node}`",
        )


def in_order(listing: str) -> list[str]:
    """The names that the container runtime takes for CNI configurations, in its order: the first is in charge."""
    return sorted(line for line in listing.split() if line.endswith((".conf", ".conflist", ".json")))


def _in_charge(work: Work, node: str) -> bool:
    """Whether Cilium's is the first configuration on the node. One exec in its agent."""
    agent = agents.on(work.kube, work.namespace, node)
    ran = work.kube.exec(
        agent.namespace, agent.pod, ["ls", starting.cni_folder(work.values)], container=AGENT_CONTAINER
    )
    names = in_order(ran.stdout.decode("utf-8", "replace"))
    return bool(names) and "cilium" in names[0]


def _wait_ready(work: Work, node: str) -> None:
    """Wait until the kubelet says that its node is ready with the configuration that is there now."""
    with work.report.step(f"Waiting for `{node}` to be ready"):
        ready = poll(
            lambda: state.node(work.kube, node).ready,
            bool,
            deadline=work.kube.deadline.within(_READY),
            interval=_INTERVAL,
        )
        if not ready:
            raise TimedOut(
                f"node `{node}` is not ready with its new network",
                hint=f"`kubectl describe node {node}` shows why; then run the command again",
            )


def _files_back(work: Work, node: str) -> None:
    """By a pod on the node: Cilium's configuration goes, the other CNI's comes back."""
    image = nodework.image_of(work.kube, work.namespace, wanted=work.node_image)
    entry = old.entry_of(work.state.old.origin)
    job = nodework.Work(
        task="give-back",
        title=f"Putting {work.state.old.name}'s CNI configuration back on `{node}`",
        image=image.image,
        pull_secrets=image.pull_secrets,
        namespace=work.namespace,
        environ={"CNI_CONF": paths_of(work.values)["CNI_CONF"], "OLD": " ".join(entry["node"]["files"])},
        writes=True,
    )
    done = nodework.run(work.kube, job, owner=work.holder.who, report=work.report, only=(node,), alone=True)
    for one in done.nodes:
        left = str(members(one.answer).get("left") or "").split()
        if one.outcome != "done" or left:
            raise OutsideError(
                f"the CNI configuration of node `{node}` could not be put back: "
                f"{one.detail or 'still there: ' + ', '.join(left)}",
                hint=f"`ciliumctl migrate undo {node}` tries again",
            )
