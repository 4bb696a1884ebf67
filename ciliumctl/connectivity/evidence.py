"""What can be gathered cheaply when a scenario failed: who would know, and what they say.

Each line begins with what it is about. A source that does not answer costs one line that says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ciliumctl.agents import AGENT_LABEL
from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    Kube,
    Manifest,
    conditions_of,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.connectivity import asking, endpoints
from ciliumctl.connectivity.model import Bed, Pod, Scenario
from ciliumctl.connectivity.result import Probed, Tested
from ciliumctl.connectivity.selecting import NAMESPACE, NAMESPACE_LABELS, described
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.parallel import gather as at_once

_POLICIES = {
    "NetworkPolicy": NETWORK_POLICIES,
    "CiliumNetworkPolicy": CILIUM_POLICIES,
    "CiliumClusterwideNetworkPolicy": CILIUM_CLUSTERWIDE_POLICIES,
}
#: Lines of one kind.
_MOST = 8
# Flows from a little before the scenario began until now.
_MARGIN = 5.0
# The start of a line that says what could not be gathered.
MISSING = "could not "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A failure, its place, and the pods at both ends of it."""

    kube: Kube
    bed: Bed
    tested: Tested
    scenario: Scenario
    sources: tuple[Pod, ...]
    targets: tuple[Pod, ...]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Those at either end, each once."""
        return tuple({pod.name: pod for pod in (*self.sources, *self.targets)}.values())

    @property
    def services(self) -> tuple[str, ...]:
        """The services that were asked."""
        named = [probe.target for probe in self.tested.failures if probe.target.startswith("service ")]
        return tuple(dict.fromkeys(target.removeprefix("service ") for target in named))


def gather(kube: Kube, bed: Bed, tested: Tested, scenario: Scenario) -> tuple[str, ...]:
    """Lines that say what is there: a handful of requests, one exec on each of the nodes at both ends."""
    failed = tested.failures
    targets = [pod for probe in failed if (pod := _target(bed, probe)) is not None]
    case = _Case(
        kube=kube,
        bed=bed,
        tested=tested,
        scenario=scenario,
        sources=_once(bed.pods[probe.source] for probe in failed if probe.source in bed.pods),
        targets=_once(targets),
    )
    calls: dict[str, Callable[[], list[str]]] = {
        "read the nodes": partial(_nodes, case),
        "read the services' endpoints": partial(_endpoints, case),
        "read the name server's endpoints": partial(_name_server, case),
        "read the policies": partial(_policies, case),
        "find Cilium's agents": partial(_agents, case),
    }
    lines = [*_pods("source", case.sources), *_pods("target", case.targets)]
    for what, found in zip(calls, at_once(list(calls.values())), strict=True):
        if isinstance(found, CiliumctlError):
            lines.append(f"{MISSING}{what}: {found.message}")
        elif isinstance(found, Exception):
            raise found
        else:
            lines += found
    # Last of all what could not be had.
    return tuple(sorted(lines, key=lambda line: line.startswith(MISSING)))


def _once(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    return tuple({pod.name: pod for pod in pods}.values())


def _target(bed: Bed, probe: Probed) -> Pod | None:
    """The pod that a probe went to: by its name or by an address that is the pod's alone."""
    named = bed.pods.get(probe.target.removeprefix("pod "))
    if named is not None:
        return named
    has = (pod for pod in bed.pods.values() if probe.address and probe.address in pod.addresses.values())
    return next(has, None)


def _hosted(pod: Pod) -> bool:
    """Whether it is in its host's network: no policy selects it, no flow has its name."""
    return bool(pod.addresses) and set(pod.addresses.values()) <= set(pod.host.values())


def _pods(end: str, pods: Sequence[Pod]) -> list[str]:
    return [
        f"{end}: pod {pod.namespace}/{pod.name} on {pod.node}, {', '.join(pod.addresses.values())}"
        for pod in pods[:_MOST]
    ]


def _nodes(case: _Case) -> list[str]:
    """The nodes that are not well, of those at both ends."""
    names = {name for probe in case.tested.failures for name in (probe.source_node, probe.target_node)} - {""}
    lines = []
    for name in sorted(names):
        node = case.kube.find(NODES, name)
        ready: Manifest = conditions_of(node or {}).get("Ready", {})
        if node is None:
            lines.append(f"node {name}: it is not there any more")
        elif ready.get("status") != "True":
            lines.append(f"node {name}: not Ready: {ready.get('reason', '')}: {ready.get('message', '')}")
    return lines


def _endpoints(case: _Case) -> list[str]:
    """The endpoints of the services that were asked, with their nodes; those of the test's own are gone with it."""
    if not case.services:
        return []
    found = endpoints.by_service(case.kube, case.bed.namespace)
    lines = []
    for name in case.services[:_MOST]:
        if name not in case.bed.services:
            lines.append(f"service {name}: it was the test's own, and its endpoints are gone with it")
            continue
        at = ", ".join(case.bed.services[name].addresses.values()) or "no address"
        lines.append(f"service {name} at {at}: endpoints {', '.join(found.get(name, ())) or 'none'}")
    return lines


def _name_server(case: _Case) -> list[str]:
    """The name server, when names are what failed, or a name was not found on the way."""
    asked = case.scenario.category == "dns" or any(endpoints.about_names(probe.seen) for probe in case.tested.failures)
    return endpoints.name_server(case.kube) if asked else []


def _policies(case: _Case) -> list[str]:
    """The policies that select the pods: what is there now, and what the scenario had in force and took away."""
    pods = [pod for pod in case.pods if not _hosted(pod)]
    labels = _labels(case.kube, pods)
    if not labels:
        return []
    there = [policy for kind in _POLICIES for policy in _there(case, kind)]
    own = _own(case)
    with_namespaces = any(NAMESPACE_LABELS in str(policy.get("spec")) for policy in (*there, *own))
    if with_namespaces:
        labels = _with_namespaces(case.kube, pods, labels)
    lines = [f"policy: {text}, while it was tested" for policy in own if (text := described(policy, labels))]
    lines += [f"policy: {text}" for policy in there if (text := described(policy, labels))]
    more = len(lines) - _MOST
    return lines[:_MOST] + ([f"policy: and {more} more select these pods"] if more > 0 else [])


def _own(case: _Case) -> list[Manifest]:
    """The scenario's own policies, when they were in force as the probes failed."""
    if case.scenario.policies is None or not any(probe.phase == "under the policy" for probe in case.tested.failures):
        return []
    made = (one.manifest for one in case.scenario.policies(case.bed))
    return [policy for policy in made if policy.get("kind") in _POLICIES]


def _there(case: _Case, kind: str) -> list[Manifest]:
    """The policies of a kind: of the bed's namespace, or of the cluster."""
    if kind != "NetworkPolicy" and kind not in case.bed.world.kinds:
        return []
    try:
        found = case.kube.objects(_POLICIES[kind], case.bed.namespace)
        return [{**policy, "kind": kind} for policy in found]
    except NotFound:
        return []


def _labels(kube: Kube, pods: Sequence[Pod]) -> dict[str, Mapping[str, str]]:
    """The pods' labels as they are now, by name, with the namespace as Cilium's selectors have it."""
    found: dict[str, Mapping[str, str]] = {}
    for place in sorted({pod.namespace for pod in pods}):
        names = {pod.name for pod in pods if pod.namespace == place}
        for one in kube.objects(PODS, place, metadata_only=True):
            if name_of(one) in names:
                found[name_of(one)] = {**labels_of(one), NAMESPACE: place}
    return found


def _with_namespaces(
    kube: Kube, pods: Sequence[Pod], labels: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """The same with the labels of the pods' namespaces."""
    places = {place: labels_of(kube.find(NAMESPACES, place) or {}) for place in {pod.namespace for pod in pods}}
    return {
        name: {**known, **{f"{NAMESPACE_LABELS}{key}": value for key, value in places[known[NAMESPACE]].items()}}
        for name, known in labels.items()
    }


def _agents(case: _Case) -> list[str]:
    """What Cilium's agents at both ends know. Other CNIs' are not known to us."""
    world = case.bed.world
    if not world.cilium:
        return []
    agents = {
        dig(pod, "spec", "nodeName", default=""): pod
        for pod in case.kube.objects(PODS, world.cilium_namespace, labels=AGENT_LABEL)
    }
    lines = []
    wanted = []
    for node, addresses in _paths(case).items():
        agent = agents.get(node)
        if agent is None:
            lines.append(f"agent on {node}: there is none")
            continue
        if dig(conditions_of(agent).get("Ready"), "status", default="") != "True":
            lines.append(f"agent {name_of(agent)} on {node}: not ready")
        wanted.append(_asked(case, node, name_of(agent), addresses))
    return lines + asking.ask(case.kube, world.cilium_namespace, wanted)


def _asked(case: _Case, node: str, agent: str, addresses: Sequence[str]) -> asking.Asked:
    hubble = case.bed.world.config.get("enable-hubble") == "true"
    pods = [f"{pod.namespace}/{pod.name}" for pod in case.pods if not _hosted(pod)]
    return asking.Asked(
        node=node,
        agent=agent,
        addresses=tuple(addresses),
        pods=tuple(pods[:_MOST]) if hubble else (),
        seconds=math.ceil(case.tested.seconds + _MARGIN),
    )


def _paths(case: _Case) -> dict[str, list[str]]:
    """The addresses to look up routes to, by node: there from the source's, back from the target's."""
    found: dict[str, dict[str, None]] = {}
    for probe in case.tested.failures:
        there = [probe.address]
        if probe.target.startswith("service "):
            # A service's address is no place: its endpoints are.
            there += [pod.addresses.get(6 if ":" in probe.address else 4, "") for pod in case.bed.servers()]
        found.setdefault(probe.source_node, {}).update(dict.fromkeys(filter(None, there)))
        source = case.bed.pods.get(probe.source)
        if source is not None and probe.target_node not in {"", probe.source_node}:
            back = source.addresses.get(6 if ":" in probe.address else 4, "")
            found.setdefault(probe.target_node, {}).update(dict.fromkeys(filter(None, [back])))
    return {node: list(addresses) for node, addresses in found.items() if node}
