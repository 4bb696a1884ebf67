"""A cluster with Flannel in charge, and Cilium beside it once a migration has begun: its kubelets and controllers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from ciliumctl.migration import state
from ciliumctl.migration.model import NewNetwork, OldNetwork
from tests.world import objects
from tests.world.cluster import MIGRATION as KINDS
from tests.world.cluster import FakeCluster, Object
from tests.world.execs import Answer, Call

FLANNEL = OldNetwork(
    origin="flannel",
    name="Flannel",
    backend="vxlan",
    ranges=("10.244.0.0/16",),
    source="ConfigMap `kube-flannel/kube-flannel-cfg`",
    port=8472,
    daemon_sets=("kube-flannel/kube-flannel-ds",),
    proved="on real nodes",
)
NEW = NewNetwork(ranges=("10.245.0.0/16",), block=24, port=8473, why=("so it is",))
_OWNER = {"ReplicaSet": "web-5d9f8c7b6d", "DaemonSet": "logs"}


def flannel(backend: str = "vxlan", **network: Any) -> list[Object]:
    """What Flannel's manifest makes, as far as it is looked at."""
    said = {"Network": "10.244.0.0/16", "Backend": {"Type": backend}, **network}
    return [
        objects.namespace("kube-flannel"),
        objects.daemon_set("kube-flannel-ds", place="kube-flannel", labels={}, image="ghcr.io/flannel-io/flannel:v0"),
        objects.config_map("kube-flannel-cfg", {"net-conf.json": json.dumps(said)}, "kube-flannel"),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flannel", "namespace": "kube-flannel"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "flannel"}},
        binding("kube-flannel"),
    ]


def binding(place: str) -> Object:
    """What gives an account in `place` Flannel's role."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "flannel"},
        "roleRef": {"kind": "ClusterRole", "name": "flannel"},
        "subjects": [{"kind": "ServiceAccount", "name": "flannel", "namespace": place}],
    }


def node(name: str, number: int, **more: Any) -> Object:
    """A node with the share that Kubernetes gave it."""
    made = objects.node(name, address=f"192.0.2.{number}", pod_range=f"10.244.{number}.0/24", **more)
    made["spec"]["podCIDRs"] = [f"10.244.{number}.0/24"]
    return made


def pod(name: str, on: str, address: str, *, owner: str = "ReplicaSet", place: str = "default", **spec: Any) -> Object:
    """A pod of the pod network."""
    made = objects.pod(name, place=place, on=on, address=address, host_network=False, labels={"app": "web"})
    made["metadata"]["uid"] = f"uid-of-{name}"
    if owner:
        made["metadata"]["ownerReferences"] = [{"kind": owner, "name": _OWNER[owner], "controller": True}]
    made["spec"] |= spec
    made["status"] |= {"podIPs": [{"ip": address}], "conditions": [{"type": "Ready", "status": "True"}]}
    return made


def budget(allowed: int) -> Object:
    """A PodDisruptionBudget of the pods `app: web`."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    }


def before(cluster: FakeCluster, backend: str = "vxlan") -> None:
    """Two workers and a control plane with Flannel; a web server and a log shipper on the first."""
    cluster.kinds += KINDS
    master = node("master", 1, labels={"node-role.kubernetes.io/control-plane": ""})
    cluster.add(*flannel(backend), master, node("one", 2), node("two", 3))
    cluster.add(pod("web", "one", "10.244.2.5"), pod("logs", "one", "10.244.2.6", owner="DaemonSet"))


def begun(cluster: FakeCluster) -> None:
    """The same with Cilium beside it, whose agents and the kubelets do what the label of a node says."""
    before(cluster)
    cilium = [item for item in objects.healthy_cilium() if item["kind"] not in {"Node", "Pod"}]
    cluster.add(*cilium, *(agent(name) for name in ("master", "one", "two")))
    cluster.add(record())

    def deleted(item: Object) -> None:
        name, place = item["metadata"]["name"], item["metadata"].get("namespace", "")
        if item["kind"] != "Pod" or not item["spec"].get("nodeName"):
            return
        on = item["spec"]["nodeName"]
        if name.startswith("cilium-"):
            cluster.add(agent(on, generation=name.count("x") + 1))
        elif (item["metadata"].get("ownerReferences") or [{}])[0].get("kind") == "DaemonSet":
            cluster.add(
                pod(
                    f"{name}x",
                    on,
                    f"{'10.245' if labelled(cluster, on) else '10.244'}.2.9",
                    owner="DaemonSet",
                    place=place,
                )
            )

    cluster.on_delete = deleted
    cluster.program = lambda call: _listing(cluster, call)


def record(ranges: tuple[str, ...] = NEW.ranges) -> Object:
    """What a migration that has begun keeps of itself."""
    began = state.begun(FLANNEL, replace(NEW, ranges=ranges), (4,), "somebody@here")
    return objects.config_map(state.NAME, {"state": json.dumps(asdict(began))})


def labelled(cluster: FakeCluster, node_name: str) -> bool:
    """Whether a node is Cilium's."""
    found = cluster.get("nodes", node_name)
    assert found is not None
    return state.LABEL in (found["metadata"].get("labels") or {})


def agent(node_name: str, *, generation: int = 0) -> Object:
    """The agent of a node."""
    return objects.pod(
        f"cilium-{node_name}{'x' * generation}", on=node_name, labels={**objects.PART_OF, "k8s-app": "cilium"}
    )


def _listing(cluster: FakeCluster, call: Call) -> Answer:
    """What `ls` shows of a node's CNI configurations, to its agent."""
    found = cluster.get("pods", call.pod, call.namespace)
    assert found is not None
    assert call.command[0] == "ls"
    mine = labelled(cluster, found["spec"]["nodeName"])
    return Answer(stdout="05-cilium.conflist\n10-flannel.conflist.cilium_bak\n" if mine else "10-flannel.conflist\n")
