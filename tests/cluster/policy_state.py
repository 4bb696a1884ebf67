"""What policies are about: pods, namespaces and nodes, read from a cluster's objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from ciliumctl.clients.kube import Manifest, dig, labels_of, name_of, namespace_of

NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
POLICIES = ("NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod with a network of its own. `identity` are its labels as Cilium extends them."""

    namespace: str
    name: str
    node: str
    addresses: tuple[str, ...]
    labels: Mapping[str, str]
    identity: Mapping[str, str]
    ports: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that decides what a node lets through."""

    pods: tuple[Pod, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]]
    nodes: Mapping[str, tuple[str, ...]]
    policies: tuple[Manifest, ...] = ()
    api_servers: tuple[str, ...] = ()


Json = Mapping[str, Any]


def from_objects(objects: Iterable[Manifest]) -> State:
    """The state that a cluster's objects describe; other kinds are passed over."""
    by_kind: dict[str, list[Manifest]] = {}
    for manifest in objects:
        by_kind.setdefault(str(manifest.get("kind")), []).append(manifest)
    namespaces = {name_of(one): labels_of(one) for one in by_kind.get("Namespace", [])}
    slices = by_kind.get("EndpointSlice", [])
    return State(
        pods=tuple(_pod(one, namespaces) for one in by_kind.get("Pod", []) if _has_a_network(one)),
        namespaces=namespaces,
        nodes={name_of(one): _node_addresses(one) for one in by_kind.get("Node", []) if not _left_alone(one)},
        policies=tuple(one for kind in POLICIES for one in by_kind.get(kind, [])),
        api_servers=tuple(address for one in slices if _is_api_server(one) for address in _endpoints(one)),
    )


def _is_api_server(endpoints: Manifest) -> bool:
    service = labels_of(endpoints).get("kubernetes.io/service-name")
    return (namespace_of(endpoints), service) == ("default", "kubernetes")


def _endpoints(endpoints: Manifest) -> list[str]:
    entries: list[Json] = dig(endpoints, "endpoints", default=[])
    return [address for entry in entries for address in entry["addresses"]]


def _has_a_network(pod: Manifest) -> bool:
    over = dig(pod, "status", "phase") in {"Succeeded", "Failed"}
    return not over and not dig(pod, "spec", "hostNetwork", default=False)


def _pod(pod: Manifest, namespaces: Mapping[str, Mapping[str, str]]) -> Pod:
    namespace, labels = namespace_of(pod), labels_of(pod)
    containers: list[Json] = dig(pod, "spec", "containers", default=[])
    given: list[Json] = dig(pod, "status", "podIPs", default=[])
    return Pod(
        namespace=namespace,
        name=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        addresses=tuple(entry["ip"] for entry in given),
        labels=labels,
        identity={
            **labels,
            NAMESPACE_LABEL: namespace,
            "io.cilium.k8s.policy.serviceaccount": dig(pod, "spec", "serviceAccountName", default=""),
            **{f"{NAMESPACE_LABELS}{key}": value for key, value in namespaces.get(namespace, {}).items()},
        },
        ports={port["name"]: _port(port) for one in containers for port in one.get("ports") or () if "name" in port},
    )


def _port(port: Json) -> tuple[str, int]:
    return port.get("protocol", "TCP"), port["containerPort"]


def _left_alone(node: Manifest) -> bool:
    """Whether Cilium does not run on a node: to its policies such a node is the world."""
    return labels_of(node).get("cilium.io/no-schedule") == "true"


def _node_addresses(node: Manifest) -> tuple[str, ...]:
    """Its own, and those of its end of the pods' cables: the first of each pod range."""
    entries: list[Json] = dig(node, "status", "addresses", default=[])
    own = [entry["address"] for entry in entries if entry["type"] == "InternalIP"]
    ranges: list[str] = dig(node, "spec", "podCIDRs", default=[])
    return (*own, *(str(ip_network(text).network_address + 1) for text in ranges))
