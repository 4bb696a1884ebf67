"""Judge both ends, the name and the service. Pure."""

from __future__ import annotations

from ciliumctl.paths.facts import PodFacts, Scene, ServiceFacts
from ciliumctl.paths.model import Place, Stage, fine, found, skipped

_NAMED = 4


def source(scene: Scene) -> Stage:
    """The source runs."""
    return _end("source", "101", scene.source, scene.source_pod)


def destination(scene: Scene) -> Stage:
    """The destination runs; a service is looked at in a stage of its own."""
    place = scene.destination
    pod = scene.target_pod if scene.service is None else None
    if scene.service is not None and scene.service.external_name:
        return fine("destination", f"{place} stands for the name {scene.service.external_name}")
    stage = _end("destination", "102", place, pod)
    if stage.outcome == "ok" and pod is not None and not pod.ready:
        return found("destination", "103", f"{place} runs, and is not ready", *stage.evidence, outcome="warn")
    return stage


def _end(stage: str, code: str, place: Place, pod: PodFacts | None) -> Stage:
    if pod is not None and pod.trouble:
        where = f"`kubectl describe pod -n {pod.namespace} {pod.name}` says more"
        return found(stage, code, f"{place} does not run: {pod.trouble}", *_about(place, pod), hint=where)
    if place.kind == "outside":
        return fine(stage, f"{place} is outside of the cluster" if place.name != "world" else "anything outside")
    return fine(stage, f"{place}{_where(place)}", *_about(place, pod))


def _where(place: Place) -> str:
    at = f" at {place.address}" if place.address else ""
    return f"{at} on {place.node}" if place.kind == "pod" and place.node else at


def _about(place: Place, pod: PodFacts | None) -> tuple[str, ...]:
    named = f"{place.namespace}/{place.name}" if place.namespace else place.name
    lines = [] if named in place.said or place.said == place.address else [f"named as {place.said}"]
    if pod is not None:
        if pod.host_network:
            lines.append("it has its node's network: policies of pods are not for it")
        ports = [f"{number}/{protocol}{f' ({name})' if name else ''}" for name, protocol, number in pod.ports]
        lines += [f"its containers declare {', '.join(ports)}"] if ports else []
    return tuple(lines)


def name(scene: Scene) -> Stage:
    """The source's own name server knows the name."""
    asked = scene.wanted.kind == "name"
    if not asked:
        return skipped("name", "no name was given")
    known = scene.probe.name if scene.probe is not None else None
    if known is None:
        return skipped("name", "nobody looked it up: that takes the probe, and `getent` or `nslookup` in the source")
    if not known:
        return found("name", "201", f"{scene.source} does not know the name {scene.wanted.name}")
    listed = ", ".join(known[:_NAMED])
    service = scene.service
    if service is not None and not service.headless and not set(known) & set(service.addresses):
        message = f"{scene.wanted.name} is {listed} for {scene.source}, and not the service's address"
        return found("name", "201", message, f"the service has {', '.join(service.addresses)}")
    return fine("name", f"{scene.wanted.name} is {listed}")


def service(scene: Scene) -> Stage:
    """The service leads to a pod that is ready."""
    one = scene.service
    if one is None:
        return skipped("service", "the destination is no service")
    if one.external_name:
        return skipped("service", f"it stands for the name {one.external_name}: ask for that one")
    place = scene.destination
    if not one.port:
        wanted = (
            scene.wanted.port
            if scene.wanted.protocol in {"", "TCP"}
            else f"{scene.wanted.port}/{scene.wanted.protocol}"
        )
        return found("service", "301", f"{place} has no port {wanted}", f"it has {', '.join(one.ports)}")
    if not one.backends:
        return _nobody(place, one)
    if not one.ready:
        listed = tuple(f"not ready: {backend}" for backend in one.backends[:_NAMED])
        return found("service", "303", f"none of the {len(one.backends)} behind {place} is ready", *listed)
    if scene.backend is None:
        listed = tuple(f"ready: {backend}" for backend in one.ready[:_NAMED])
        return found("service", "304", f"{place} stays on {scene.source.node}, and has no ready pod there", *listed)
    return _known(scene, one)


def _nobody(place: Place, one: ServiceFacts) -> Stage:
    if not one.selector:
        message = f"{place} selects no pods by itself, and nobody gave it endpoints"
        return found("service", "302", message, hint="a service without a selector needs EndpointSlices of its own")
    said = ",".join(f"{key}={value}" for key, value in one.selector.items())
    hint = f"`kubectl get pods -n {one.namespace} -l {said}` lists what it selects"
    return found("service", "302", f"no pod stands behind {place}: it selects {said}", hint=hint)


def _known(scene: Scene, one: ServiceFacts) -> Stage:
    """What the source's agent has of it, where Cilium does services."""
    lines = [f"backend: {backend}" for backend in one.ready[:_NAMED]]
    lines += [f"and {len(one.ready) - _NAMED} more"] if len(one.ready) > _NAMED else []
    agent = scene.agents.get(scene.source.node)
    if agent is not None and agent.frontend == 0:
        message = f"the agent on {scene.source.node} has no backend for {scene.destination}"
        return found("service", "305", message, *lines)
    if agent is not None and agent.frontend is not None:
        lines.append(f"the agent on {agent.node} has {agent.frontend} backends for it")
        if agent.frontend != len(one.ready) and not one.local_only:
            message = f"the agent on {agent.node} has {agent.frontend} backends, the API server {len(one.ready)}"
            return found("service", "305", message, *lines, outcome="warn")
    ready = f"{len(one.ready)} of {len(one.backends)} ready"
    return fine("service", f"port {one.port}/{one.protocol}, {ready}, such as {scene.backend}", *lines)
