from __future__ import annotations

from ciliumctl.clients.kube import CRDS, PODS
from tests.integration.conftest import Cluster, chart

CHART = "1.15.6"
POLICIES = "ciliumnetworkpolicies.cilium.io"


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
        arguments = ("uninstall", "--yes", "--purge-crds", "--confirm", lab.name, "--timeout", "5s", "-o", "json")
        ran = lab.run(*arguments)
        assert ran.code == 7, ran.err
        outcomes = {step["title"]: step["outcome"] for step in ran.json["data"]["steps"]}
        assert outcomes["Removing the Helm release"] == "done"
        assert outcomes["Deleting Cilium's CRDs and all their objects"] == "failed"
        assert lab.releases() == []
    finally:
        kube.patch(CRDS, POLICIES, {"metadata": {"finalizers": None}})
