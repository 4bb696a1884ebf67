"""The whole look: what is known, then the probe, then who is to blame."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ciliumctl.agents import Agent
from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import asking as ways
from ciliumctl.guests import How
from ciliumctl.paths import judging, trying
from ciliumctl.paths.collecting import BACKENDS, Gathered, gather_scene
from ciliumctl.paths.facts import ProbeFacts, Scene
from ciliumctl.paths.model import Path
from ciliumctl.paths.spelling import End
from ciliumctl.paths.trying import Goal, Probe
from ciliumctl.report import Reporter

# Flows from a little before the probe began.
_MARGIN = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which path, and how it is tried. `guest` puts one beside the source also where its container has a tool."""

    namespace: str
    source: End
    destination: End
    probe: bool = True
    guest: bool = False
    how: How = field(default_factory=How)


def run(kube: Kube, wanted: Wanted, report: Reporter) -> Path:
    """Look along a path, and try it.

    Raises:
        NotFound: an end does not exist. UsageError: the two make no path. ClusterError: nothing can be read.
    """
    began, asked = time.monotonic(), kube.requests
    with report.step("Looking along the path") as step:
        gathered = gather_scene(kube, wanted.namespace, wanted.source, wanted.destination)
        step.finish(f"{gathered.scene.source} to {gathered.scene.destination}")
    scene = gathered.scene
    if wanted.probe:
        scene = replace(scene, probe=_probed(kube, gathered, wanted, report))
    stages = judging.judge(scene)
    sentence, broken = judging.verdict(scene, stages)
    return Path(
        context=kube.context,
        source=scene.source,
        destination=scene.destination,
        port=scene.port,
        protocol=scene.protocol,
        stages=stages,
        verdict=sentence,
        broken=broken,
        requests=kube.requests - asked,
        seconds=time.monotonic() - began,
    )


def _probed(kube: Kube, gathered: Gathered, wanted: Wanted, report: Reporter) -> ProbeFacts:
    scene = gathered.scene
    goals = _goals(scene)
    why = _not_tried(scene, goals)
    if why:
        return ProbeFacts(problem=why)
    name = scene.wanted.name if scene.wanted.kind == "name" else ""
    probe = Probe(goals=goals, protocol=scene.protocol, name=name)
    with report.step("Trying it") as step:
        began = time.monotonic()
        facts = _from_source(kube, gathered, wanted, probe, report)
        if facts.tries and facts.tries[0].outcome not in judging.ARRIVED:
            facts = _at_home(kube, gathered, facts)
        facts = replace(facts, way=_way(kube, gathered, facts, time.monotonic() - began))
        step.finish(facts.tries[0].outcome if facts.tries else facts.problem)
    return facts


def _goals(scene: Scene) -> tuple[Goal, ...]:
    """The address that was asked for, then the backends of a service by themselves."""
    place, service = scene.destination, scene.service
    address = scene.wanted.name if scene.wanted.kind == "name" else place.address
    if not address or not scene.port:
        return ()
    port = scene.port if service is None or not service.headless else scene.target_port
    goals = [Goal(about=f"{scene.wanted.said}", address=address, port=port, node=scene.target_node)]
    backends = service.ready[:BACKENDS] if service is not None and not service.headless else ()
    goals += [Goal(about=f"backend {one}", address=one.address, port=one.port, node=one.node) for one in backends]
    return tuple(goals)


def _not_tried(scene: Scene, goals: tuple[Goal, ...]) -> str:
    """Why nothing can be tried; empty when it can."""
    pod, service = scene.source_pod, scene.service
    if scene.source.kind == "outside":
        return f"nothing can be asked from {scene.source}"
    if pod is not None and pod.trouble:
        return f"the source does not run: {pod.trouble}"
    if service is not None and not service.port:
        return "the service has no such port"
    if scene.protocol == "SCTP":
        return "there is no probe for SCTP"
    if not scene.port:
        return "no port was named: end the destination with `:PORT`"
    return "" if goals else f"{scene.destination} has no address to ask"


def _from_source(kube: Kube, gathered: Gathered, wanted: Wanted, probe: Probe, report: Reporter) -> ProbeFacts:
    scene = gathered.scene
    pod = scene.source_pod
    if pod is not None:
        return trying.from_pod(kube, pod, probe, wanted.how, report, guest=wanted.guest)
    agent = _able(gathered.agents, scene.source.node)
    if agent is not None and not wanted.guest:
        return trying.from_agent(kube, agent, probe)
    return trying.from_node(kube, scene.source.node, wanted.namespace, probe, wanted.how, report)


def _able(agents: Mapping[str, Agent], node: str) -> Agent | None:
    agent = agents.get(node)
    return agent if agent is not None and agent.ready else None


def _at_home(kube: Kube, gathered: Gathered, facts: ProbeFacts) -> ProbeFacts:
    """The same from the destination's own node, by its agent: that tells the way from the destination."""
    bad = next((one for one in facts.tries[1:] if one.outcome != "open"), facts.tries[0])
    agent = _able(gathered.agents, bad.node)
    if agent is None or bad.node == gathered.scene.source.node:
        return facts
    goal = Goal(about=bad.about, address=bad.address, port=bad.port, node=bad.node)
    found = trying.from_agent(kube, agent, Probe(goals=(goal,), protocol=gathered.scene.protocol))
    return replace(facts, home=found.tries[0].outcome) if found.tries else facts


def _way(kube: Kube, gathered: Gathered, facts: ProbeFacts, seconds: float) -> tuple[str, ...]:
    """What Hubble saw of it, and the kernels' routes where it failed; one exec in each of the agents."""
    scene = gathered.scene
    bad = not facts.tries or facts.tries[0].outcome not in judging.ARRIVED
    hubble = (scene.config or {}).get("enable-hubble") == "true"
    if not facts.tries or not (bad or hubble):
        return ()
    pods = [pod for pod in (scene.source_pod, scene.target_pod) if pod is not None and not pod.host_network]
    questions = []
    for node in dict.fromkeys((scene.source.node, scene.target_node)):
        agent = _able(gathered.agents, node)
        if agent is None:
            continue
        mine = node == scene.source.node
        other = scene.target_address if mine else scene.source.address
        questions.append(
            ways.Asked(
                node=node,
                agent=agent.pod,
                addresses=(other,) if bad and other else (),
                pods=tuple(f"{pod.namespace}/{pod.name}" for pod in pods) if hubble else (),
                seconds=math.ceil(seconds + _MARGIN),
            )
        )
    place = next((agent.namespace for agent in gathered.agents.values()), "")
    return tuple(ways.ask(kube, place, questions))
