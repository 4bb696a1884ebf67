"""Cilium with metrics in the API server of a test's process: workloads with ports, services, pods that serve."""

from __future__ import annotations

from typing import Any

from tests.world import objects
from tests.world.cluster import FakeCluster, Object

GROUP = "monitoring.coreos.com"
KINDS = (
    (GROUP, "v1", "servicemonitors", "ServiceMonitor", True),
    (GROUP, "v1", "podmonitors", "PodMonitor", True),
    (GROUP, "v1", "prometheuses", "Prometheus", True),
)
#: What a small stack is made of.
STACK_KINDS = (
    ("batch", "v1", "jobs", "Job", True),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", True),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True),
)
AGENT = {"k8s-app": "cilium"}
METRICS = 'cilium_version{version="1.20.0"} 1\nprocess_start_time_seconds 1\n'


def monitored(cluster: FakeCluster, *, annotated: bool = True) -> None:
    """Two agents and an operator with metrics, Hubble's off."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "9962"} if annotated else {}
    agents = objects.daemon_set()
    _pods(agents, AGENT, [{"name": "prometheus", "containerPort": 9962}], annotations)
    operator = objects.deployment("cilium-operator")
    label = {"name": "cilium-operator"}
    _pods(operator, label, [{"name": "prometheus", "containerPort": 9963}], {})
    cluster.add(
        agents,
        operator,
        objects.pod("cilium-aaaaa", on="one", labels=AGENT),
        objects.pod("cilium-bbbbb", on="two", labels=AGENT),
        objects.pod("cilium-operator-ccccc", on="one", labels=label),
        objects.config_map("cilium-config", objects.CILIUM_CONFIG),
        service("cilium-agent", AGENT, {"name": "metrics", "port": 9962}),
    )
    for pod, port in (("cilium-aaaaa", 9962), ("cilium-bbbbb", 9962), ("cilium-operator-ccccc", 9963)):
        cluster.served[pod, port] = METRICS


def _pods(workload: Object, labels: dict[str, str], ports: list[dict[str, Any]], annotations: dict[str, str]) -> None:
    spec = workload["spec"]
    spec["selector"] = {"matchLabels": labels}
    spec["template"]["metadata"] = {"labels": labels, "annotations": annotations}
    spec["template"]["spec"]["containers"][0]["ports"] = ports


def service(name: str, labels: dict[str, str], port: dict[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {"ports": [port]},
    }


def with_operator(
    cluster: FakeCluster, *, selector: dict[str, Any] | None = None, labels: dict[str, str] | None = None
) -> None:
    """The Prometheus operator with a ServiceMonitor of the agents, and a Prometheus with this selector."""
    cluster.kinds += KINDS
    cluster.add(
        objects.namespace("monitoring"),
        objects.namespace("kube-system"),
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ServiceMonitor",
            "metadata": {"name": "cilium-agent", "namespace": "kube-system", "labels": labels or {}},
            "spec": {
                "selector": {"matchLabels": AGENT},
                "namespaceSelector": {"matchNames": ["kube-system"]},
                "endpoints": [{"port": "metrics"}],
            },
        },
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Prometheus",
            "metadata": {"name": "k8s", "namespace": "monitoring"},
            "spec": {"serviceMonitorSelector": selector, "serviceMonitorNamespaceSelector": {}},
        },
    )
