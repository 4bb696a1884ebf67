from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import journal
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.removal import Restart, crds, objects, pods
from tests.world.cluster import POLICIES, FakeCluster, Fault


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)


def thing(kind: str, name: str, place: str = "kube-system", **more: Any) -> dict[str, Any]:
    group = "coordination.k8s.io/v1" if kind == "Lease" else "v1"
    labels = more.pop("labels", {})
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": place, "labels": labels}, **more}


def test_what_is_cilium_s_by_name_and_not_the_release_s_is_beside_it(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        thing("Lease", "cilium-operator-resource-lock"),
        thing("Lease", "kube-scheduler"),
        thing("Secret", "cilium-ipsec-keys"),
        thing("Secret", "hubble-server-certs"),
        thing("Secret", "hubble-relay-client-certs"),
        thing("Secret", "bootstrap-token"),
        thing("ConfigMap", "ciliumctl-notes", labels={"app.kubernetes.io/managed-by": "ciliumctl"}),
        thing("ConfigMap", journal.NAME, labels={"app.kubernetes.io/managed-by": "ciliumctl"}),
        thing("ConfigMap", "coredns"),
    )
    owned = [{"kind": "Secret", "metadata": {"name": "hubble-server-certs"}}]
    assert objects.beside(kube, "kube-system", owned) == (
        "ConfigMap/kube-system/ciliumctl-notes",
        "Lease/kube-system/cilium-operator-resource-lock",
        "Secret/kube-system/cilium-ipsec-keys",
        "Secret/kube-system/hubble-relay-client-certs",
    )
    objects.purge(kube, "kube-system")
    left = {item["metadata"]["name"] for plural in ("leases", "secrets", "configmaps") for item in cluster.all(plural)}
    # The journal goes by itself, once nothing failed.
    assert left == {"kube-scheduler", "bootstrap-token", "coredns", journal.NAME}


def test_who_may_not_list_secrets_still_sees_the_rest(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(thing("Lease", "cilium-operator-resource-lock"))
    cluster.faults.append(Fault(pattern="GET .*/secrets", status=403, message="no"))
    assert objects.beside(kube, "kube-system", ()) == ("Lease/kube-system/cilium-operator-resource-lock",)


def test_only_secrets_that_nobody_else_has_are_lost(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        thing("Secret", "mine", "cilium-secrets"),
        thing("Secret", "copy", "cilium-secrets", labels={"secretsync.cilium.io/owning-secret-name": "x"}),
        thing("Secret", "owned", "cilium-secrets"),
    )
    owned = [{"kind": "Secret", "metadata": {"name": "owned"}}]
    assert objects.lost_secrets(kube, ["cilium-secrets"], owned) == (("cilium-secrets/mine",), ())
    cluster.faults.append(Fault(pattern="GET .*/cilium-secrets/secrets", status=403, message="no"))
    assert objects.lost_secrets(kube, ["cilium-secrets"], owned) == ((), ("cilium-secrets",))


def test_peers_of_a_cluster_mesh_are_the_entries_beside_their_certificates(cluster: FakeCluster, kube: Kube) -> None:
    data = dict.fromkeys(("east", "east.etcd-client.crt", "west", "common-etcd-client.crt"), "e30=")
    cluster.add(thing("Secret", "cilium-clustermesh", data=data))
    assert objects.peers(kube, "kube-system") == ("east", "west")
    assert objects.peers(kube, "elsewhere") == ()


def test_policies_are_named(cluster: FakeCluster, kube: Kube) -> None:
    assert crds.policies(kube) == ()
    cluster.kinds += POLICIES
    metadata = {"name": "deny-all", "namespace": "shop"}
    cluster.add({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata})
    cluster.add(
        {"apiVersion": "cilium.io/v2", "kind": "CiliumClusterwideNetworkPolicy", "metadata": {"name": "everywhere"}}
    )
    assert crds.policies(kube) == (
        "ciliumclusterwidenetworkpolicies/everywhere",
        "ciliumnetworkpolicies/shop/deny-all",
    )


def owned_pod(name: str, kind: str, owner: str, place: str = "shop") -> dict[str, Any]:
    references = [{"kind": kind, "name": owner}] if kind else []
    return {"metadata": {"name": name, "namespace": place, "ownerReferences": references}}


def test_pods_are_restarted_by_what_made_them() -> None:
    found = pods.grouped(
        [
            owned_pod("web-5d9f8c7b6d-aaaaa", "ReplicaSet", "web-5d9f8c7b6d"),
            owned_pod("web-5d9f8c7b6d-bbbbb", "ReplicaSet", "web-5d9f8c7b6d"),
            owned_pod("db-0", "StatefulSet", "db"),
            owned_pod("alone", "", ""),
            owned_pod("import-xyz", "Job", "import"),
        ]
    )
    assert found[0] == Restart(
        workload="Deployment/shop/web", pods=2, command="kubectl rollout restart -n shop deployment/web"
    )
    assert [(one.workload, one.pods) for one in found[1:]] == [
        ("Job/shop/import", 1),
        ("Pod/shop/alone", 1),
        ("StatefulSet/shop/db", 1),
    ]
    assert found[2].command == "kubectl delete -n shop pod/alone"
