"""What a cluster does with guests: pods that are made run at once, and PodSecurity refuses where it is told to."""

from __future__ import annotations

from tests.world.cluster import FakeCluster, Fault
from tests.world.objects import Object, namespace, node, pod


def shop(cluster: FakeCluster) -> None:
    """A node, a namespace, a pod in it, and pods that run once they are made."""
    cluster.add(
        namespace("kube-system"), namespace("shop"), node("one"), pod("web", place="shop", labels={"app": "web"})
    )
    cluster.on_create = start


def start(item: Object) -> None:
    """A pod is put on a node and runs."""
    if item["kind"] != "Pod":
        return
    item["spec"].setdefault("nodeName", "one")
    statuses = [{"name": one["name"], "state": {"running": {}}} for one in item["spec"]["containers"]]
    item["status"] = {"phase": "Running", "containerStatuses": statuses}


def refuses(cluster: FakeCluster, level: str = "restricted") -> None:
    """The namespace `shop` enforces a level, and what comes there is against it."""
    place = namespace("shop")
    place["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": level}
    cluster.add(place)
    said = f'pods "web" is forbidden: violates PodSecurity "{level}:latest": non-default capabilities'
    for request in ("PATCH .*/ephemeralcontainers", "POST .*/namespaces/shop/pods$"):
        cluster.faults.append(Fault(pattern=request, status=403, message=said))
