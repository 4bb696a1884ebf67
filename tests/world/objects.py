"""Objects as a cluster has them, short to write."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

Object = dict[str, Any]
VERSION = "1.15.6"
PART_OF = {"app.kubernetes.io/part-of": "cilium"}


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(
    name: str,
    *,
    ready: bool = True,
    kubelet: str = "v1.30.0",
    provider_id: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    os_image: str = "Debian GNU/Linux 12",
    address: str = "192.0.2.1",
    pod_range: str = "",
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"providerID": provider_id, "podCIDR": pod_range},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "addresses": [{"type": "InternalIP", "address": address}],
            "nodeInfo": {"kubeletVersion": kubelet, "osImage": os_image, "kernelVersion": "6.1.0"},
        },
    }


def daemon_set(
    name: str = "cilium",
    *,
    place: str = "kube-system",
    desired: int = 2,
    ready: int | None = None,
    image: str = f"quay.io/cilium/cilium:v{VERSION}",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Object:
    have = desired if ready is None else ready
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": name,
            "namespace": place,
            "generation": 1,
            "labels": PART_OF if labels is None else labels,
            "annotations": annotations or {},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
        "status": {
            "desiredNumberScheduled": desired,
            "numberReady": have,
            "updatedNumberScheduled": desired,
            "observedGeneration": 1,
        },
    }


def deployment(
    name: str,
    *,
    place: str = "kube-system",
    replicas: int = 1,
    ready: int | None = None,
    image: str = f"quay.io/cilium/operator-generic:v{VERSION}",
) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": place, "generation": 1, "labels": PART_OF},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
        "status": {
            "readyReplicas": replicas if ready is None else ready,
            "updatedReplicas": replicas,
            "observedGeneration": 1,
        },
    }


def pod(
    name: str,
    *,
    place: str = "kube-system",
    on: str = "one",
    ready: bool = True,
    waiting: str = "",
    message: str = "",
    restarts: int = 0,
    address: str = "192.0.2.1",
    host_network: bool = True,
    labels: dict[str, str] | None = None,
    last_end: dict[str, Any] | None = None,
    log: str = "",
) -> Object:
    state = {"waiting": {"reason": waiting, "message": message}} if waiting else {"running": {}}
    container: Object = {"name": "main", "ready": ready, "restartCount": restarts, "state": state}
    if last_end:
        container["lastState"] = {"terminated": last_end}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place, "labels": PART_OF if labels is None else labels},
        "spec": {"nodeName": on, "hostNetwork": host_network, "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "podIP": address, "containerStatuses": [container]},
        "x-log": log,
    }


def config_map(name: str, data: dict[str, str], place: str = "kube-system") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": place}, "data": data}


def event(
    uid: str, reason: str, message: str, *, place: str = "kube-system", when: str = "2026-01-01T00:00:00Z"
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{uid}-{reason}-{when}".lower(), "namespace": place},
        "involvedObject": {"uid": uid},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": when,
    }


def release(
    *,
    name: str = "cilium",
    place: str = "kube-system",
    revision: int = 1,
    status: str = "deployed",
    version: str = VERSION,
    config: dict[str, Any] | None = None,
    defaults: dict[str, Any] | None = None,
    description: str = "",
    manifest: str = "",
    templates: dict[str, str] | None = None,
    first: str = "",
    updated: str = "2026-01-01T00:00:00Z",
) -> Object:
    body = {
        "name": name,
        "namespace": place,
        "version": revision,
        "config": config or {},
        "manifest": manifest,
        "info": {
            "status": status,
            "first_deployed": first,
            "last_deployed": updated,
            "description": description,
        },
        "chart": {
            "metadata": {"apiVersion": "v2", "name": "cilium", "version": version, "appVersion": version},
            "values": defaults or {},
            "templates": [
                {"name": path, "data": base64.b64encode(text.encode()).decode()}
                for path, text in (templates or {}).items()
            ],
        },
    }
    packed = base64.b64encode(gzip.compress(json.dumps(body).encode()))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": place,
            "labels": {"owner": "helm", "name": name, "version": str(revision), "status": status},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


HELM_MARKS = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "kube-system"}
CILIUM_CONFIG = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.0.0.0/8",
    "cluster-pool-ipv4-mask-size": "24",
    "routing-mode": "tunnel",
    "tunnel-protocol": "vxlan",
    "kube-proxy-replacement": "false",
    "enable-hubble": "true",
    "enable-ipv4": "true",
    "cluster-name": "default",
    "cluster-id": "0",
}


def healthy_cilium(*, place: str = "kube-system") -> list[Object]:
    """Two nodes with Cilium 1.15.6 as its chart installs it."""
    marks = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": place}
    return [
        node("one"),
        node("two", address="192.0.2.2"),
        daemon_set(place=place, annotations=marks),
        deployment("cilium-operator", place=place),
        pod("cilium-aaaaa", place=place, on="one"),
        pod("cilium-bbbbb", place=place, on="two", address="192.0.2.2"),
        pod("cilium-operator-5d9f8c7b6d-ccccc", place=place, on="one"),
        config_map("cilium-config", CILIUM_CONFIG, place),
        release(place=place),
    ]
