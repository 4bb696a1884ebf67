"""From what was written to what is there: pods, services and their backends, nodes, addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ciliumctl import naming
from ciliumctl.clients.kube import (
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
    Kube,
    Manifest,
    addresses_of,
    conditions_of,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.errors import UsageError
from ciliumctl.naming import Named
from ciliumctl.paths.facts import Backend, NodeFacts, PodFacts, ServiceFacts
from ciliumctl.paths.model import Place
from ciliumctl.paths.spelling import End
from ciliumctl.status.trouble import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An end: the place, with the pod or the service that it is."""

    place: Place
    pod: PodFacts | None = None
    service: ServiceFacts | None = None


def resolve(kube: Kube, end: End, *, asks: bool) -> Resolved:
    """What an end is. One to three requests; for an address that is no pod's, also a list of services and nodes.

    `asks` is for the source: a service or a workload is one of its pods then.

    Raises:
        NotFound: there is no such thing, or no pod of it. UsageError: it cannot be a source.
    """
    match end.kind:
        case "pod" | "workload":
            return _of_pod(end, naming.one_pod(kube, _named(end)))
        case "service" if asks:
            return _of_pod(end, naming.one_pod(kube, _named(end)))
        case "service":
            return _of_service(kube, end, naming.find(kube, _named(end)))
        case "node":
            return _of_node(end, naming.find(kube, _named(end)))
        case "address":
            return _of_address(kube, end, asks=asks)
        case "name":
            return _of_name(kube, end, asks=asks)
        case "world":
            return Resolved(place=Place(said=end.said, kind="outside", name="world"))


def _named(end: End) -> Named:
    if end.named is None:
        raise RuntimeError(f"{end.said} is nothing in the cluster")
    return end.named


def _of_pod(end: End, manifest: Manifest) -> Resolved:
    pod = facts_of(manifest)
    place = Place(
        said=end.said,
        kind="pod",
        name=pod.name,
        namespace=pod.namespace,
        node=pod.node,
        address=pod.addresses[0] if pod.addresses else "",
        host_network=pod.host_network,
    )
    return Resolved(place=place, pod=pod)


def facts_of(pod: Manifest) -> PodFacts:
    """What of a pod matters to a path."""
    containers: list[Manifest] = dig(pod, "spec", "containers", default=[])
    addresses: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    listed = [str(one["ip"]) for one in addresses if one.get("ip")]
    only = dig(pod, "status", "podIP", default="")
    ports = [port for container in containers for port in container.get("ports") or ()]
    return PodFacts(
        namespace=namespace_of(pod),
        name=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        addresses=tuple(listed or ([only] if only else [])),
        host_network=dig(pod, "spec", "hostNetwork", default=False),
        ready=dig(conditions_of(pod).get("Ready"), "status", default="") == "True",
        trouble=_trouble(pod),
        containers=tuple(str(one.get("name")) for one in containers),
        ports=tuple(
            (str(one.get("name", "")), str(one.get("protocol") or "TCP"), int(one.get("containerPort", 0)))
            for one in ports
        ),
    )


def _trouble(pod: Manifest) -> str:
    """Why a pod does not run; empty when it does, ready or not."""
    if dig(pod, "metadata", "deletionTimestamp", default=""):
        return "it is being deleted"
    phase = dig(pod, "status", "phase", default="")
    statuses: list[Manifest] = dig(pod, "status", "containerStatuses", default=[])
    runs = not statuses or any(dig(one, "state", "running") is not None for one in statuses)
    if phase == "Running" and runs and dig(pod, "status", "podIP", default=""):
        return ""
    if phase in {"Succeeded", "Failed"}:
        return f"it has ended ({phase})"
    said = explain(pod)
    return f"{said.reason}{f': {said.message}' if said.message else ''}"


def _of_node(end: End, manifest: Manifest) -> Resolved:
    node = node_facts(manifest)
    place = Place(said=end.said, kind="node", name=node.name, node=node.name, address=node.address, host_network=True)
    return Resolved(place=place)


def node_facts(node: Manifest) -> NodeFacts:
    """What of a node matters to a path."""
    condition = conditions_of(node).get("Ready", {})
    ready = condition.get("status") == "True"
    words = [str(condition.get(key)) for key in ("reason", "message") if condition.get(key)]
    return NodeFacts(
        name=name_of(node),
        ready=ready,
        trouble="" if ready else ": ".join(words) or "its kubelet never reported",
        address=next(iter(addresses_of(node)), ""),
    )


def _of_address(kube: Kube, end: End, *, asks: bool) -> Resolved:
    """Whose an address is. Pods with their node's network have the node's address, and are not it."""
    pods = [pod for pod in kube.objects(PODS, fields=f"status.podIP={end.name}") if not facts_of(pod).host_network]
    if pods:
        return _of_pod(end, pods[0])
    for node in kube.objects(NODES):
        listed: list[Manifest] = dig(node, "status", "addresses", default=[])
        if any(one.get("address") == end.name for one in listed):
            found = _of_node(end, node)
            return replace(found, place=replace(found.place, address=end.name))
    if not asks:
        for service in kube.objects(SERVICES):
            if end.name in _service_addresses(service):
                return _of_service(kube, end, service, address=end.name)
    return Resolved(place=Place(said=end.said, kind="outside", name=end.name, address=end.name))


def _service_addresses(service: Manifest) -> list[str]:
    spec: Manifest = dig(service, "spec", default={})
    given: list[Manifest] = dig(service, "status", "loadBalancer", "ingress", default=[])
    own: list[str] = dig(spec, "clusterIPs", default=[])
    return [
        *(own or [dig(spec, "clusterIP", default="")]),
        *dig(spec, "externalIPs", default=[]),
        *(str(one["ip"]) for one in given if one.get("ip")),
    ]


def _of_name(kube: Kube, end: End, *, asks: bool) -> Resolved:
    """A service by its name in DNS, or something outside."""
    name, dot, rest = end.name.partition(".")
    namespace, _dot, rest = rest.partition(".")
    if dot and (rest == "svc" or rest.startswith("svc.")):
        named = Named(word="svc", name=name, namespace=namespace)
        return resolve(kube, replace(end, kind="service", name=name, namespace=namespace, named=named), asks=asks)
    if asks:
        raise UsageError(
            f"`{end.said}` cannot be asked from", hint="a source is a pod, a workload, a service, a node or `world`"
        )
    return Resolved(place=Place(said=end.said, kind="outside", name=end.name))


def _of_service(kube: Kube, end: End, service: Manifest, *, address: str = "") -> Resolved:
    namespace, name = namespace_of(service), name_of(service)
    slices = list(kube.objects(ENDPOINT_SLICES, namespace, labels=f"kubernetes.io/service-name={name}"))
    facts = service_facts(service, slices, end)
    address = address or (facts.addresses[0] if facts.addresses else "")
    if address:
        # Behind an address there are those of its own family only.
        same = tuple(one for one in facts.backends if (":" in one.address) == (":" in address))
        facts = replace(facts, backends=same)
    place = Place(
        said=end.said,
        kind="service",
        name=name,
        namespace=namespace,
        address=address,
    )
    return Resolved(place=place, service=facts)


def service_facts(service: Manifest, slices: Sequence[Manifest], end: End) -> ServiceFacts:
    """A service at the port that is wanted: by number, by name, or its first one."""
    spec: Manifest = dig(service, "spec", default={})
    ports: list[Manifest] = dig(spec, "ports", default=[])
    port = next((one for one in ports if _is_wanted(one, end)), None)
    addresses = [one for one in _service_addresses(service) if one and one != "None"]
    return ServiceFacts(
        namespace=namespace_of(service),
        name=name_of(service),
        addresses=tuple(addresses),
        port=int(port["port"]) if port else 0,
        protocol=str((port or {}).get("protocol") or end.protocol or "TCP"),
        ports=tuple(f"{one['port']}/{one.get('protocol') or 'TCP'}" for one in ports),
        selector=dig(spec, "selector", default={}),
        backends=tuple(_backends(slices, str((port or {}).get("name") or ""))) if port else (),
        local_only=dig(spec, "internalTrafficPolicy", default="Cluster") == "Local",
        headless=dig(spec, "clusterIP", default="") == "None",
        external_name=dig(spec, "externalName", default=""),
    )


def _is_wanted(port: Manifest, end: End) -> bool:
    if end.protocol and (port.get("protocol") or "TCP") != end.protocol:
        return False
    return end.port in {"", str(port.get("port")), port.get("name")}


def _backends(slices: Sequence[Manifest], port_name: str) -> list[Backend]:
    found = []
    for one in slices:
        ports: list[Manifest] = dig(one, "ports", default=[])
        number = next((int(port.get("port") or 0) for port in ports if (port.get("name") or "") == port_name), 0)
        endpoints: list[Manifest] = dig(one, "endpoints", default=[])
        for endpoint in endpoints:
            addresses: list[str] = dig(endpoint, "addresses", default=[])
            pod = dig(endpoint, "targetRef", "kind", default="") == "Pod"
            found += [
                Backend(
                    address=address,
                    port=number,
                    ready=dig(endpoint, "conditions", "ready", default=True) and bool(number),
                    node=dig(endpoint, "nodeName", default=""),
                    namespace=namespace_of(one) if pod else "",
                    pod=dig(endpoint, "targetRef", "name", default="") if pod else "",
                )
                for address in addresses
            ]
    return found
