from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl import owners
from ciliumctl.clients.kube import ConnectOptions, connect
from tests.world import objects
from tests.world.cluster import FakeCluster

MINE = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "kube-system"}


def owner(cluster: FakeCluster, folder: Path) -> owners.Owner | None:
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})
    return owners.of_cilium(kube, namespace="kube-system", release_name="cilium")


def test_argo_cd_is_known_by_who_wrote_the_fields_too(cluster: FakeCluster, tmp_path: Path) -> None:
    agent = objects.daemon_set(labels={"app.kubernetes.io/instance": "net"})
    agent["metadata"]["managedFields"] = [{"manager": "argocd-controller", "operation": "Apply"}]
    cluster.add(agent)
    found = owner(cluster, tmp_path)
    assert found is not None
    assert found.tool == "Argo CD's application `net`"


def test_without_cilium_nobody_owns_it(cluster: FakeCluster, tmp_path: Path) -> None:
    assert owner(cluster, tmp_path) is None


def test_our_own_release_is_no_other_owner(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set(annotations=MINE))
    assert owner(cluster, tmp_path) is None


@pytest.mark.parametrize(
    ("marks", "tool", "hint"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "net"}}, "Argo CD's application `net`", "argocd app get net"),
        (
            {"annotations": {**MINE, "argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"}},
            "Argo CD's application `net`",
            "change it in git",
        ),
        (
            {
                "annotations": MINE,
                "labels": {"helm.toolkit.fluxcd.io/name": "cilium", "helm.toolkit.fluxcd.io/namespace": "flux-system"},
            },
            "Flux's helmrelease `flux-system/cilium`",
            "flux get helmreleases cilium -n flux-system",
        ),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "infra", "kustomize.toolkit.fluxcd.io/namespace": "f"}},
            "Flux's kustomization `f/infra`",
            "flux get kustomizations infra -n f",
        ),
        (
            {"annotations": {**MINE, "meta.helm.sh/release-name": "rke2-cilium"}},
            "RKE2",
            "HelmChartConfig `rke2-cilium`",
        ),
        (
            {"annotations": {**MINE, "meta.helm.sh/release-name": "net"}},
            "the Helm release `net` in namespace `kube-system`",
            "--helm-release-name net",
        ),
        ({"labels": {"kubernetes.azure.com/managedby": "aks"}}, "AKS (Azure CNI powered by Cilium)", "none"),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "the cloud's add-on manager", "switch"),
        ({"labels": {"olm.owner": "cilium-operator"}}, "the operator behind cilium-operator", "ciliumconfig"),
        (
            {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "`kubectl apply`",
            "change the manifest",
        ),
        ({}, "something other than Helm", "--show-managed-fields"),
    ],
)
def test_each_tool_is_known_by_the_marks_it_leaves(
    cluster: FakeCluster, tmp_path: Path, marks: dict[str, Any], tool: str, hint: str
) -> None:
    cluster.add(objects.daemon_set(**marks))
    found = owner(cluster, tmp_path)
    assert found is not None
    assert found.tool == tool
    assert hint in found.hint
    assert found.evidence


def test_cilium_in_another_namespace_is_seen_too(cluster: FakeCluster, tmp_path: Path) -> None:
    elsewhere = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "cilium"}
    cluster.add(objects.daemon_set(place="cilium", annotations=elsewhere))
    found = owner(cluster, tmp_path)
    assert found is not None
    assert "add `-n cilium`" in found.hint.replace(" --helm-release-name cilium", "`").replace("``", "`")
