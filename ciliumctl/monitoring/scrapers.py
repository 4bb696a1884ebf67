"""Who reads Cilium's metrics: objects of the Prometheus operator that lead to us, programs that follow annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.kube import NAMESPACES, PODS, Kube, Manifest, Resource, dig, labels_of, name_of, namespace_of
from ciliumctl.connectivity.selecting import matches
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.monitoring.parts import OPERATOR_GROUP, OPERATOR_VERSION, operator_there
from ciliumctl.monitoring.targets import Found, Place
from ciliumctl.parallel import gather

SERVICE_MONITORS = Resource(OPERATOR_GROUP, OPERATOR_VERSION, "servicemonitors")
POD_MONITORS = Resource(OPERATOR_GROUP, OPERATOR_VERSION, "podmonitors")
PROMETHEUSES = Resource(OPERATOR_GROUP, OPERATOR_VERSION, "prometheuses")
PROMETHEUS_AGENTS = Resource(OPERATOR_GROUP, "v1alpha1", "prometheusagents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A Prometheus of the operator. `monitors` are the names of our monitors that it takes."""

    name: str
    namespace: str
    monitors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A ServiceMonitor or PodMonitor that selects parts of Cilium. `taken_by` are the Prometheuses that select it."""

    kind: str
    name: str
    namespace: str
    components: tuple[str, ...]
    taken_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that may follow annotations, by its pods."""

    about: str
    namespace: str
    pods: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraping:
    """Who reads metrics here. `lacking` is what could not be looked at, with the reason."""

    operator: bool
    prometheuses: tuple[Prometheus, ...]
    monitors: tuple[Monitor, ...]
    programs: tuple[Program, ...]
    lacking: tuple[str, ...]

    def told(self, place: Place) -> tuple[str, ...]:
        """What sends a scraper to a part."""
        by = [f"{one.kind} {one.name}" for one in self.monitors if place.component in one.components]
        return (*by, place.annotated) if place.annotated else tuple(by)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Monitor:
    """A monitor as it is written, and the parts that it leads to."""

    kind: str
    manifest: Manifest
    components: tuple[str, ...]


def look(kube: Kube, namespace: str, found: Found) -> Scraping:
    """Look in all namespaces. Two requests without the operator, five more with it.

    What may not be read is told in `lacking`: nobody needs the rights for all of it.
    """
    operator = operator_there(kube)
    got, lacking = _read(kube, operator=operator)
    monitors = [
        _Monitor(kind=kind, manifest=one, components=components)
        for kind, plural in (("ServiceMonitor", "servicemonitors"), ("PodMonitor", "podmonitors"))
        for one in got.get(plural, ())
        if (components := _components(kind, one, namespace, found))
    ]
    spaces: Mapping[str, Mapping[str, str]] = got.get("namespaces", {})
    servers = [*got.get("prometheuses", ()), *got.get("prometheusagents", ())]
    taken = [(server, [one for one in monitors if _takes(server, one, spaces)]) for server in servers]
    return Scraping(
        operator=operator,
        prometheuses=tuple(
            Prometheus(
                name=name_of(server),
                namespace=namespace_of(server),
                monitors=tuple(name_of(one.manifest) for one in ours),
            )
            for server, ours in taken
        ),
        monitors=tuple(
            Monitor(
                kind=one.kind,
                name=name_of(one.manifest),
                namespace=namespace_of(one.manifest),
                components=one.components,
                taken_by=tuple(f"{namespace_of(server)}/{name_of(server)}" for server, ours in taken if one in ours),
            )
            for one in monitors
        ),
        programs=got.get("pods", ()),
        lacking=lacking,
    )


def _read(kube: Kube, *, operator: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What can be read, by what it is, and why the rest cannot."""
    known = templates.load("monitoring/scrapers.yaml")
    names = {program["name"]: program["about"] for program in known["programs"]}
    asked: dict[str, Any] = {"pods": partial(_programs, kube, known["label"], names)}
    if operator:
        for resource in (SERVICE_MONITORS, POD_MONITORS, PROMETHEUSES, PROMETHEUS_AGENTS):
            asked[resource.plural] = partial(_all, kube, resource)
        asked["namespaces"] = partial(_labels_of_namespaces, kube)
    got, lacking = {}, []
    for what, answer in zip(asked, gather(list(asked.values())), strict=True):
        if isinstance(answer, CiliumctlError):
            lacking.append(f"{what}: {answer.message}")
        elif isinstance(answer, Exception):
            raise answer
        else:
            got[what] = answer
    return got, tuple(lacking)


def _labels_of_namespaces(kube: Kube) -> dict[str, dict[str, str]]:
    return {name_of(one): labels_of(one) for one in kube.objects(NAMESPACES, metadata_only=True)}


def _all(kube: Kube, resource: Resource) -> list[Manifest]:
    """All objects of a kind that the operator at hand may not have."""
    try:
        return list(kube.objects(resource))
    except NotFound:
        return []


def _programs(kube: Kube, label: str, names: Mapping[str, str]) -> tuple[Program, ...]:
    """The known programs that run, by namespace. One request, by their label: a handful of pods."""
    counted: dict[tuple[str, str], list[bool]] = {}
    for pod in kube.objects(PODS, labels=f"{label} in ({', '.join(names)})"):
        key = (names[labels_of(pod)[label]], namespace_of(pod))
        statuses: list[Manifest] = dig(pod, "status", "containerStatuses", default=[])
        counted.setdefault(key, []).append(bool(statuses) and all(one.get("ready") for one in statuses))
    return tuple(
        Program(about=about, namespace=place, pods=len(ready), ready=sum(ready))
        for (about, place), ready in sorted(counted.items())
    )


def _components(kind: str, monitor: Manifest, namespace: str, found: Found) -> tuple[str, ...]:
    """The parts of Cilium that a monitor leads to: by its selector, its namespaces and its ports' names."""
    if not _reaches(monitor, namespace):
        return ()
    selector: Manifest = dig(monitor, "spec", "selector", default={})
    key = "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"
    endpoints: list[Manifest] = dig(monitor, "spec", key, default=[])
    if kind == "PodMonitor":
        return tuple(
            place.component
            for place in found.places
            if place.port
            and matches(selector, place.labels)
            and any(_names(endpoint, place.port_name, place.port) for endpoint in endpoints)
        )
    selected = [service for service in found.services if matches(selector, labels_of(service))]
    ports = {
        number
        for service in selected
        for name, number in _service_ports(service)
        if any(_names(endpoint, name, number) for endpoint in endpoints)
    }
    return tuple(place.component for place in found.places if place.port and place.port in ports)


def _service_ports(service: Manifest) -> list[tuple[str, int]]:
    ports: list[Manifest] = dig(service, "spec", "ports", default=[])
    return [(dig(port, "name", default=""), dig(port, "port", default=0)) for port in ports]


def _names(endpoint: Manifest, name: str, number: int) -> bool:
    """Whether a monitor's endpoint is the port of this name or number."""
    return name == endpoint.get("port") or number in {endpoint.get("targetPort"), endpoint.get("portNumber")}


def _reaches(monitor: Manifest, namespace: str) -> bool:
    """Whether a monitor looks into a namespace: its own, unless it says otherwise."""
    selector: Manifest = dig(monitor, "spec", "namespaceSelector", default={})
    listed: Sequence[str] = dig(selector, "matchNames", default=[])
    return selector.get("any") is True or namespace in (listed or [namespace_of(monitor)])


def _takes(server: Manifest, one: _Monitor, spaces: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a Prometheus takes a monitor.

    A selector that is not there takes nothing, an empty one everything; of namespaces one that is not there takes the
    Prometheus' own (prometheus-operator, `Documentation/api-reference/api.md`).
    """
    monitor = one.manifest
    prefix = "podMonitor" if one.kind == "PodMonitor" else "serviceMonitor"
    selector = dig(server, "spec", f"{prefix}Selector")
    if not isinstance(selector, Mapping) or not matches(selector, labels_of(monitor)):
        return False
    places = dig(server, "spec", f"{prefix}NamespaceSelector")
    if not isinstance(places, Mapping):
        return namespace_of(server) == namespace_of(monitor)
    return matches(places, spaces.get(namespace_of(monitor), {}))
