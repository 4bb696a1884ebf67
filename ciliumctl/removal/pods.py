"""Pods of the pod network: they lose it, and keep what they had until they are started anew."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, PODS, Kube, Manifest, dig, name_of, namespace_of
from ciliumctl.errors import Invalid
from ciliumctl.removal.model import Restart
from ciliumctl.status.collect import PART_OF, nodes_of, pods_of

_HASH = re.compile(r"-[a-z0-9]{8,10}$")
_ROLLED = {"Deployment", "StatefulSet", "DaemonSet"}
_RUNNING = "status.phase=Running"


def networked(kube: Kube) -> int:
    """Running pods in the pod network, without those that go with the release."""
    others = PART_OF.replace("=", "!=")
    try:
        return len(kube.table(PODS, labels=others, fields=f"{_RUNNING},spec.hostNetwork=false").rows)
    except Invalid:
        # Before Kubernetes 1.28 hostNetwork cannot be selected by: such pods have their node's address.
        hosts = {node.address for node in nodes_of(kube)}
        return sum(pod.address not in hosts for pod in pods_of(kube.table(PODS, labels=others, fields=_RUNNING)))


def restarts(kube: Kube) -> tuple[Restart, ...]:
    """The workloads whose pods are to be started anew under the next CNI, by their owners; metadata alone is read."""
    others = PART_OF.replace("=", "!=")
    try:
        fields = f"{_RUNNING},spec.hostNetwork=false"
        return grouped(list(kube.objects(PODS, labels=others, fields=fields, metadata_only=True)))
    except Invalid:
        items = kube.objects(PODS, labels=others, fields=_RUNNING)
        return grouped([item for item in items if not dig(item, "spec", "hostNetwork", default=False)])


def grouped(pods: Sequence[Manifest]) -> tuple[Restart, ...]:
    """Pods by the workload that made them, in the order of their names."""
    counted = Counter((namespace_of(pod), *owner_of(pod)) for pod in pods)
    return tuple(_restart(place, kind, name, number) for (place, kind, name), number in sorted(counted.items()))


def owner_of(pod: Manifest) -> tuple[str, str]:
    """The kind and name of the workload that made a pod; its own where nothing did."""
    kind = dig(pod, "metadata", "ownerReferences", 0, "kind", default="")
    name = dig(pod, "metadata", "ownerReferences", 0, "name", default="")
    if kind == "ReplicaSet" and _HASH.search(name):
        return "Deployment", _HASH.sub("", name)
    return (kind, name) if kind and kind != "Node" else ("Pod", name_of(pod))


def _restart(namespace: str, kind: str, name: str, number: int) -> Restart:
    if kind in _ROLLED:
        command = f"kubectl rollout restart -n {namespace} {kind.lower()}/{name}"
    elif kind == "Pod":
        command = f"kubectl delete -n {namespace} pod/{name}"
    else:
        command = f"kubectl get pods -n {namespace}  # delete those of {kind} {name}; it makes new ones"
    return Restart(workload=f"{kind}/{namespace}/{name}", pods=number, command=command)


def without_kube_proxy(kube: Kube, namespace: str) -> bool:
    """Whether Cilium replaces kube-proxy, and there is none that would go on."""
    config = kube.find(CONFIG_MAPS, "cilium-config", namespace)
    replaced = dig(config, "data", "kube-proxy-replacement", default="") in {"true", "strict"}
    if not replaced:
        return False
    sets = kube.objects(DAEMON_SETS, "kube-system", metadata_only=True)
    return not any("kube-proxy" in name_of(item) for item in sets)
