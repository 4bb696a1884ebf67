"""Where Cilium's parts serve metrics in this cluster, by the ports that their pods declare, and what is read there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    SERVICES,
    Kube,
    Manifest,
    annotations_of,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.errors import UsageError
from ciliumctl.metrics.scraping import Scraped, Scraper, Target
from ciliumctl.metrics.text import Exposition
from ciliumctl.parallel import gather_all, together
from ciliumctl.status.collect import pods_of as listed_in
from ciliumctl.status.facts import Pod

#: How many pods of a part are asked when nobody says which, and what asks all of them.
PODS_ASKED, ALL = 5, "all"
#: The parts in the order they are shown: the workload, and the name of the container's port, as the charts have them.
PLACES: tuple[tuple[str, str, str], ...] = (
    ("agent", "cilium", "prometheus"),
    ("operator", "cilium-operator", "prometheus"),
    ("envoy", "cilium-envoy", "envoy-metrics"),
    ("envoy in the agent", "cilium", "envoy-metrics"),
    ("hubble", "cilium", "hubble-metrics"),
    ("relay", "hubble-relay", "prometheus"),
    ("cluster mesh", "clustermesh-apiserver", "apiserv-metrics"),
)
State = Literal["off", "answers", "silent", "partly", "no pods", "not asked"]
_SCRAPE, _PORT = "prometheus.io/scrape", "prometheus.io/port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part that is there. `port` is 0 where its metrics are off; `annotated` is what sends a scraper to it."""

    component: str
    workload: str
    port: int
    port_name: str
    tls: bool
    pods: tuple[Pod, ...]
    labels: Mapping[str, str]
    annotated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The parts that are there, and the services in their namespace."""

    places: tuple[Place, ...]
    services: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """How one part's metrics are. `series` is the most of one pod, `age` the youngest process' in seconds.

    `age` is `None` where no process says when it began. `told` says how scrapers are sent there. `not asked` is a part
    of which no pod is on the nodes that were named.
    """

    component: str
    state: State
    port: int
    pods: int
    asked: int
    answered: int
    series: int
    age: float | None
    told: tuple[str, ...]
    ways: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether all that was asked answered, or nothing is to be asked."""
        return self.state in {"off", "answers", "not asked"}


def find(kube: Kube, namespace: str) -> Found:
    """Look for the parts. Four requests, and one for the pods of each workload."""
    sets, deployments, services, config = together(
        lambda: list(kube.objects(DAEMON_SETS, namespace)),
        lambda: list(kube.objects(DEPLOYMENTS, namespace)),
        lambda: list(kube.objects(SERVICES, namespace)),
        lambda: kube.find(CONFIG_MAPS, "cilium-config", namespace),
    )
    workloads = {name_of(one): one for one in (*sets, *deployments)}
    names = [name for name in dict.fromkeys(workload for _part, workload, _port in PLACES) if name in workloads]
    listed = gather_all([partial(pods_of, kube, namespace, workloads[name]) for name in names])
    pods = dict(zip(names, listed, strict=True))
    tls = dig(config, "data", "hubble-metrics-server-enable-tls", default="") == "true"
    places = [
        place
        for component, workload, port_name in PLACES
        if workload in workloads
        and (place := _place(component, workloads[workload], port_name, pods[workload], services)) is not None
    ]
    return Found(
        places=tuple(replace(place, tls=tls and place.component == "hubble") for place in places),
        services=tuple(services),
    )


def pods_of(kube: Kube, namespace: str, workload: Manifest) -> tuple[Pod, ...]:
    """The pods of a workload that have a node. One request, 300 bytes a pod."""
    wanted: Mapping[str, str] = dig(workload, "spec", "selector", "matchLabels", default={})
    table = kube.table(PODS, namespace, labels=",".join(f"{key}={value}" for key, value in sorted(wanted.items())))
    return tuple(pod for pod in listed_in(table) if pod.node)


def _place(
    component: str, workload: Manifest, port_name: str, pods: tuple[Pod, ...], services: Sequence[Manifest]
) -> Place | None:
    port = next((port for port in _ports(workload) if port.get("name") == port_name), {})
    number = dig(port, "containerPort", default=0)
    if not number and component == "envoy in the agent":
        return None
    return Place(
        component=component,
        workload=name_of(workload),
        port=number,
        port_name=port_name,
        tls=False,
        pods=pods,
        labels=labels_of(dig(workload, "spec", "template", default={})),
        annotated=_annotated(workload, number, services),
    )


def _ports(workload: Manifest) -> Iterator[Manifest]:
    containers: list[Manifest] = dig(workload, "spec", "template", "spec", "containers", default=[])
    for container in containers:
        yield from dig(container, "ports", default=[])


def _annotated(workload: Manifest, port: int, services: Sequence[Manifest]) -> str:
    """What tells a Prometheus to scrape this port: the pods' annotation, or a service's."""
    template: Manifest = dig(workload, "spec", "template", default={})
    if _says(annotations_of(template), port):
        return "annotation of the pods"
    for service in services:
        ports: list[Manifest] = dig(service, "spec", "ports", default=[])
        if _says(annotations_of(service), port) and any(dig(one, "port", default=0) == port for one in ports):
            return f"annotation of service {name_of(service)}"
    return ""


def _says(annotations: Mapping[str, str], port: int) -> bool:
    return bool(port) and annotations.get(_SCRAPE) == "true" and annotations.get(_PORT) == str(port)


def ask(kube: Kube, namespace: str, places: Sequence[Place], nodes: Sequence[str] = ()) -> dict[str, list[Scraped]]:
    """What some pods of each part answer, by component; those on `nodes`, or all of them, when told so.

    Raises:
        UsageError: no pod that serves metrics is on a node that was named.
    """
    targets = [
        Target(
            component=place.component,
            node=pod.node,
            namespace=namespace,
            pod=pod.name,
            port=place.port,
            tls=place.tls,
        )
        for place in places
        if place.port
        for pod in chosen(place.pods, nodes)
    ]
    check_nodes(nodes, [place.pods for place in places])
    answers: dict[str, list[Scraped]] = {place.component: [] for place in places}
    for scraped in Scraper(kube).all(targets):
        answers[scraped.target.component].append(scraped)
    return answers


def check_nodes(nodes: Sequence[str], pods: Sequence[Sequence[Pod]]) -> None:
    """Refuse a node that was named and has none of the pods. Raises `UsageError`."""
    on = {pod.node for some in pods for pod in some}
    for name in nodes:
        if name != ALL and name not in on:
            raise UsageError(
                f"no pod that serves metrics runs on a node `{name}`", hint=f"there are some on {_some(on)}"
            )


def _some(names: set[str]) -> str:
    shown = sorted(names)[:10]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "") or "none"


def chosen(pods: Sequence[Pod], nodes: Sequence[str], most: int = PODS_ASKED) -> tuple[Pod, ...]:
    """The pods to ask: on the nodes that are named, all for `all`, else some, those that are not ready first."""
    if ALL in nodes:
        return tuple(pods)
    if nodes:
        return tuple(pod for pod in pods if pod.node in nodes)
    return tuple(sorted(pods, key=lambda pod: (pod.ready, pod.node, pod.name))[:most])


def judge(place: Place, answers: Sequence[Scraped], told: Sequence[str]) -> TargetState:
    """How a part's metrics are, from what its pods answered."""
    good = [one.exposition for one in answers if one.exposition is not None]
    ages = [age for one in good if (age := _age(one)) is not None]
    reasons = [one.error.message for one in answers if one.error is not None]
    return TargetState(
        component=place.component,
        state=_state(place, len(answers), len(good)),
        port=place.port,
        pods=len(place.pods),
        asked=len(answers),
        answered=len(good),
        series=max((len(one.samples) for one in good), default=0),
        age=min(ages, default=None),
        told=tuple(told),
        ways=tuple(sorted({one.way for one in answers if one.error is None})),
        errors=tuple(dict.fromkeys(reasons)),
    )


def _state(place: Place, asked: int, answered: int) -> State:
    if not place.port:
        return "off"
    if not place.pods:
        return "no pods"
    if not asked:
        return "not asked"
    if answered == asked:
        return "answers"
    return "partly" if answered else "silent"


def _age(exposition: Exposition) -> float | None:
    """Seconds since the process began, by its own metric, whatever is in front of its name."""
    for sample in exposition.samples:
        if sample.name.endswith("process_start_time_seconds") and sample.value > 0:
            return max(0.0, time.time() - sample.value)
    return None
