"""Make a test bed, wait for it, read its addresses, take it away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ciliumctl import permissions
from ciliumctl.agents import AGENT_CONTAINER, AGENT_LABEL
from ciliumctl.clients.kube import (
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Access,
    Kube,
    Manifest,
    conditions_of,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.connectivity import bed as beds
from ciliumctl.connectivity import session
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.model import Bed, Group, Node, Pod, Service, World
from ciliumctl.errors import (
    CiliumctlError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutsideError,
    Partial,
    TimedOut,
    Unauthorized,
)
from ciliumctl.parallel import gather, gather_all
from ciliumctl.report import Reporter, Step
from ciliumctl.status.trouble import TERMINAL, explain, last_event
from ciliumctl.wait import overtime, poll

#: A state that will not mend itself must last this long, in seconds: the first pull may fail once.
GRACE = 10.0
_SETUP = 300.0
_CLEANUP = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to make: how many lanes, and which groups of pods besides."""

    run: session.Run
    world: World
    settings: Settings
    lanes: int = 1
    groups: frozenset[Group] = frozenset()

    @property
    def hosts(self) -> bool:
        """Whether there is a namespace for the hosts' network."""
        return bool(self.groups & beds.IN_HOST_NAMESPACE)

    @property
    def namespaces(self) -> list[str]:
        """All of them."""
        found = [self.run.namespace(lane) for lane in range(self.lanes)]
        return [*found, self.run.namespace(0, host=True)] if self.hosts else found


def make(kube: Kube, wanted: Wanted, report: Reporter) -> list[Bed]:
    """Make the lanes and wait until every pod answers its own node.

    Raises:
        Forbidden: this user may not make them. OutsideError: a pod will never run. TimedOut: not in time.
    """
    with report.step("Preparing the test bed") as step:
        step("namespaces and pods")
        wanted = _namespaces(kube, wanted, report)
        lanes_of = wanted.namespaces[: wanted.lanes]
        gather_all(
            [
                partial(_create, kube, SERVICE_ACCOUNTS, one, place)
                for place in lanes_of
                for one in beds.accounts(wanted.run)
            ]
        )
        pods = _manifests(wanted)
        gather_all([partial(_create, kube, PODS, manifest, place) for place, manifest in pods])
        services = gather_all(
            [
                partial(_create, kube, SERVICES, manifest, place)
                for place in lanes_of
                for manifest in beds.services(wanted.world, wanted.run, place)
            ]
        )
        ready = wait(kube, wanted.run, len(pods), step)
        agents = _agents(kube, wanted) if "agents" in wanted.groups else {}
        lanes = [_bed(wanted, lane, ready, services, agents) for lane in range(wanted.lanes)]
        step.finish(f"{len(pods)} pods on {' and '.join(node.name for node in wanted.world.nodes)}")
    return lanes


def _namespaces(kube: Kube, wanted: Wanted, report: Reporter) -> Wanted:
    for lane in range(wanted.lanes):
        _create(kube, NAMESPACES, beds.namespace(wanted.run.namespace(lane), wanted.run), "")
    if wanted.hosts:
        try:
            name = wanted.run.namespace(0, host=True)
            _create(kube, NAMESPACES, beds.namespace(name, wanted.run, level="privileged"), "")
        except (Forbidden, Invalid) as error:
            report.warn(f"nothing is tested from the hosts' network: {error.message}", error.hint)
            rest = wanted.groups - beds.IN_HOST_NAMESPACE
            return replace(wanted, groups=rest, world=replace(wanted.world, privileged=False))
    return wanted


def _create(kube: Kube, resource: Any, manifest: Manifest, place: str) -> Manifest:
    try:
        return kube.create(resource, manifest, place)
    except Conflict:
        # A kept bed is used again.
        return kube.get(resource, name_of(manifest), place)


def _manifests(wanted: Wanted) -> list[tuple[str, Manifest]]:
    run, settings = wanted.run, wanted.settings
    found = [
        (run.namespace(lane), beds.pod(role, node, run, settings))
        for lane in range(wanted.lanes)
        for role, node in beds.roles(wanted.world).items()
    ]
    if "limited" in wanted.groups:
        found.append((run.namespace(0), beds.limited_pod(wanted.world.nodes[0].name, run, settings)))
    if "tls" in wanted.groups:
        node = wanted.world.nodes[-1].name
        found += [(run.namespace(lane), beds.tls_pod(node, run, settings)) for lane in range(wanted.lanes)]
    place = run.namespace(0, host=True)
    return [*found, *((place, one) for one in beds.host_pods(wanted.world, wanted.groups, run, settings))]


def wait(
    kube: Kube, run: session.Run, count: int, step: Step, clock: Callable[[], float] = time.monotonic
) -> list[Manifest]:
    """Wait until all pods of a run are ready, saying which one waits for what. Raises `OutsideError`, `TimedOut`."""
    since: dict[str, float] = {}

    def look() -> list[Manifest]:
        pods = list(kube.objects(PODS, labels=f"{session.LABEL}={run.name}"))
        _tell(kube, pods, since, clock(), step)
        return pods

    def done(pods: list[Manifest]) -> bool:
        return len(pods) >= count and all(_ready(pod) for pod in pods)

    pods = poll(look, done, deadline=kube.deadline.within(_SETUP), interval=0.4)
    if not done(pods):
        waiting = [f"{name_of(pod)}: {explain(pod).reason}: {explain(pod).message}" for pod in pods if not _ready(pod)]
        raise TimedOut(
            f"the test bed was not ready in time: {', '.join(waiting[:3])}",
            hint="`kubectl describe pod` of one of them says more; raise `--timeout` when it is only slow",
        )
    return pods


def _ready(pod: Manifest) -> bool:
    return dig(conditions_of(pod).get("Ready"), "status", default="") == "True"


def _tell(kube: Kube, pods: Sequence[Manifest], since: dict[str, float], now: float, step: Step) -> None:
    """Say which pods wait for what, grouped by that. Raises `OutsideError` for one that will never run."""
    waiting = [pod for pod in pods if not _ready(pod)]
    reasons: dict[str, list[str]] = {}
    for pod in waiting:
        trouble = explain(pod)
        key = f"{namespace_of(pod)}/{trouble.pod}"
        reasons.setdefault(trouble.reason, []).append(f"{trouble.pod} on {trouble.node or 'no node'}")
        if trouble.reason not in TERMINAL:
            since.pop(key, None)
        elif now - since.setdefault(key, now) >= GRACE:
            event = last_event(kube, namespace_of(pod), dig(pod, "metadata", "uid", default=""))
            raise OutsideError(
                f"pod `{key}` will not run: {trouble.reason}: {trouble.message or event}",
                hint="`--image probe=REF` or `--registry PREFIX` name another image, `--toleration` other nodes",
            )
    lines = [f"{reason}: {', '.join(sorted(set(names)))}" for reason, names in sorted(reasons.items())]
    step(f"{len(pods) - len(waiting)} of {len(pods)} pods ready", lines)


def _agents(kube: Kube, wanted: Wanted) -> dict[str, Pod]:
    """Cilium's agents on the nodes that take part, as `agent-1`; they are asked, and never changed."""
    nodes = {node.name: node for node in wanted.world.nodes}
    running = {
        pod.node: pod
        for one in kube.objects(PODS, wanted.world.cilium_namespace, labels=AGENT_LABEL)
        if _ready(one) and (pod := pod_of(one, nodes)).node in nodes
    }
    return {
        f"agent-{number}": replace(running[name], role=f"agent-{number}", container=AGENT_CONTAINER)
        for number, name in enumerate(nodes, 1)
        if name in running
    }


def _bed(
    wanted: Wanted, lane: int, ready: Sequence[Manifest], services: Sequence[Manifest], agents: Mapping[str, Pod]
) -> Bed:
    place = wanted.run.namespace(lane)
    nodes = {node.name: node for node in wanted.world.nodes}
    places = {place, wanted.run.namespace(0, host=True)}
    pods = {name_of(pod): pod_of(pod, nodes) for pod in ready if namespace_of(pod) in places}
    common = {4, 6}.intersection(*(pod.addresses for pod in pods.values() if pod.namespace == place))
    families = tuple(sorted(common & set(wanted.settings.families)))
    return Bed(
        namespace=place,
        world=replace(wanted.world, families=families),
        pods={**pods, **agents},
        services={name_of(one): _service(one) for one in services if namespace_of(one) == place},
        lane=lane,
    )


def pod_of(pod: Manifest, nodes: Mapping[str, Node]) -> Pod:
    """A pod that runs, with its addresses and its node's."""
    node: str = dig(pod, "spec", "nodeName", default="")
    listed: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    return Pod(
        role=name_of(pod),
        name=name_of(pod),
        namespace=namespace_of(pod),
        node=node,
        addresses=_families(entry["ip"] for entry in listed),
        host=nodes[node].addresses if node in nodes else {},
    )


def _families(addresses: Iterable[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for address in addresses:
        if address and address != "None":
            found.setdefault(6 if ":" in address else 4, address)
    return found


def _service(service: Manifest) -> Service:
    ports: list[Manifest] = dig(service, "spec", "ports", default=[])
    return Service(
        name=name_of(service),
        namespace=namespace_of(service),
        addresses=_families(dig(service, "spec", "clusterIPs", default=[])),
        node_ports={port["name"]: port["nodePort"] for port in ports if port.get("nodePort")},
    )


def left(kube: Kube) -> list[Manifest]:
    """The namespaces of all beds that are there."""
    return list(kube.objects(NAMESPACES, labels=session.LABEL))


def expired(namespace: Manifest, now: datetime | None = None) -> bool:
    """Whether nobody can be using it any more."""
    return session.of(namespace).expires < (now or datetime.now(UTC))


def check_rights(kube: Kube) -> None:
    """Refuse before anything is made what could not be used, or taken away again. A few small requests at once.

    Raises:
        Forbidden: this user lacks rights; they are named.
    """
    wanted = [
        Access(verb="create", resource=NAMESPACES),
        Access(verb="delete", resource=NAMESPACES),
        Access(verb="create", resource=PODS),
        # A websocket takes both.
        Access(verb="get", resource=PODS, subresource="exec"),
        Access(verb="create", resource=PODS, subresource="exec"),
    ]
    hint = "`kubectl auth can-i --list` shows what this user may do; use another context, or ask for the rights"
    permissions.demand(kube, wanted, by="the test", hint=hint)


def take(kube: Kube, namespace: Manifest) -> session.Run | None:
    """A kept bed for this run alone, with new time; `None` when another run was faster."""
    run = session.renewed(session.of(namespace))
    version = dig(namespace, "metadata", "resourceVersion", default="")
    annotations = {**run.annotations, session.KEPT: None}
    patch: Manifest = {"metadata": {"resourceVersion": version, "annotations": annotations}}
    try:
        kube.patch(NAMESPACES, name_of(namespace), patch)
    except (Conflict, NotFound):
        return None
    return run


def hand_over(kube: Kube, run: session.Run) -> None:
    """Let a later run have this bed: all of its namespaces live as long, and the first one says that it is free."""
    renewed = session.renewed(run)
    for namespace in kube.objects(NAMESPACES, labels=f"{session.LABEL}={run.name}"):
        first = name_of(namespace) == run.namespace(0)
        kept = {session.KEPT: "true"} if first else {}
        kube.patch(NAMESPACES, name_of(namespace), {"metadata": {"annotations": {**renewed.annotations, **kept}}})


def remove(kube: Kube, names: Sequence[str], report: Reporter) -> None:
    """Delete namespaces and wait until they are gone.

    Raises:
        Forbidden, Unauthorized: this user may not. TimedOut: something in them does not go.
    """
    if not names:
        return
    with report.step("Cleaning up") as step, overtime(kube, seconds=_CLEANUP):
        pods = [pod for place in names for pod in kube.objects(PODS, place)]
        # Pods go with their namespaces; asked for first, they go sooner, and whoever may not ask for that just waits.
        calls = [partial(kube.delete, PODS, name_of(pod), namespace_of(pod)) for pod in pods]
        asked = gather([*calls, *(partial(kube.delete, NAMESPACES, name) for name in names)])
        for refused in asked[len(calls) :]:
            if isinstance(refused, Forbidden | Unauthorized):
                raise refused

        def there() -> list[str]:
            found = [name for name in names if kube.find(NAMESPACES, name) is not None]
            step(f"{len(found)} of {len(names)} namespaces left")
            return found

        stay = poll(there, lambda found: not found, deadline=kube.deadline.within(_CLEANUP), interval=0.4)
        if stay:
            raise TimedOut(
                f"namespace `{stay[0]}` does not go away",
                hint="`ciliumctl connectivity cleanup` tries again; `kubectl describe namespace` says what holds it",
            )
        step.finish(f"{len(names)} namespaces are gone")


def take_away(kube: Kube, names: Sequence[str], report: Reporter) -> tuple[str, ...]:
    """Remove namespaces at a run's end: those that may stay. What was found must not be lost because one does."""
    try:
        remove(kube, names, report)
    except CiliumctlError as error:
        report.warn(f"the test's pods could not be taken away: {error.message}", error.hint)
        return tuple(names)
    report.resume = ""
    return ()


def still_there(names: Sequence[str]) -> Partial:
    """The error of a run that found what it was to find, and could not take its pods away."""
    return Partial(
        f"the pods of the test are still there: {', '.join(f'namespace `{name}`' for name in names)}",
        hint="`ciliumctl connectivity cleanup` tries again",
    )
