"""What can be seen of a cluster without asking anybody but its API server."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    Kube,
    Manifest,
    addresses_of,
    annotations_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import CiliumctlError
from ciliumctl.parallel import gather

#: Nodes that are looked at closely: what a cluster is shows on each of them.
SAMPLE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one node tells of its cluster."""

    name: str
    provider_id: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    kubelet: str
    os_image: str
    addresses: tuple[str, ...]
    pod_range: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen. A source that could not be read is in `failures` by its name, and what hangs on it unknown."""

    host: str
    kubernetes: str = ""
    node_count: int = 0
    nodes: tuple[NodeFacts, ...] = ()
    groups: frozenset[str] = frozenset()
    daemon_sets: frozenset[str] = frozenset()
    aws_node: bool = False
    kube_proxy_pods: int = 0
    kube_proxy_config: bool = False
    kubeadm: Mapping[str, Any] = field(default_factory=dict)
    cluster_info: str = ""
    endpoints: tuple[tuple[str, int], ...] = ()
    failures: Mapping[str, CiliumctlError] = field(default_factory=dict)


def look(kube: Kube) -> Facts:
    """Ask for everything at once: ten requests in parallel, whatever the size of the cluster."""
    parts: dict[str, Callable[[], Any]] = {
        "version": kube.version,
        "nodes": partial(_nodes, kube),
        "node count": lambda: len(kube.table(NODES).rows),
        "API groups": lambda: frozenset(kube.groups()),
        "DaemonSets": lambda: list(kube.objects(DAEMON_SETS)),
        "kube-proxy pods": partial(_proxy_pods, kube),
        "ConfigMap kube-proxy": lambda: kube.find(CONFIG_MAPS, "kube-proxy", "kube-system") is not None,
        "ConfigMap kubeadm-config": partial(_kubeadm, kube),
        "ConfigMap cluster-info": partial(_cluster_info, kube),
        "API endpoints": partial(_endpoints, kube),
    }
    results = dict(zip(parts, gather(list(parts.values())), strict=True))
    failures = {name: result for name, result in results.items() if isinstance(result, CiliumctlError)}
    for result in results.values():
        if isinstance(result, Exception) and not isinstance(result, CiliumctlError):
            raise result
    good: dict[str, Any] = {name: result for name, result in results.items() if name not in failures}
    if len(failures) == len(parts):
        raise failures["version"]
    sets: list[Manifest] = good.get("DaemonSets", [])
    return Facts(
        host=kube.host,
        kubernetes=str(good.get("version", "")).removeprefix("v"),
        node_count=good.get("node count", len(good.get("nodes", ()))),
        nodes=good.get("nodes", ()),
        groups=good.get("API groups", frozenset()),
        daemon_sets=frozenset(name_of(item) for item in sets if namespace_of(item) == "kube-system"),
        aws_node=any(name_of(item) == "aws-node" for item in sets),
        kube_proxy_pods=good.get("kube-proxy pods", 0),
        kube_proxy_config=good.get("ConfigMap kube-proxy", False),
        kubeadm=good.get("ConfigMap kubeadm-config", {}),
        cluster_info=good.get("ConfigMap cluster-info", ""),
        endpoints=good.get("API endpoints", ()),
        failures=failures,
    )


def _nodes(kube: Kube) -> tuple[NodeFacts, ...]:
    return tuple(
        NodeFacts(
            name=name_of(node),
            provider_id=dig(node, "spec", "providerID", default=""),
            labels=labels_of(node),
            annotations=annotations_of(node),
            kubelet=dig(node, "status", "nodeInfo", "kubeletVersion", default=""),
            os_image=dig(node, "status", "nodeInfo", "osImage", default=""),
            addresses=tuple(addresses_of(node)),
            pod_range=dig(node, "spec", "podCIDR", default=""),
        )
        for node in islice(kube.objects(NODES, limit=SAMPLE), SAMPLE)
    )


def _proxy_pods(kube: Kube) -> int:
    names = kube.table(PODS, "kube-system").column("name")
    return sum(1 for name in names if str(name).startswith("kube-proxy"))


def _kubeadm(kube: Kube) -> dict[str, Any]:
    found = kube.find(CONFIG_MAPS, "kubeadm-config", "kube-system")
    try:
        content = yaml_files.parse(dig(found, "data", "ClusterConfiguration", default=""))
    except yaml.YAMLError:
        content = None
    if found is None:
        return {}
    return content if isinstance(content, dict) else {"clusterName": ""}


def _cluster_info(kube: Kube) -> str:
    """The API server's address as kubeadm published it for joining nodes."""
    found = kube.find(CONFIG_MAPS, "cluster-info", "kube-public")
    try:
        content = yaml_files.parse(dig(found, "data", "kubeconfig", default=""))
    except yaml.YAMLError:
        return ""
    return str(dig(content, "clusters", 0, "cluster", "server", default=""))


def _endpoints(kube: Kube) -> tuple[tuple[str, int], ...]:
    """The addresses that stand behind the service `kubernetes`: nodes reach them by design."""
    found: list[tuple[str, int]] = []
    for item in kube.objects(ENDPOINT_SLICES, "default", labels="kubernetes.io/service-name=kubernetes"):
        port = dig(item, "ports", 0, "port", default=6443)
        endpoints: list[Manifest] = dig(item, "endpoints", default=[])
        for endpoint in endpoints:
            addresses: list[str] = dig(endpoint, "addresses", default=[])
            found += [(address, port) for address in addresses]
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Whether an address means the machine that uses it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
