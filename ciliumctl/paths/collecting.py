"""Gather what is judged: the objects of both ends, the policies, and what the agents of the two nodes say.

Some fifteen small requests and one exec in each of at most two agents, however large the cluster is; policies are read
whole, and a list of nodes. Where policies deny it, two requests more and one exec on the node that they do so on: a pod
may be in audit mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ciliumctl import agents
from ciliumctl.agents import Agent
from ciliumctl.clients.kube import CILIUM_ENDPOINTS, CONFIG_MAPS, NODES, Kube, dig
from ciliumctl.errors import CiliumctlError, NotFound, UsageError
from ciliumctl.naming import Named
from ciliumctl.parallel import gather, together
from ciliumctl.paths import asking
from ciliumctl.paths.facts import (
    AgentFacts,
    Backend,
    EndpointFacts,
    NodeFacts,
    PodFacts,
    Scene,
    ServiceFacts,
    socket_of,
)
from ciliumctl.paths.model import Place
from ciliumctl.paths.resolving import Resolved, node_facts, resolve
from ciliumctl.paths.spelling import End, the
from ciliumctl.policies import Party, Passage, Protocol, State, auditing, passage
from ciliumctl.policies import collecting as policies
from ciliumctl.policies.parties import at, entity, named

#: Backends whose policies are evaluated, and that are tried.
BACKENDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The scene, and the agents of its nodes for whoever probes."""

    scene: Scene
    agents: Mapping[str, Agent]


def gather_scene(kube: Kube, namespace: str, source: End, destination: End) -> Gathered:
    """What is known without a probe. `namespace` is Cilium's.

    Raises:
        NotFound: an end does not exist. UsageError: the two make no path. ClusterError: nothing can be read.
    """
    here, there = together(partial(resolve, kube, source, asks=True), partial(resolve, kube, destination, asks=False))
    scene = _begun(here, there, destination)
    parts = _parts(kube, namespace, scene)
    found = dict(zip(parts, gather(list(parts.values())), strict=True))
    failed: dict[str, str] = {}
    got: dict[str, Any] = {}
    for name, said in found.items():
        if isinstance(said, CiliumctlError):
            failed[name] = said.message
        elif isinstance(said, Exception):
            raise said
        else:
            got[name] = said
    scene = replace(
        scene,
        config=got.get("config"),
        nodes=got.get("nodes", {}),
        endpoints=got.get("endpoints"),
        pods={**scene.pods, **_backend_pods(kube, scene)},
        policies=got.get("policies", {}),
        failed=failed,
    )
    known: Mapping[str, Agent] = got.get("agents", {})
    return Gathered(scene=replace(scene, agents=_asked(kube, scene, known)), agents=known)


def _begun(here: Resolved, there: Resolved, wanted: End) -> Scene:
    source, destination = here.place, there.place
    service = there.service
    port, protocol = _port(there, wanted)
    if service is not None and service.headless and service.ready:
        # Its name stands for its pods.
        destination = replace(destination, address=service.ready[0].address)
    backend = _backend(service, source.node) if service is not None else None
    pods = {one.pod.key: one.pod for one in (here, there) if one.pod is not None}
    return Scene(
        source=source,
        destination=destination,
        wanted=wanted,
        port=port,
        protocol=protocol,
        pods=pods,
        service=service,
        backend=backend,
    )


def _port(there: Resolved, wanted: End) -> tuple[int, str]:
    """The port that is asked, 0 where nobody said one and nothing tells."""
    if there.service is not None:
        asked = int(wanted.port) if wanted.port.isdigit() else 0
        return there.service.port or asked, there.service.protocol
    pod = there.pod
    if wanted.port and not wanted.port.isdigit():
        known = pod.ports if pod is not None else ()
        for name, protocol, number in known:
            if name == wanted.port and wanted.protocol in {"", protocol}:
                return number, protocol
        names = ", ".join(f"`{name}`" for name, _protocol, _number in known if name) or "none"
        raise UsageError(f"`{wanted.said}`: nothing there has a port named `{wanted.port}`", hint=f"it has {names}")
    if wanted.port:
        return int(wanted.port), wanted.protocol or "TCP"
    for _name, protocol, number in pod.ports if pod is not None else ():
        if wanted.protocol in {"", protocol}:
            return number, protocol
    return 0, wanted.protocol or "TCP"


def _backend(service: ServiceFacts, node: str) -> Backend | None:
    """The one whose way is looked at: ready, and on another node where there is one: that says more."""
    able = [one for one in service.ready if not service.local_only or one.node == node]
    far = [one for one in able if one.node and one.node != node]
    return next(iter(far or able), None)


def _backend_pods(kube: Kube, scene: Scene) -> dict[tuple[str, str], PodFacts]:
    """The pod behind the service that is looked at. One request."""
    one = scene.backend
    if one is None or not one.pod:
        return {}
    end = the(Named(word="pod", name=one.pod, namespace=one.namespace), str(one))
    try:
        found = resolve(kube, end, asks=False).pod
    except NotFound:
        # Replaced a moment ago.
        return {}
    return {found.key: found} if found is not None else {}


def _parts(kube: Kube, namespace: str, scene: Scene) -> dict[str, Callable[[], Any]]:
    nodes = [name for name in dict.fromkeys((scene.source.node, scene.target_node)) if name]
    return {
        "config": partial(_config, kube, namespace),
        "nodes": partial(_nodes, kube, nodes),
        "endpoints": partial(_endpoints, kube, scene),
        "policies": partial(_policies, kube, namespace, scene),
        "agents": partial(_agents, kube, namespace, nodes),
    }


def _config(kube: Kube, namespace: str) -> Mapping[str, str] | None:
    """Cilium's settings; `None` where there is no Cilium."""
    found = kube.find(CONFIG_MAPS, policies.CONFIG, namespace)
    data: Mapping[str, str] = dig(found, "data", default={})
    return data if found is not None else None


def _nodes(kube: Kube, names: list[str]) -> dict[str, NodeFacts]:
    return {name: node_facts(kube.get(NODES, name)) for name in names}


def _agents(kube: Kube, namespace: str, nodes: list[str]) -> dict[str, Agent]:
    return {one.node: one for one in agents.find(kube, namespace, nodes=nodes)} if nodes else {}


def _endpoints(kube: Kube, scene: Scene) -> dict[tuple[str, str], EndpointFacts] | None:
    """The CiliumEndpoints of the pods at both ends; `None` where the cluster knows no such kind."""
    keys = [pod.key for pod in scene.pods.values() if not pod.host_network]
    if scene.backend is not None and scene.backend.pod:
        keys.append((scene.backend.namespace, scene.backend.pod))
    found: dict[tuple[str, str], EndpointFacts] = {}
    for place, name in dict.fromkeys(keys):
        endpoint = kube.find(CILIUM_ENDPOINTS, name, place)
        if endpoint is not None:
            labels: list[str] = dig(endpoint, "status", "identity", "labels", default=[])
            found[place, name] = EndpointFacts(
                id=dig(endpoint, "status", "id", default=0),
                identity=dig(endpoint, "status", "identity", "id", default=0),
                state=dig(endpoint, "status", "state", default=""),
                labels=tuple(labels),
            )
    if not found and keys and (CILIUM_ENDPOINTS.api_version, "CiliumEndpoint") not in kube.kinds():
        return None
    return found


def _policies(kube: Kube, namespace: str, scene: Scene) -> dict[str, Passage]:
    """What policies say, for the destination, or for each of the first backends of a service, by its words."""
    backends = scene.service.ready[:BACKENDS] if scene.service is not None else ()
    keys = [*scene.pods, *((one.namespace, one.pod) for one in backends if one.pod)]
    state = policies.read(kube, namespace, policies.Scope(pods=list(dict.fromkeys(keys))))

    def party(place: Place) -> Party:
        if place.kind == "pod":
            return state.pods[place.namespace, place.name]
        if place.kind == "node":
            return state.nodes.get(place.name) or at(state, place.address)
        if place.address:
            return at(state, place.address)
        return entity("world") if place.name == "world" else named(place.name)

    source = party(scene.source)
    protocol = _policy_protocol(scene)
    targets = {
        str(one): (state.pods[one.namespace, one.pod] if one.pod else at(state, one.address), one.port)
        for one in backends
    }
    if scene.service is None:
        targets = {str(scene.destination): (party(scene.destination), scene.port)}

    def said(state: State) -> dict[str, Passage]:
        return {
            name: passage(state, source, target, port=port or None, protocol=protocol)
            for name, (target, port) in targets.items()
        }

    first = [(source, target, one) for (target, _port), one in zip(targets.values(), said(state).values(), strict=True)]
    return said(auditing.aware(kube, namespace, state, first))


def _policy_protocol(scene: Scene) -> Protocol:
    protocols: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}
    return protocols[scene.protocol]


def _asked(kube: Kube, scene: Scene, known: Mapping[str, Agent]) -> dict[str, AgentFacts]:
    """What the agents of the two nodes say, both at once."""
    questions = [_question(scene, agent) for agent in known.values()]
    answers = gather([partial(asking.ask, kube, question) for question in questions])
    found = {}
    for question, said in zip(questions, answers, strict=True):
        if isinstance(said, Exception):
            raise said
        found[question.agent.node] = said
    return found


def _question(scene: Scene, agent: Agent) -> asking.Question:
    mine = agent.node == scene.source.node
    pod = scene.source_pod if mine else scene.target_pod
    endpoint = (scene.endpoints or {}).get(pod.key) if pod is not None else None
    pair = scene.both_nodes
    other = (pair[1] if mine else pair[0]) if pair else ""
    other_node = scene.nodes.get(other)
    replaces = (scene.config or {}).get("kube-proxy-replacement", "false").lower() in {"true", "strict"}
    return asking.Question(
        agent=agent,
        endpoint=endpoint.id if endpoint is not None else 0,
        other=scene.target_address if mine else scene.source.address,
        frontend=_frontend(scene) if mine and replaces else "",
        peer=other,
        peer_address=other_node.address if other_node is not None else "",
    )


def _frontend(scene: Scene) -> str:
    service = scene.service
    if service is None or service.headless or not service.addresses:
        return ""
    return socket_of(scene.destination.address, service.port)
