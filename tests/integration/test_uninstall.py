from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from ciliumctl.clients.kube import CRDS, DAEMON_SETS, LEASES, NAMESPACES, NODES, PODS, SECRETS, Resource
from ciliumctl.errors import NotFound
from tests.integration.conftest import Cluster, chart, eventually

CHART = "1.15.6"
POLICIES = "ciliumnetworkpolicies.cilium.io"
LEASE = "cilium-operator-resource-lock"
KEYS = "cilium-ipsec-keys"


def crd() -> dict[str, object]:
    """What Cilium's operator makes in a real cluster; the simulated one runs nothing."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {
        "plural": "ciliumnetworkpolicies",
        "singular": "ciliumnetworkpolicy",
        "kind": "CiliumNetworkPolicy",
        "listKind": "CiliumNetworkPolicyList",
    }
    version = {"name": "v2", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": POLICIES},
        "spec": {"group": "cilium.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def test_nothing_to_remove_is_exit_0(lab: Cluster) -> None:
    ran = lab.run("uninstall", "--yes", "-o", "json")
    assert (ran.code, ran.json["data"]["steps"]) == (0, [])


def test_without_consent_nothing_is_removed(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    ran = lab.run("uninstall")
    assert ran.code == 3
    assert "add `--yes`" in ran.err
    assert "goes:  release cilium" in ran.err
    assert len(lab.releases()) == 1


def test_a_dry_run_shows_what_goes_and_what_stays(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    ran = lab.run("uninstall", "--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["removes"]["DaemonSet"] == 1
    assert ran.json["data"]["networked_pods"] == 0
    assert len(lab.releases()) == 1


def test_crds_and_policies_stay_unless_their_end_is_confirmed_by_name(lab: Cluster) -> None:
    kube = lab.kube
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    kube.create(CRDS, crd())
    ran = lab.run("uninstall", "--yes", "--purge-crds")
    assert ran.code == 3
    assert f"--confirm {lab.name}" in ran.err
    ran = lab.run("uninstall", "--yes")
    assert ran.code == 0, ran.err
    assert "left: Cilium's CRDs" in ran.out
    assert kube.find(CRDS, POLICIES) is not None

    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    ran = lab.run("uninstall", "--yes", "--purge-crds", "--confirm", lab.name)
    assert ran.code == 0, ran.err
    assert kube.find(CRDS, POLICIES) is None


def test_what_an_uninstallation_kept_can_be_removed_by_a_second_one(lab: Cluster) -> None:
    kube = lab.kube
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    kube.create(CRDS, crd())
    assert lab.run("uninstall", "--yes").code == 0
    ran = lab.run("uninstall", "--yes", "--purge-crds", "--confirm", lab.name)
    assert ran.code == 0, ran.err
    assert kube.find(CRDS, POLICIES) is None


def test_it_waits_until_the_pods_are_gone(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    assert lab.run("uninstall", "--yes").code == 0
    assert list(lab.kube.objects(PODS, "kube-system", labels="app.kubernetes.io/part-of=cilium")) == []


def test_a_step_that_fails_is_told_and_the_rest_goes_on(lab: Cluster) -> None:
    kube = lab.kube
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    held = crd()
    assert isinstance(held["metadata"], dict)
    held["metadata"]["finalizers"] = ["example.org/held"]
    kube.create(CRDS, held)
    try:
        arguments = ("uninstall", "--yes", "--purge-crds", "--confirm", lab.name, "--timeout", "25s", "-o", "json")
        ran = lab.run(*arguments)
        assert ran.code == 7, ran.err
        outcomes = {step["title"]: step["outcome"] for step in ran.json["data"]["steps"]}
        assert outcomes["Removing the Helm release"] == "done"
        assert outcomes["Deleting Cilium's CRDs and all their objects"] == "failed"
        assert lab.releases() == []
    finally:
        kube.patch(CRDS, POLICIES, {"metadata": {"finalizers": None}})


def mark(lab: Cluster) -> None:
    """What agents and operator of a real Cilium write on a node, and beside the release."""
    kube = lab.kube
    taints = [{"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NoSchedule"}]
    annotations = {"network.cilium.io/ipv4-cilium-host": "198.18.0.1", "example.org/mine": "stays"}
    kube.patch(NODES, "node-1", {"metadata": {"annotations": annotations}, "spec": {"taints": taints}})
    node = kube.get(NODES, "node-1")
    condition = {
        "type": "NetworkUnavailable",
        "status": "False",
        "reason": "CiliumIsUp",
        "message": "Cilium is running",
    }
    status = {"conditions": [*node["status"]["conditions"], condition]}
    kube.patch(NODES, "node-1", {"status": status}, subresource="status")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}}
    kube.create(LEASES, lease, "kube-system")
    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS}, "stringData": {"keys": "3 x"}}
    kube.create(SECRETS, keys, "kube-system")


def unmark(lab: Cluster) -> None:
    lab.kube.patch(NODES, "node-1", {"metadata": {"annotations": {"example.org/mine": None}}})
    lab.kube.delete(LEASES, LEASE, "kube-system")
    lab.kube.delete(SECRETS, KEYS, "kube-system")


@pytest.fixture
def marked(lab: Cluster) -> Iterator[Cluster]:
    """Cilium is installed, and has left its marks."""
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    try:
        mark(lab)
        yield lab
    finally:
        unmark(lab)


def is_marked(lab: Cluster) -> bool:
    node = lab.kube.get(NODES, "node-1")
    taints = [taint["key"] for taint in node["spec"].get("taints") or []]
    reasons = [condition.get("reason") for condition in node["status"]["conditions"]]
    cilium = [key for key in node["metadata"]["annotations"] if "cilium.io" in key]
    return bool(cilium) or "node.cilium.io/agent-not-ready" in taints or "CiliumIsUp" in reasons


def test_marks_on_nodes_go_and_what_is_beside_the_release_is_told(marked: Cluster) -> None:
    ran = marked.run("uninstall", "--yes")
    assert ran.code == 0, ran.err
    assert "marks on Node objects: annotations on 1, the taint of a missing agent on 1" in ran.err
    assert f"{LEASE}, {KEYS} (`--purge`)" in ran.out
    assert not is_marked(marked)
    node = marked.kube.get(NODES, "node-1")
    assert node["metadata"]["annotations"]["example.org/mine"] == "stays"
    assert marked.kube.find(LEASES, LEASE, "kube-system") is not None


def test_purge_deletes_what_is_beside_the_release(marked: Cluster) -> None:
    ran = marked.run("uninstall", "--yes", "--purge", "--confirm", marked.name)
    assert ran.code == 0, ran.err
    assert marked.kube.find(LEASES, LEASE, "kube-system") is None
    assert marked.kube.find(SECRETS, KEYS, "kube-system") is None


def test_a_run_that_was_killed_is_finished_by_the_next(marked: Cluster) -> None:
    running = marked.start("uninstall", "--yes")
    # Helm is done, or nearly; what comes after the release is not.
    eventually(lambda: not marked.releases())
    running.send_signal(signal.SIGKILL)
    running.wait()
    marked.kube.delete(LEASES, "ciliumctl", "kube-system")
    ran = marked.run("uninstall", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert not is_marked(marked)
    assert marked.releases() == []
    assert marked.run("uninstall", "--yes", "-o", "json").json["data"]["steps"] == []


def test_simulated_nodes_are_told_as_skipped_and_nobody_waits_for_them(marked: Cluster) -> None:
    ran = marked.run("uninstall", "--yes", "--clean-nodes", "--confirm", marked.name, "-o", "json")
    assert ran.code == 0, ran.err
    nodes = ran.json["data"]["nodes"]
    assert {(node["outcome"], node["reason"]) for node in nodes} == {("skipped", "simulated")}
    assert len(nodes) == 3
    assert list(marked.kube.objects(NAMESPACES, labels="ciliumctl.io/node-work")) == []


def test_the_selector_of_aws_node_is_taken_back(marked: Cluster) -> None:
    kube = marked.kube
    selector = {"io.cilium/aws-node-enabled": "true"}
    template = {
        "metadata": {"labels": {"k8s-app": "aws-node"}},
        "spec": {"nodeSelector": selector, "containers": [{"name": "main", "image": "example.org/aws-node:1"}]},
    }
    spec = {"selector": {"matchLabels": {"k8s-app": "aws-node"}}, "template": template}
    metadata = {"name": "aws-node", "namespace": "kube-system"}
    kube.create(
        DAEMON_SETS, {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}, "kube-system"
    )
    try:
        assert marked.run("uninstall", "--yes").code == 0
        found = kube.get(DAEMON_SETS, "aws-node", "kube-system")
        assert "nodeSelector" not in found["spec"]["template"]["spec"]
    finally:
        kube.delete(DAEMON_SETS, "aws-node", "kube-system")


def test_a_finalizer_that_holds_a_crd_is_named_and_not_taken_off(lab: Cluster) -> None:
    kube = lab.kube
    kube.create(CRDS, crd())
    policies = Resource("cilium.io", "v2", "ciliumnetworkpolicies")
    policy = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "held", "finalizers": ["example.org/audit"]},
    }

    def made() -> bool:
        try:
            kube.create(policies, policy, "default")
        except NotFound:
            return False
        return True

    eventually(made)
    try:
        ran = lab.run("uninstall", "--yes", "--purge-crds", "--confirm", lab.name, "--timeout", "25s")
        assert ran.code == 7, ran.err
        assert "held by `example.org/audit` on ciliumnetworkpolicies `held`" in ran.err
        assert kube.get(policies, "held", "default")["metadata"]["finalizers"] == ["example.org/audit"]
    finally:
        kube.patch(policies, "held", {"metadata": {"finalizers": None}}, "default")
        eventually(lambda: kube.find(CRDS, POLICIES) is None)
