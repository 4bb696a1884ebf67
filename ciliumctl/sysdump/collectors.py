"""What is collected, as data: a file in the archive, what it is, and how to get it. Secrets are in no list here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ciliumctl.agents import AGENT_PROGRAM
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Kube,
    Manifest,
    Resource,
    dig,
    name_of,
)
from ciliumctl.sysdump import reading
from ciliumctl.sysdump.scene import Scene, Wanted
from ciliumctl.wait import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """One file. `get` gives its text; what it raises is told as a problem, a kind that is not there is left out."""

    file: str
    about: str
    get: Callable[[], str]


#: Tables of the whole cluster, as `kubectl get` shows them.
TABLES = {"nodes": NODES, "namespaces": NAMESPACES, "pods": PODS, "events": EVENTS}
#: Objects of the whole cluster, in full.
WHOLE = {"nodes": NODES, "networkpolicies": NETWORK_POLICIES}
#: Objects of Cilium's namespace, in full; and of the test's namespaces.
OF_CILIUM = {
    "daemonsets": DAEMON_SETS,
    "deployments": DEPLOYMENTS,
    "replicasets": REPLICA_SETS,
    "pods": PODS,
    "services": SERVICES,
    "endpointslices": ENDPOINT_SLICES,
}
OF_TESTS = {"pods": PODS, "services": SERVICES, "endpointslices": ENDPOINT_SLICES}
#: Beginnings of the names of ConfigMaps that are Cilium's.
CONFIGS = ("cilium", "hubble", "clustermesh", "ip-masq-agent")

#: Commands of the agent, by their file.
COMMANDS = {
    "status": "status --verbose",
    "endpoints": "endpoint list",
    "identities": "identity list",
    "nodes": "node list",
    "services": "service list",
    "lb": "bpf lb list",
    "ipcache": "bpf ipcache list",
    "tunnels": "bpf tunnel list",
    "policies": "bpf policy get --all",
    "names": "fqdn cache list",
    "encryption": "encrypt status",
    "metrics": "metrics list",
}
#: Commands of the kernel's tools, in the agent's container.
NETWORK = {
    "links": "ip -s -d link",
    "addresses": "ip addr",
    "routes": "ip route show table all; ip -6 route show table all",
    "rules": "ip rule; ip -6 rule",
    "neighbours": "ip neigh",
}
FLOWS = "hubble observe --last 500 -o compact"


def plan(kube: Kube, scene: Scene, wanted: Wanted, deadline: Deadline) -> list[list[Collector]]:
    """All of it in stages, the small and telling first: what the size or the time cuts off are logs."""
    read = reading.Reader(kube=kube, scene=scene, deadline=deadline)
    return [
        list(_cluster(read, scene, wanted)),
        list(_agents(read, scene, wanted)),
        list(_logs(read, scene, wanted)),
    ]


def _cluster(read: reading.Reader, scene: Scene, wanted: Wanted) -> Iterator[Collector]:
    for name, text in wanted.extra.items():
        yield Collector(file=name, about="what the test found", get=partial(str, text))
    yield Collector(file="version.txt", about="the API server's version", get=partial(str, f"{scene.version}\n"))
    for name, resource in TABLES.items():
        yield Collector(file=f"{name}.txt", about=f"{name}, as a table", get=partial(read.table, resource))
    for name, resource in WHOLE.items():
        yield Collector(file=f"{name}.yaml", about=f"{name}, in full", get=partial(read.objects, resource))
    yield Collector(file="cnis.yaml", about="other CNIs that are there", get=read.cnis)
    places = [wanted.namespace] if scene.cilium else []
    for place, kinds in [*((one, OF_CILIUM) for one in places), *((one, OF_TESTS) for one in scene.tests)]:
        for name, resource in kinds.items():
            about = f"{name} of namespace {place}, in full"
            yield Collector(
                file=f"namespaces/{place}/{name}.yaml", about=about, get=partial(read.objects, resource, place)
            )
    if scene.cilium:
        yield from _cilium(read, scene, wanted)


def _cilium(read: reading.Reader, scene: Scene, wanted: Wanted) -> Iterator[Collector]:
    yield Collector(file="status.yaml", about="what `ciliumctl status` finds", get=partial(read.status, wanted))
    yield Collector(
        file="helm.yaml",
        about=f"revisions of release {wanted.release}, without values",
        get=partial(read.revisions, wanted),
    )
    yield Collector(
        file=f"namespaces/{wanted.namespace}/configmaps.yaml",
        about=f"Cilium's ConfigMaps in namespace {wanted.namespace}",
        get=partial(read.objects, CONFIG_MAPS, wanted.namespace, keep=_is_config),
    )
    for plural, resource in sorted(_kinds_of_cilium(scene).items()):
        yield Collector(
            file=f"cilium.io/{plural}.yaml", about=f"{plural}.cilium.io, in full", get=partial(read.objects, resource)
        )


def _is_config(manifest: Manifest) -> bool:
    return name_of(manifest).startswith(CONFIGS)


def _kinds_of_cilium(scene: Scene) -> dict[str, Resource]:
    """Each kind of `cilium.io` once, in the version that the server lists first."""
    found: dict[str, Resource] = {}
    for resource in scene.kinds.values():
        if resource.group == "cilium.io" and "/" not in resource.plural:
            found.setdefault(resource.plural, resource)
    return found


def _agents(read: reading.Reader, scene: Scene, wanted: Wanted) -> Iterator[Collector]:
    lines = {name: (f"cilium-dbg {text}", f"{AGENT_PROGRAM}; exec $c {text}") for name, text in COMMANDS.items()}
    lines |= {name: (text, text) for name, text in NETWORK.items()}
    if scene.hubble:
        lines["flows"] = (FLOWS, FLOWS)
    # A file of every node before the next file of any: what is cut off is cut off everywhere.
    for name, (about, line) in lines.items():
        for node in scene.nodes:
            agent = scene.agents[node]
            yield Collector(
                file=f"agents/{node}/{name}.txt",
                about=f"`{about}` in {agent} on {node}",
                get=partial(read.command, wanted.namespace, agent, line),
            )


def _logs(read: reading.Reader, scene: Scene, wanted: Wanted) -> Iterator[Collector]:
    agents = set(scene.agents.values())
    asked = {scene.agents[node] for node in scene.nodes}
    for pod in scene.pods:
        node = dig(pod, "spec", "nodeName", default="")
        if not node or (name_of(pod) in agents and name_of(pod) not in asked):
            continue
        for container, previous in _containers(pod):
            which = "previous log" if previous else "log"
            yield Collector(
                file=f"logs/{name_of(pod)}/{container}{'.previous' if previous else ''}.log",
                about=f"{which} of container {container} of {name_of(pod)} on {node}",
                get=partial(read.log, wanted, name_of(pod), container, previous=previous),
            )


def _containers(pod: Manifest) -> Iterator[tuple[str, bool]]:
    """The containers that ran, and with `True` the run before of those that were started again."""
    for key in ("containerStatuses", "initContainerStatuses"):
        statuses: list[Manifest] = dig(pod, "status", key, default=[])
        for status in statuses:
            name = dig(status, "name", default="")
            if dig(status, "state", "waiting") is None:
                yield name, False
            if dig(status, "restartCount", default=0) > 0:
                yield name, True
