from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import journal
from ciliumctl.clients.kube import SECRETS, ConnectOptions, connect
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.helm import StubHelm
from tests.world.nodework import nodes_answer
from tests.world.run import Ran

MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: cilium-secrets}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cilium, namespace: kube-system}
spec: {template: {spec: {containers: [{name: cilium-agent, image: "quay.io/cilium/cilium:v1.15.6"}]}}}
"""


@pytest.fixture
def uninstall(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> Any:
    """Cilium is on two nodes; helm says that it took it away."""
    cluster.add(*(item for item in objects.healthy_cilium() if item["kind"] != "Secret"))
    cluster.add(objects.release(manifest=MANIFEST), objects.namespace("cilium-secrets"))
    stub_helm.answer(stdout="v3.22.0")

    def call(*arguments: str) -> Ran:
        return command("uninstall", "--helm", str(stub_helm.path), *arguments)

    return call


def secret(name: str, place: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": place}}


def test_the_preview_tells_of_everything_that_stays(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.add(secret("cilium-ipsec-keys", "kube-system"))
    cluster.add(objects.node("marked", annotations={"io.cilium.network.x": "1"}))
    ran = uninstall("--dry-run")
    assert ran.code == 0, ran.err
    assert "marks on Node objects: annotations on 1" in ran.out
    assert "beside the release (unless `--purge`): Secret/kube-system/cilium-ipsec-keys" in ran.out
    assert "on every node: CNI configuration" in ran.out
    assert "namespace cilium-secrets with all that is in it" in ran.out


def test_the_preview_of_clean_nodes_names_nodes_and_image(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.add(objects.node("cloud", labels={"type": "virtual-kubelet"}))
    ran = uninstall("--dry-run", "--clean-nodes")
    assert "with `--clean-nodes`, on 2 nodes, by a pod of quay.io/cilium/cilium:v1.15.6" in ran.out
    assert "not on cloud: a virtual node" in ran.out
    assert not [seen for seen in cluster.seen if seen.method != "GET"]


@pytest.mark.parametrize("flag", ["--clean-nodes", "--purge", "--purge-crds"])
def test_what_cannot_be_undone_wants_the_contexts_name(uninstall: Any, cluster: FakeCluster, flag: str) -> None:
    ran = uninstall("--yes", flag)
    assert ran.code == 3
    assert "--confirm prod" in ran.err
    assert f"`{flag}`" in ran.err
    assert uninstall("--yes", flag, "--confirm", "other").code == 3
    assert not [seen for seen in cluster.seen if seen.method in {"DELETE", "PATCH"}]


def test_secrets_of_others_in_a_namespace_that_goes_are_a_refusal(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.add(secret("mine", "cilium-secrets"))
    ran = uninstall("--yes", "-o", "json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == "refused"
    assert "`cilium-secrets/mine`" in ran.err
    assert "kubectl get secrets -n cilium-secrets -o yaml" in ran.err


def test_a_cluster_mesh_is_a_refusal(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.add({**secret("cilium-clustermesh", "kube-system"), "data": {"east": "e30="}})
    ran = uninstall("--yes")
    assert ran.code == 3
    assert "Cluster Mesh with `east`" in ran.err


def test_nodes_are_cleaned_with_a_report_each_and_a_rest_is_exit_7(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(
        objects.node("one"), objects.node("two"), objects.node("three", annotations={"kwok.x-k8s.io/node": "fake"})
    )
    nodes_answer(
        cluster,
        {"one": {"removed": "link cilium_host\n/sys/fs/bpf/cilium", "left": ""}, "two": {"left": "link cilium_net"}},
    )
    arguments = ("uninstall", "--helm", str(stub_helm.path), "--yes", "--clean-nodes", "--confirm", "prod")
    ran = command(*arguments, "--node-image", "example.org/cilium:v1", "-o", "json")
    assert ran.code == 7, ran.err
    found = {node["node"]: node for node in ran.json["data"]["nodes"]}
    assert found["one"]["removed"] == ["link cilium_host", "/sys/fs/bpf/cilium"]
    assert found["two"]["left"] == ["link cilium_net"]
    assert (found["three"]["outcome"], found["three"]["reason"]) == ("skipped", "simulated")
    assert cluster.all("namespaces") == []

    nodes_answer(cluster, {"one": {}, "two": {"removed": "link cilium_net"}})
    ran = command(*arguments, "--node-image", "example.org/cilium:v1")
    assert ran.code == 0, ran.err
    assert "node two: clean, 1 things removed" in ran.out
    assert "node three: skipped" in ran.out
    assert "left: on every node" not in ran.out
    assert "keep their old network" not in ran.out


def test_without_an_image_nodes_are_not_touched(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.node("one"))
    ran = command("uninstall", "--yes", "--clean-nodes", "--confirm", "prod")
    assert ran.code == 8
    assert "--node-image" in ran.err


def test_marks_that_a_killed_run_left_are_work_for_the_next(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(objects.node("one", annotations={"network.cilium.io/x": "1"}))
    ran = command("uninstall", "--helm", str(stub_helm.path), "--yes")
    assert ran.code == 0, ran.err
    node = cluster.get("nodes", "one")
    assert node is not None
    assert node["metadata"]["annotations"] == {}
    assert "nothing to remove" in command("uninstall", "--yes").out


def test_the_selector_that_retired_aws_node_goes_whoever_set_it(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    retired = objects.daemon_set("aws-node", labels={})
    retired["spec"]["template"]["spec"]["nodeSelector"] = {"io.cilium/aws-node-enabled": "true"}
    cluster.add(retired)
    ran = command("uninstall", "--helm", str(stub_helm.path), "--yes")
    assert ran.code == 0, ran.err
    found = cluster.get("daemonsets", "aws-node", "kube-system")
    assert found is not None
    assert found["spec"]["template"]["spec"]["nodeSelector"] == {}


def test_an_image_without_anything_to_run_it_for_makes_no_sense(command: Command) -> None:
    ran = command("uninstall", "--yes", "--node-image", "example.org/tools:1")
    assert ran.code == 2
    assert "add `--clean-nodes`" in ran.err


def test_with_force_a_mesh_is_left_all_the_same(cluster: FakeCluster, uninstall: Any, stub_helm: StubHelm) -> None:
    cluster.add({**secret("cilium-clustermesh", "kube-system"), "data": {"east": "e30="}})
    ran = uninstall("--yes", "--force", "--timeout", "3s")
    # The stand-in for helm takes nothing away: only that it was asked matters here.
    assert ran.code == 7
    assert any("uninstall" in call.argv for call in stub_helm.calls)


def namespaced(kind: str, name: str, place: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": place}}


def test_a_namespace_of_others_is_not_deleted(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(objects.namespace("production"), namespaced("ConfigMap", "settings", "production"))
    arguments = ("uninstall", "--helm", str(stub_helm.path), "-n", "production", "--delete-namespace", "--yes")
    ran = command(*arguments)
    assert ran.code == 3
    assert "namespace production with all that is in it" in ran.err
    assert "not Cilium's: 1 ConfigMap" in ran.err
    assert "`ConfigMap/settings`" in ran.err
    forced = command(*arguments, "--force")
    assert forced.code == 3
    assert "--confirm prod" in forced.err
    assert cluster.get("namespaces", "production") is not None
    assert command(*arguments, "--force", "--confirm", "prod").code == 0
    assert cluster.get("namespaces", "production") is None


def journal_of(place: str) -> dict[str, Any]:
    found = namespaced("ConfigMap", journal.NAME, place)
    found["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "ciliumctl"}
    return found


def test_a_namespace_with_nothing_foreign_goes_with_a_yes_alone(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(
        objects.namespace("cilium"),
        namespaced("ConfigMap", "kube-root-ca.crt", "cilium"),
        journal_of("cilium"),
        namespaced("ServiceAccount", "default", "cilium"),
        namespaced("Secret", "cilium-ca", "cilium"),
        namespaced("Event", "pulled", "cilium"),
    )
    ran = command("uninstall", "--helm", str(stub_helm.path), "-n", "cilium", "--delete-namespace", "--yes")
    assert ran.code == 0, ran.err
    assert cluster.get("namespaces", "cilium") is None


def test_a_namespace_that_cannot_be_looked_into_is_not_deleted(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(objects.namespace("production"))
    cluster.faults.append(Fault(pattern="GET .*/production/services", status=403, message="no"))
    ran = command("uninstall", "--helm", str(stub_helm.path), "-n", "production", "--delete-namespace", "--yes")
    assert ran.code == 3
    assert "the Service objects in namespace `production`" in ran.err
    assert cluster.get("namespaces", "production") is not None


def crd(plural: str) -> dict[str, Any]:
    spec = {"group": "cilium.io", "names": {"plural": plural}, "versions": [{"name": "v2", "storage": True}]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cilium.io"},
        "spec": spec,
    }


def test_crds_of_others_in_ciliums_group_stay(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(crd("ciliumnodes"), crd("tracingpolicies"))
    arguments = ("uninstall", "--helm", str(stub_helm.path), "--yes", "--purge-crds", "--confirm", "prod")
    ran = command(*arguments)
    assert ran.code == 0, ran.err
    assert "left: not Cilium's: 1 CRDs, tracingpolicies.cilium.io" in ran.out
    assert cluster.get("customresourcedefinitions", "ciliumnodes.cilium.io") is None
    assert cluster.get("customresourcedefinitions", "tracingpolicies.cilium.io") is not None


def test_after_a_helm_that_failed_nothing_else_is_removed(
    cluster: FakeCluster, uninstall: Any, stub_helm: StubHelm
) -> None:
    cluster.add(crd("ciliumnodes"), objects.node("marked", annotations={"io.cilium.network.x": "1"}))
    stub_helm.answer(code=1, stderr="Error: the server is not amused", stdout="v3.22.0")
    started = time.monotonic()
    ran = uninstall("--yes", "--purge-crds", "--confirm", "prod", "--timeout", "60s", "-q")
    assert ran.code == 7, ran.err
    assert time.monotonic() - started < 20
    assert cluster.get("customresourcedefinitions", "ciliumnodes.cilium.io") is not None
    assert not [seen for seen in cluster.seen if seen.method == "PATCH" and "/nodes/" in seen.path]
    assert "failed: Removing the Helm release: " in ran.out
    assert "not amused" in ran.out
    assert "skipped: Deleting Cilium's CRDs and all their objects: the release is still there" in ran.out


def test_a_node_that_does_not_answer_does_not_eat_the_time(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    dead = objects.node("dead", annotations={"io.cilium.network.x": "1"})
    dead["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    stuck = objects.pod("cilium-aaaaa", on="dead")
    stuck["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.add(dead, stuck, crd("ciliumnodes"))
    started = time.monotonic()
    arguments = ("uninstall", "--helm", str(stub_helm.path), "--yes", "--purge-crds", "--confirm", "prod")
    ran = command(*arguments, "--timeout", "60s")
    assert ran.code == 7, ran.err
    assert time.monotonic() - started < 20
    assert "1 pods cannot end, because their nodes do not answer: `dead`" in ran.err
    assert cluster.get("customresourcedefinitions", "ciliumnodes.cilium.io") is not None


@pytest.mark.parametrize("flags", [(), ("--purge", "--purge-crds")])
def test_the_preview_says_of_what_is_asked_for_that_it_goes(
    cluster: FakeCluster, uninstall: Any, flags: tuple[str, ...]
) -> None:
    cluster.add(secret("cilium-ipsec-keys", "kube-system"), crd("ciliumnodes"))
    goes, _, stays = uninstall("--dry-run", *flags).out.partition("stays: ")
    word, place = ("by", goes) if flags else ("unless", stays)
    assert f"1 CRDs ({word} `--purge-crds`)" in place
    assert f"beside the release ({word} `--purge`): Secret/kube-system/cilium-ipsec-keys" in place
    assert ("CRDs" in goes, "CRDs" in stays) == (bool(flags), not flags)
    assert uninstall("--dry-run", *flags, "-o", "json").json["data"]["wanted"]["purge_crds"] is bool(flags)


def test_secrets_that_cannot_be_listed_are_not_taken_for_none(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.faults.append(Fault(pattern="GET .*/cilium-secrets/secrets", status=403, message="no"))
    ran = uninstall("--yes")
    assert ran.code == 3
    assert "what could be lost is not known: the Secret objects in namespace `cilium-secrets`" in ran.err


def test_objects_that_cannot_be_counted_are_not_taken_for_none(cluster: FakeCluster, uninstall: Any) -> None:
    cluster.add(crd("ciliumnodes"))
    cluster.faults.append(Fault(pattern="GET .*/ciliumnodes", status=403, message="no"))
    ran = uninstall("--yes", "--purge-crds", "--confirm", "prod")
    assert ran.code == 3
    assert "the objects of `ciliumnodes.cilium.io`" in ran.err


def test_the_folders_of_a_release_are_known_until_all_nodes_are_clean(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm, tmp_path: Path
) -> None:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(objects.node("one"))
    cluster.add(objects.release(manifest=MANIFEST, config={"cni": {"confPath": "/var/snap/cni"}}))
    nodes_answer(cluster, {"one": {"left": "link cilium_net"}})
    arguments = ("uninstall", "--helm", str(stub_helm.path), "--yes", "--clean-nodes", "--confirm", "prod")
    assert command(*arguments, "--timeout", "5s").code == 7
    # What the stand-in for helm did not take away.
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)
    for item in cluster.all("secrets"):
        kube.delete(SECRETS, item["metadata"]["name"], "kube-system")
    cluster.seen.clear()
    nodes_answer(cluster, {"one": {}})
    ran = command(*arguments)
    assert ran.code == 0, ran.err
    assert "looked for in /var/snap/cni, /opt/cni/bin, /var/run/cilium" in ran.err
    (made,) = [seen.body for seen in cluster.seen if seen.method == "POST" and seen.path.endswith("/daemonsets")]
    (worker,) = made["spec"]["template"]["spec"]["initContainers"]
    assert {"name": "CNI_CONF", "value": "/var/snap/cni"} in worker["env"]
    assert worker["image"] == "quay.io/cilium/cilium:v1.15.6"
    assert cluster.get("configmaps", "ciliumctl-nodes", "kube-system") is None
