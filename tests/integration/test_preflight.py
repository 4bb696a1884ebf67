from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import CRDS, NAMESPACES, Kube, Resource, dig
from ciliumctl.flavour import Facts
from ciliumctl.preflight import parts
from tests.integration.conftest import Cluster, chart, eventually
from tests.world.run import Ran

CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False)
POLICIES = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", namespaced=False)
POLICY_BINDINGS = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", namespaced=False)


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for check in ran.json["data"]["checks"]}


@contextmanager
def made(kube: Kube, *objects: tuple[Resource, dict[str, Any]]) -> Iterator[None]:
    """Objects for the time of a test."""
    try:
        for resource, item in objects:
            kube.create(resource, item, dig(item, "metadata", "namespace", default=""))
        yield
    finally:
        for resource, item in reversed(objects):
            kube.delete(resource, item["metadata"]["name"], dig(item, "metadata", "namespace", default=""))


def objects_of(kube: Kube) -> set[str]:
    return {item["metadata"]["uid"] for one in (CLUSTER_ROLES, NAMESPACES, CRDS) for item in kube.objects(one)}


@pytest.mark.parametrize("version", ["1.15.6", "1.16.19", "1.18.12", "1.19.6", "1.20.0"])
def test_an_installation_of_each_chart_is_ready_and_checking_changes_nothing(lab: Cluster, version: str) -> None:
    before = objects_of(lab.kube)
    ran = lab.run("preflight", "--chart", str(chart(version)), "-o", "json")
    assert ran.code == 0, ran.out
    found = checks(ran)
    assert found["CIL-API-004"]["outcome"] == "passed"
    assert found["CIL-NET-002"]["evidence"] == ["services: 198.18.0.0/20, from ServiceCIDR objects"]
    assert objects_of(lab.kube) == before
    assert lab.releases() == []


def test_the_range_of_services_is_told_by_a_real_servers_refusal(lab: Cluster) -> None:
    found = parts._from_a_refusal(lab.kube)  # noqa: SLF001 - the way for servers before 1.33
    assert found is not None
    assert found.ranges == ("198.18.0.0/20",)
    assert parts.service_ranges(lab.kube, Facts(host="")).ranges == ("198.18.0.0/20",)


def test_an_upgrade_path_is_checked_against_the_release_that_is_there(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart("1.15.6"))).code == 0
    ran = lab.run("preflight", "-o", "json")
    assert (ran.code, ran.json["data"]["target"]) == (0, "1.15.6")
    found = checks(ran)
    assert found["CIL-REL-003"]["outcome"] == "passed"
    assert "2 certificates" in found["CIL-TLS-001"]["message"]
    ran = lab.run("preflight", "--chart", str(chart("1.16.19")), "-o", "json")
    assert ran.code == 0, ran.out
    assert checks(ran)["CIL-UPG-001"]["outcome"] == "passed"
    ran = lab.run("preflight", "--chart", str(chart("1.20.0")), "-o", "json")
    assert ran.code == 1
    assert [one["id"] for one in checks(ran).values() if one["outcome"] == "failed"] == ["CIL-UPG-001"]


def test_an_object_of_somebody_else_is_found_before_helm_stops_at_it(lab: Cluster) -> None:
    secrets = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cilium-secrets"}}
    with made(lab.kube, (NAMESPACES, secrets)):
        ran = lab.run("install", "--chart", str(chart("1.18.12")), "-o", "json")
        assert (ran.code, ran.json["error"]["code"]) == (3, "preflight")
        assert "CIL-REL-003" in ran.json["error"]["message"]
        assert lab.releases() == []
    eventually(lambda: lab.kube.find(NAMESPACES, "cilium-secrets") is None)


def test_what_admission_refuses_is_named_object_by_object(lab: Cluster) -> None:
    name = "no-cilium-config"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["configmaps"],
                    }
                ]
            },
            "validations": [{"expression": "object.metadata.name != 'cilium-config'", "message": "not this one"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    with made(lab.kube, (POLICIES, policy), (POLICY_BINDINGS, binding)):

        def refused() -> bool:
            ran = lab.run("preflight", "--chart", str(chart("1.15.6")), "--only", "CIL-API-004", "-o", "json")
            (check,) = checks(ran).values()
            return ran.code == 1 and "not this one" in check["findings"][0]["text"] and len(check["findings"]) == 1

        eventually(refused, seconds=60)


def test_a_namespace_that_refuses_privileged_pods_is_found_by_the_pods(lab: Cluster) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    strict = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": labels}}
    with made(lab.kube, (NAMESPACES, strict)):
        # The controller makes the account that pods run with.
        accounts = Resource("", "v1", "serviceaccounts")
        eventually(lambda: lab.kube.find(accounts, "default", "strict"))
        ran = lab.run("preflight", "-n", "strict", "--chart", str(chart("1.15.6")), "-o", "json")
        check = checks(ran)["CIL-API-004"]
        assert check["outcome"] == "failed"
        assert {finding["object"] for finding in check["findings"]} == {
            "DaemonSet/strict/cilium",
            "Deployment/strict/cilium-operator",
        }
        assert "PodSecurity" in check["findings"][0]["text"]
        assert "kubectl label ns strict" in check["hint"]
    eventually(lambda: lab.kube.find(NAMESPACES, "strict") is None)


def test_a_user_who_may_look_and_not_change_is_told_every_missing_right(lab: Cluster) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "only-look"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "only-look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "only-look"},
        "subjects": [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    with made(lab.kube, (CLUSTER_ROLES, role), (BINDINGS, binding)):

        def told() -> bool:
            ran = lab.run("preflight", "--as", "jane", "--chart", str(chart("1.15.6")), "-o", "json")
            if ran.code != 1:
                return False
            found = checks(ran)
            texts = [finding["text"] for finding in found["CIL-API-003"]["findings"]]
            assert "may not create `daemonsets.apps` in namespace `kube-system`" in texts
            assert not any("may not get" in text for text in texts)
            assert found["CIL-API-004"]["message"] == "(CIL-API-003 failed)"
            return True

        eventually(told, seconds=60)


def crd(plural: str, kind: str, *versions: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cilium.io", "labels": {"io.cilium.k8s.crd.schema.version": "1.29.6"}},
        "spec": {
            "group": "cilium.io",
            "scope": "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {"name": version, "served": True, "storage": number == 0, "schema": schema}
                for number, version in enumerate(versions)
            ],
        },
    }


def test_objects_of_a_kind_that_goes_and_versions_that_are_stored_are_found(lab: Cluster) -> None:
    peering = Resource("cilium.io", "v2alpha1", "ciliumbgppeeringpolicies", namespaced=False)
    policies = crd("ciliumbgppeeringpolicies", "CiliumBGPPeeringPolicy", "v2alpha1")
    configs = crd("ciliumnodeconfigs", "CiliumNodeConfig", "v2alpha1", "v2")
    with made(lab.kube, (CRDS, policies), (CRDS, configs)):
        one = {"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumBGPPeeringPolicy", "metadata": {"name": "rack-1"}}

        def create() -> bool:
            return lab.kube.find(peering, "rack-1") is not None or bool(_try(lab.kube, peering, one))

        eventually(create)
        ran = lab.run("preflight", "--chart", str(chart("1.20.0")), "--only", "crds", "-o", "json")
        assert ran.code == 1
        found = checks(ran)
        assert found["CIL-CRD-001"]["findings"][0]["object"] == "ciliumbgppeeringpolicies//rack-1"
        assert found["CIL-CRD-003"]["outcome"] == "failed"
        assert found["CIL-CRD-002"]["outcome"] == "passed"
        ran = lab.run("preflight", "--chart", str(chart("1.18.12")), "--only", "crds", "-o", "json")
        assert {check["outcome"] for check in checks(ran).values()} == {"passed"}
    names = [item["metadata"]["name"] for item in (policies, configs)]
    eventually(lambda: not any(lab.kube.find(CRDS, name) for name in names))


def _try(kube: Kube, resource: Resource, item: dict[str, Any]) -> object:
    from ciliumctl.errors import ClusterError

    try:
        return kube.create(resource, item)
    except ClusterError:
        return None


def test_both_helms_render_what_the_checks_judge(lab: Cluster, programs: dict[str, Path]) -> None:
    lab.helm = programs["helm4"]
    ran = lab.run("preflight", "--chart", str(chart("1.18.12")), "-o", "json")
    assert ran.code == 0, ran.out
    assert checks(ran)["CIL-VAL-001"]["outcome"] == "passed"
