"""Look at an installation: ten requests in parallel, tables instead of objects, nothing run in any pod.

At 5,000 nodes a table of all pods is 1.3 MB where the objects are 200 MB. Full objects are only read of pods in
trouble, by `trouble`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ciliumctl import release
from ciliumctl.agents import AGENT_LABEL
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import (
    CILIUM_ENDPOINTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    Kube,
    Manifest,
    Resource,
    Table,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.errors import CiliumctlError, Invalid, NotFound
from ciliumctl.parallel import gather, gather_all
from ciliumctl.status.facts import COMPONENTS, Node, Pod, Snapshot, Workload, component_of

PART_OF = "app.kubernetes.io/part-of=cilium"
_KINDS = {"DaemonSet": DAEMON_SETS, "Deployment": DEPLOYMENTS}


def collect(kube: Kube, *, namespace: str, release_name: str, storage: Resource, light: bool = False) -> Snapshot:
    """One look. `light` leaves out what does not change while a rollout is waited for.

    Raises the failure when the workloads themselves cannot be read; the other parts' failures are in the snapshot.
    """
    parts: dict[str, Callable[[], Any]] = {
        "workloads": partial(_workloads, kube, namespace),
        "pods": partial(_pods, kube, namespace),
        "nodes": partial(nodes_of, kube),
        "config": partial(_config, kube, namespace),
    }
    if not light:
        parts["release"] = partial(release.current, kube, release_name, namespace, storage)
        parts["endpoints"] = partial(_unmanaged, kube)
    results = dict(zip(parts, gather(list(parts.values())), strict=True))
    failures: dict[str, CiliumctlError] = {}
    for part, result in results.items():
        if isinstance(result, CiliumctlError):
            failures[part] = result
        elif isinstance(result, Exception):
            raise result
    for needed in ("workloads", "pods"):
        if needed in failures:
            raise failures[needed]
    good: dict[str, Any] = {part: result for part, result in results.items() if part not in failures}
    found: Release | None = good.get("release")
    networked, unmanaged = good.get("endpoints") or (None, ())
    return Snapshot(
        context=kube.context,
        namespace=namespace,
        workloads=good["workloads"],
        pods=good["pods"],
        nodes=good.get("nodes", ()),
        config=good.get("config", {}),
        revision=found,
        release=found,
        networked=networked,
        unmanaged=unmanaged,
        failures=failures,
    )


def elsewhere(kube: Kube, namespace: str) -> tuple[str, ...]:
    """Other namespaces that have a DaemonSet `cilium`. One request."""
    found = kube.objects(DAEMON_SETS, fields="metadata.name=cilium", metadata_only=True)
    return tuple(sorted({dig(item, "metadata", "namespace", default="") for item in found} - {namespace}))


def _ours(kube: Kube, namespace: str, resource: Resource) -> list[Manifest]:
    return list(kube.objects(resource, namespace, labels=PART_OF))


def _workloads(kube: Kube, namespace: str) -> dict[str, Workload]:
    sets, deployments = gather_all([partial(_ours, kube, namespace, resource) for resource in _KINDS.values()])
    by_name = {("DaemonSet", name_of(item)): item for item in sets}
    by_name |= {("Deployment", name_of(item)): item for item in deployments}
    for component in ("agent", "operator"):
        # Installations that were not made by a chart may lack the common label.
        kind, name = COMPONENTS[component]
        if (kind, name) not in by_name:
            found = kube.find(_KINDS[kind], name, namespace)
            if found is not None:
                by_name[(kind, name)] = found
    return {
        component: _with_old_images(kube, namespace, _workload(component, kind, by_name[(kind, name)]))
        for component, (kind, name) in COMPONENTS.items()
        if (kind, name) in by_name
    }


def _workload(component: str, kind: str, item: Manifest) -> Workload:
    status: Mapping[str, Any] = dig(item, "status", default={})
    if kind == "DaemonSet":
        desired = int(status.get("desiredNumberScheduled") or 0)
        ready = int(status.get("numberReady") or 0)
        updated = int(status.get("updatedNumberScheduled") or 0)
    else:
        desired = dig(item, "spec", "replicas", default=1)
        ready = int(status.get("readyReplicas") or 0)
        updated = int(status.get("updatedReplicas") or 0)
    images = _images(dig(item, "spec", "template", default={}))
    return Workload(
        component=component,
        kind=kind,
        name=name_of(item),
        uid=dig(item, "metadata", "uid", default=""),
        desired=desired,
        ready=ready,
        updated=updated,
        observed=dig(status, "observedGeneration", default=0) >= dig(item, "metadata", "generation", default=0),
        images={image: updated for image in images if updated},
        wanted_images=images,
        waits=dig(item, "spec", "updateStrategy", "type", default="") == "OnDelete",
    )


def _images(template: Manifest) -> tuple[str, ...]:
    containers: list[Manifest] = dig(template, "spec", "containers", default=[])
    return tuple(dig(container, "image", default="") for container in containers)


def _with_old_images(kube: Kube, namespace: str, workload: Workload) -> Workload:
    """Add the images of pods that an older template made; only asked while a rollout is under way."""
    if workload.updated >= workload.desired:
        return workload
    old = _old_daemon_images if workload.kind == "DaemonSet" else _old_deployment_images
    counts = Counter(dict(workload.images))
    counts.update(old(kube, namespace, workload))
    return replace(workload, images=dict(counts))


def _old_daemon_images(kube: Kube, namespace: str, workload: Workload) -> Counter[str]:
    counts: Counter[str] = Counter()
    mine = [
        item
        for item in kube.objects(CONTROLLER_REVISIONS, namespace)
        if dig(item, "metadata", "ownerReferences", 0, "uid", default="") == workload.uid
    ]
    for item in mine:
        images = _images(dig(item, "data", "spec", "template", default={}))
        marker = labels_of(item).get("controller-revision-hash", "")
        if images == workload.wanted_images or not marker:
            continue
        pods = kube.table(PODS, namespace, labels=f"controller-revision-hash={marker}")
        counts.update({image: len(pods.rows) for image in images if pods.rows})
    return counts


def _old_deployment_images(kube: Kube, namespace: str, workload: Workload) -> Counter[str]:
    counts: Counter[str] = Counter()
    for item in kube.objects(REPLICA_SETS, namespace, labels=PART_OF):
        images = _images(dig(item, "spec", "template", default={}))
        replicas = dig(item, "status", "replicas", default=0)
        mine = dig(item, "metadata", "ownerReferences", 0, "uid", default="") == workload.uid
        if mine and replicas and images != workload.wanted_images:
            counts.update(dict.fromkeys(images, replicas))
    return counts


def _pods(kube: Kube, namespace: str) -> dict[str, tuple[Pod, ...]]:
    found: dict[str, list[Pod]] = {}
    for pod in pods_of(kube.table(PODS, namespace, labels=PART_OF)):
        component = component_of(pod.name)
        if component:
            found.setdefault(component, []).append(pod)
    if "agent" not in found:
        for pod in pods_of(kube.table(PODS, namespace, labels=AGENT_LABEL)):
            found.setdefault("agent", []).append(pod)
    return {component: tuple(pods) for component, pods in found.items()}


def pods_of(table: Table) -> list[Pod]:
    """The pods of a table. The server's columns: name, ready, status, restarts, age, ip, node."""
    columns = [table.column(name) for name in ("name", "ready", "status", "restarts", "age", "ip", "node")]
    pods = []
    for name, ready, state, restarts, age, address, node in zip(*columns, strict=False):
        have, _slash, want = str(ready).partition("/")
        pods.append(
            Pod(
                name=str(name),
                ready=have == want != "0" and str(state) == "Running",
                state=str(state),
                restarts=int(str(restarts).split(maxsplit=1)[0]),
                age=str(age),
                address="" if address == "<none>" else str(address),
                node="" if node == "<none>" else str(node),
            )
        )
    return pods


def nodes_of(kube: Kube) -> tuple[Node, ...]:
    """The nodes, from one Table."""
    table = kube.table(NODES)
    columns = [
        table.column(name) for name in ("name", "status", "version", "kernel-version", "os-image", "internal-ip")
    ]
    return tuple(
        Node(name=str(name), state=str(state), kubelet=str(kubelet), kernel=str(kernel), os=str(os), address=str(ip))
        for name, state, kubelet, kernel, os, ip in zip(*columns, strict=False)
    )


def _config(kube: Kube, namespace: str) -> dict[str, str]:
    found = kube.find(CONFIG_MAPS, "cilium-config", namespace)
    return dig(found, "data", default={})


def _unmanaged(kube: Kube) -> tuple[int | None, tuple[str, ...]]:
    """How many running pods are on the pod network, and the names of those without a CiliumEndpoint.

    Endpoints and pods are matched by address: neither table has a column for the namespace.
    """
    try:
        endpoints = kube.table(CILIUM_ENDPOINTS)
    except NotFound:
        return None, ()
    running = "status.phase=Running"
    try:
        table = kube.table(PODS, fields=f"{running},spec.hostNetwork=false")
        pods = pods_of(table)
    except Invalid:
        # Before Kubernetes 1.28 hostNetwork cannot be selected by: such pods have their node's address.
        hosts = {node.address for node in nodes_of(kube)}
        pods = [pod for pod in pods_of(kube.table(PODS, fields=running)) if pod.address not in hosts]
    managed = {str(address) for name in ("ipv4", "ipv6") for address in endpoints.column(name) if address}
    networked = [pod for pod in pods if pod.address]
    return len(networked), tuple(pod.name for pod in networked if pod.address not in managed)
