"""Which addresses and ports of a cluster are in use, as far as its API server knows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from ciliumctl import yaml_files
from ciliumctl.clients.kube import CONFIG_MAPS, SERVICES, Kube, Manifest, Resource, dig
from ciliumctl.errors import NotFound
from ciliumctl.migration.model import OldNetwork
from ciliumctl.migration.ranges import Taken
from ciliumctl.migration.state import Node

#: Since Kubernetes 1.33 the ranges of services are objects.
_SERVICE_RANGES = Resource("networking.k8s.io", "v1", "servicecidrs", namespaced=False)
#: Docker's own bridge, on machines that have it.
_DOCKER = "172.17.0.0/16"


def taken(kube: Kube, old: OldNetwork, nodes: Sequence[Node]) -> Taken:
    """Pods, services, nodes and their links. Three requests at the most."""
    ranges = [(text, f"the pods of {old.name}") for text in old.ranges]
    ranges += [(text, "the services") for text in _services(kube)]
    ranges += [(text, f"`spec.podCIDRs` of node `{one.name}`") for one in nodes for text in one.pod_ranges]
    ranges += list(dict.fromkeys((text, "the network of the nodes") for one in nodes for text in _around(one)))
    ranges.append((_DOCKER, "Docker's own bridge"))
    return Taken(ranges=tuple(ranges), ports=((old.port, old.name), (4789, "VXLAN's own port"), (6081, "Geneve")))


def _services(kube: Kube) -> Iterator[str]:
    try:
        found = [text for item in kube.objects(_SERVICE_RANGES) for text in dig(item, "spec", "cidrs") or ()]
    except NotFound:
        found = []
    if found:
        yield from found
        return
    kubeadm = kube.find(CONFIG_MAPS, "kubeadm-config", "kube-system")
    said = yaml_files.parse(dig(kubeadm, "data", "ClusterConfiguration", default="")) if kubeadm else None
    listed = dig(said, "networking", "serviceSubnet", default="")
    if listed:
        yield from listed.split(",")
        return
    # The range is not known, but one of its first addresses is: kubeadm's is a /12, most others are smaller.
    service: Manifest = kube.find(SERVICES, "kubernetes", "default") or {}
    for address in dig(service, "spec", "clusterIPs") or ():
        prefix = 12 if ":" not in address else 108
        yield str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def _around(node: Node) -> Iterator[str]:
    for address in node.addresses:
        prefix = 24 if ":" not in address else 64
        yield str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
