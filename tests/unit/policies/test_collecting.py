"""What is read of a cluster, and how often it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import NotFound
from ciliumctl.policies import collecting, parties, verdict
from tests.world import objects
from tests.world.cluster import NETWORK_POLICIES, POLICIES, FakeCluster

_GROUPS = ("cilium.io", "v2", "ciliumcidrgroups", "CiliumCIDRGroup", False)


def pod(namespace: str, name: str, address: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main"}], **more},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


def policy(name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
        **more,
    }


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    cluster.kinds += [NETWORK_POLICIES, *POLICIES, _GROUPS]
    cluster.add(
        objects.namespace("shop"),
        objects.node("node-1", address="192.0.2.1"),
        pod("shop", "web", "10.0.0.1"),
        pod("shop", "client", "10.0.0.2"),
        pod("shop", "agent", "192.0.2.1", hostNetwork=True),
        policy("open", {"endpointSelector": {}, "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}]}]}),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cilium-config", "namespace": "kube-system"},
            "data": {"policy-audit-mode": "false", "enable-policy": "default"},
        },
    )
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_a_cluster_is_read_in_ten_requests(kube: Kube) -> None:
    before = kube.requests
    state = collecting.read(kube, "kube-system")
    assert kube.requests - before == 10
    web, client = state.pods["shop", "web"], state.pods["shop", "client"]
    assert verdict(state, client, web, port=80, direction="ingress").answer == "allowed"
    assert verdict(state, web, client, port=80, direction="ingress").answer == "denied"


def test_a_pod_with_its_nodes_network_is_its_node(kube: Kube) -> None:
    state = collecting.read(kube, "kube-system")
    agent = state.pods["shop", "agent"]
    assert (agent.kind, agent.node, agent.addresses) == ("node", "node-1", ("192.0.2.1",))
    assert parties.at(state, "10.0.0.1").name == "web"
    assert parties.at(state, "198.51.100.1").kind == "outside"


def test_named_pods_alone_are_asked_for(kube: Kube, cluster: FakeCluster) -> None:
    scope = collecting.Scope(pods=[("shop", "web")], nodes=False)
    assert list(collecting.read(kube, "kube-system", scope).pods) == [("shop", "web")]
    assert not any(seen.path.endswith(("/api/v1/pods", "/nodes")) for seen in cluster.seen)
    with pytest.raises(NotFound):
        collecting.read(kube, "kube-system", collecting.Scope(pods=[("shop", "nobody")]))


def test_what_cilium_refused_is_not_in_force(kube: Kube, cluster: FakeCluster) -> None:
    refused = {"conditions": [{"type": "Valid", "status": "False", "message": "bad port"}]}
    cluster.add(policy("broken", {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]}, status=refused))
    state = collecting.read(kube, "kube-system")
    assert {ref.name: why for ref, why in state.refused.items()} == {"broken": "bad port"}
    assert [spec.policy.name for spec in state.specs] == ["open"]


def test_services_are_read_only_where_a_policy_means_them(kube: Kube, cluster: FakeCluster) -> None:
    collecting.read(kube, "kube-system")
    assert not any(seen.path.endswith("/services") for seen in cluster.seen)
    cluster.add(
        policy("far", {"endpointSelector": {}, "egress": [{"toServices": [{"k8sService": {"serviceName": "db"}}]}]}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
            "endpoints": [{"addresses": ["198.51.100.9"]}],
        },
    )
    state = collecting.read(kube, "kube-system")
    far = parties.at(state, "198.51.100.9")
    assert verdict(state, state.pods["shop", "web"], far, port=80, direction="egress").answer == "allowed"


def test_kinds_that_are_not_evaluated_are_named(kube: Kube, cluster: FakeCluster) -> None:
    cluster.kinds.append(("policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", False))
    cluster.add(
        {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy", "metadata": {"name": "top"}}
    )
    state = collecting.read(kube, "kube-system")
    found = verdict(state, state.pods["shop", "client"], state.pods["shop", "web"], port=1, direction="ingress")
    assert found.limits == ("policies of kind AdminNetworkPolicy are not looked at",)


def test_a_cluster_without_cilium_has_kubernetes_policies_only(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.kinds.append(NETWORK_POLICIES)
    cluster.add(objects.namespace("shop"), pod("shop", "web", "10.0.0.1"))
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    assert collecting.read(kube, "kube-system").specs == ()
