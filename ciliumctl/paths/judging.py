"""The verdict: every stage in the order of the way, what the probe comes to, the first broken hop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ciliumctl.paths import between, ends
from ciliumctl.paths.facts import ProbeFacts, Scene, Tried, socket_of
from ciliumctl.paths.model import Stage, fine, found, skipped

_LOOKS = (
    ends.source,
    ends.destination,
    ends.name,
    ends.service,
    between.identity,
    between.egress,
    between.ingress,
    between.nodes,
    between.routing,
)
#: Outcomes of a try that came through the network, whatever answered.
ARRIVED = {"open", "refused"}


def judge(scene: Scene) -> tuple[Stage, ...]:
    """Every hop. What the probe proves wrong is a warning: what really happens outweighs what should."""
    stages = [look(scene) for look in _LOOKS]
    tried = probe(scene)
    if tried.outcome == "ok":
        stages = [_contradicted(stage) for stage in stages]
    return (*stages, tried)


def _contradicted(stage: Stage) -> Stage:
    if stage.outcome != "fail":
        return stage
    return replace(stage, outcome="warn", message=f"{stage.message}; it gets through all the same")


def verdict(scene: Scene, stages: Sequence[Stage]) -> tuple[str, str]:
    """The first broken hop: a sentence and its code; an empty code when none is."""
    for stage in stages:
        if stage.outcome == "fail":
            return f"{stage.title}: {stage.message}", stage.code
    last = stages[-1]
    way = f"from {scene.source} to {scene.wanted.said}"
    if last.outcome == "ok":
        warned = sum(stage.outcome == "warn" for stage in stages)
        more = f", with {warned} warning{'s' if warned > 1 else ''}" if warned else ""
        return f"it gets through {way}{more}", ""
    looked = sum(stage.outcome in {"ok", "warn"} for stage in stages)
    return f"nothing that was looked at stops it {way} ({looked} hops); no probe proves it", ""


def probe(scene: Scene) -> Stage:
    """What the probe came to, and where that puts the blame."""
    facts = scene.probe
    if facts is None:
        return skipped("probe", "not asked for")
    if facts.problem or not facts.tries:
        return skipped("probe", facts.problem or "there was nothing to try")
    main = facts.tries[0]
    lines = _lines(facts)
    if main.outcome == "open":
        stale = [one for one in facts.tries[1:] if one.outcome != "open"]
        said = f"{_at(main)} answers {scene.source}"
        return _some(said, stale, lines) if stale else fine("probe", said, *lines)
    if main.outcome == "silent":
        return found("probe", "706", f"{_at(main)} does not answer an empty UDP packet", *lines, outcome="warn")
    if main.outcome == "no name":
        return found("probe", "201", f"{scene.source} does not know the name {main.address}", *lines)
    return _failed(scene, facts, main, lines)


def _some(said: str, stale: Sequence[Tried], lines: Sequence[str]) -> Stage:
    which = ", ".join(f"{one.about} ({one.outcome})" for one in stale)
    return found("probe", "705", f"{said}, but not every backend does: {which}", *lines, outcome="warn")


def _lines(facts: ProbeFacts) -> list[str]:
    tries = [f"{one.about}: {one.outcome}{f' ({one.said})' if one.said else ''}" for one in facts.tries]
    home = [f"on its own node: {facts.home}"] if facts.home else []
    return [f"asked from {facts.via}", *tries, *home, *facts.way]


def _at(one: Tried) -> str:
    return socket_of(one.address, one.port)


def _failed(scene: Scene, facts: ProbeFacts, main: Tried, lines: Sequence[str]) -> Stage:
    """Whom to blame for an address that does not answer."""
    backends = facts.tries[1:]
    open_ = [one for one in backends if one.outcome == "open"]
    if open_ and len(open_) == len(backends):
        message = f"{scene.source.node or scene.source} does not translate {_at(main)}: the backends themselves answer"
        return found("probe", "703", message, *lines)
    if open_:
        bad = [one for one in backends if one.outcome != "open"]
        return _blamed(scene, facts, bad[0], lines)
    last = backends[0] if backends else main
    return _blamed(scene, facts, last, lines)


def _blamed(scene: Scene, facts: ProbeFacts, one: Tried, lines: Sequence[str]) -> Stage:
    if one.outcome == "refused" or (facts.home == "refused" and _allowed(scene)):
        return found("probe", "701", _refused(scene, one), *lines, hint=_ports(scene, one))
    here, there = scene.source.node, one.node
    across = bool(here and there and here != there)
    if facts.home == "open" and across and _allowed(scene):
        message = f"pod traffic does not get from {here} to {there}: {_at(one)} answers on its own node only"
        return found("probe", "702", message, *lines)
    if facts.home and facts.home not in ARRIVED:
        message = f"{_at(one)} does not answer {scene.source}, nor its own node {there}"
        return found("probe", "704", message, *lines)
    where = f"between {here} and {there}" if across else f"within {here}" if here and here == there else "on the way"
    words = {"unreachable": "is unreachable for", "timeout": "does not answer", "failed": "cannot be asked by"}
    return found(
        "probe", "705", f"{_at(one)} {words.get(one.outcome, one.outcome)} {scene.source}: dropped {where}", *lines
    )


def _allowed(scene: Scene) -> bool:
    """Whether no policy is known to deny it: otherwise that is the reason, and not the network."""
    return not any(one.answer == "denied" for one in scene.policies.values())


def _refused(scene: Scene, one: Tried) -> str:
    pod = scene.target_pod
    named = f"pod {pod.namespace}/{pod.name}" if pod is not None else str(scene.destination)
    return f"nothing listens on port {one.port} of {named}: the connection is refused"


def _ports(scene: Scene, one: Tried) -> str:
    """Other ports that its containers declare, where this is none of them."""
    pod = scene.target_pod
    declared = [number for _name, protocol, number in pod.ports if protocol == scene.protocol] if pod else []
    if not declared or one.port in declared:
        return ""
    listed = ", ".join(map(str, declared))
    if scene.service is not None:
        name = f"{scene.service.namespace}/{scene.service.name}"
        return f"the pod declares {listed}: the `targetPort` of service {name} leads elsewhere"
    return f"the pod declares {listed}"
