from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl import owners
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import ForeignOwner
from ciliumctl.owners import INTENTIONS
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault

MINE = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "kube-system"}
TRACKED = {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"}
FLUX = {"helm.toolkit.fluxcd.io/name": "cilium", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
KUSTOMIZED = {"kustomize.toolkit.fluxcd.io/name": "infra", "kustomize.toolkit.fluxcd.io/namespace": "f"}
APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}


def client(cluster: FakeCluster, folder: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})


def owner(cluster: FakeCluster, folder: Path) -> owners.Owner | None:
    return owners.of_cilium(client(cluster, folder), namespace="kube-system", release_name="cilium")


def sure(cluster: FakeCluster, folder: Path) -> owners.Owner:
    found = owner(cluster, folder)
    assert found is not None
    return found


def agent(*managers: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """The agents' DaemonSet; of each manager its name, the operation and the year."""
    item = objects.daemon_set(**more)
    item["metadata"]["managedFields"] = [
        {"manager": name, "operation": operation, "time": f"{year}-01-01T00:00:00Z"}
        for name, operation, year in managers
    ]
    return item


def application(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "net", "namespace": "argocd"},
        "spec": {"project": "infra", **spec},
    }


def with_argo(cluster: FakeCluster) -> None:
    cluster.kinds.append(("argoproj.io", "v1alpha1", "applications", "Application", True))


def with_flux(cluster: FakeCluster, version: str = "v2") -> None:
    cluster.kinds.append(("helm.toolkit.fluxcd.io", version, "helmreleases", "HelmRelease", True))
    cluster.kinds.append(("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization", True))


def with_helm_charts(cluster: FakeCluster, *, annotations: dict[str, str] | None = None, **spec: Any) -> None:
    cluster.kinds.append(("helm.cattle.io", "v1", "helmcharts", "HelmChart", True))
    cluster.add(
        {
            "apiVersion": "helm.cattle.io/v1",
            "kind": "HelmChart",
            "metadata": {"name": "cilium", "namespace": "kube-system", "annotations": annotations or {}},
            "spec": spec,
        }
    )


def test_without_cilium_nobody_owns_it(cluster: FakeCluster, tmp_path: Path) -> None:
    assert owner(cluster, tmp_path) is None


def test_our_own_release_is_no_other_owner(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(agent(("helm", "Update", "2026"), ("kubectl-rollout", "Update", "2027"), annotations=MINE))
    assert owner(cluster, tmp_path) is None


@pytest.mark.parametrize(
    ("marks", "tool", "changed_with", "removed_with"),
    [
        (
            {"labels": {"argocd.argoproj.io/instance": "net"}},
            "Argo CD's application `net`",
            "argocd app sync net",
            "app delete net",
        ),
        ({"annotations": {**MINE, **TRACKED}}, "Argo CD's application `net`", "argocd app sync net", "app delete net"),
        (
            {"annotations": MINE, "labels": FLUX},
            "Flux's helmrelease `flux-system/cilium`",
            "flux reconcile helmrelease cilium -n flux-system --with-source",
            "flux delete helmrelease cilium -n flux-system",
        ),
        (
            {"labels": KUSTOMIZED},
            "Flux's kustomization `f/infra`",
            "flux reconcile kustomization infra -n f --with-source",
            "take it out of git",
        ),
        (
            {"annotations": {**MINE, "meta.helm.sh/release-name": "rke2-cilium"}},
            "RKE2",
            "kubectl edit helmchartconfig rke2-cilium -n kube-system",
            "cni: none",
        ),
        (
            {"annotations": {**MINE, "meta.helm.sh/release-name": "net"}},
            "the Helm release `net` in namespace `kube-system`",
            "--helm-release-name net",
            "--helm-release-name net",
        ),
        ({"labels": {"kubernetes.azure.com/managedby": "aks"}}, "AKS (Azure CNI powered by Cilium)", "az aks", "none"),
        (
            {"labels": {"addon.kops.k8s.io/name": "networking.cilium.io"}},
            "kOps",
            "kops update cluster --yes",
            "kOps changes no network",
        ),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "the cloud's add-on manager", "switch", "off"),
        ({"labels": {"app.kubernetes.io/managed-by": "pulumi"}}, "Pulumi", "pulumi up", "pulumi up"),
        (
            {"labels": {"olm.owner": "cilium.v1.15.6", "olm.owner.namespace": "cilium"}},
            "the operator behind `cilium.v1.15.6`",
            "kubectl edit ciliumconfig cilium -n cilium",
            "kubectl delete ciliumconfig cilium -n cilium",
        ),
        (
            {"annotations": APPLIED},
            "`kubectl apply`",
            "| kubectl apply --server-side -f -",
            "--no-export-namespace | kubectl delete --ignore-not-found -f -",
        ),
        (
            {"annotations": APPLIED, "labels": {"app.kubernetes.io/managed-by": "kustomize-v5.4.2"}},
            "Kustomize (`kubectl apply -k`)",
            "kubectl apply -k",
            "kubectl delete -k",
        ),
        ({}, "something other than Helm", "--show-managed-fields", "--show-managed-fields"),
    ],
)
def test_each_tool_is_known_by_the_marks_it_leaves_and_has_a_command_of_its_own(
    cluster: FakeCluster, tmp_path: Path, marks: dict[str, Any], tool: str, changed_with: str, removed_with: str
) -> None:
    cluster.add(objects.daemon_set(**marks))
    found = sure(cluster, tmp_path)
    assert found.tool == tool
    assert changed_with in found.hint_for("change values")
    assert removed_with in found.hint_for("uninstall")
    assert all(found.hint_for(intention) for intention in INTENTIONS)
    assert found.evidence


def test_what_deletes_a_manifest_leaves_the_namespace_alone(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(
        objects.daemon_set(place="cilium", annotations=APPLIED, image="quay.io/cilium/cilium:v1.16.2@sha256:0a")
    )
    hint = sure(cluster, tmp_path).hint_for("uninstall")
    assert "--export manifests -n cilium --version 1.16.2 -f VALUES --no-export-namespace | kubectl delete" in hint


@pytest.mark.parametrize(
    ("manager", "operation", "tool"),
    [
        ("eks", "Apply", "EKS (an add-on)"),
        ("talos", "Apply", "Talos (an inline or extra manifest)"),
        ("terraform-provider-helm_v2.17.0_x5", "Update", "Terraform"),
        ("pulumi-resource-kubernetes", "Update", "Pulumi"),
        ("kubectl-client-side-apply", "Update", "`kubectl apply`"),
        ("kubectl", "Apply", "`kubectl apply`"),
        ("argocd-controller", "Apply", "Argo CD's application `net`"),
    ],
)
def test_a_tool_is_known_by_who_wrote_the_fields_too(
    cluster: FakeCluster, tmp_path: Path, manager: str, operation: str, tool: str
) -> None:
    restarted = ("kubectl-rollout", "Update", "2027")
    cluster.add(agent((manager, operation, "2026"), restarted, labels={"app.kubernetes.io/instance": "net"}))
    assert sure(cluster, tmp_path).tool == tool


def test_a_release_that_terraform_made_with_our_names_is_still_terraforms(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(agent(("terraform-provider-helm_v3.0.2_x5", "Update", "2026"), annotations=MINE))
    found = sure(cluster, tmp_path)
    assert found.tool == "Terraform"
    assert "`version` of the `helm_release`" in found.hint_for("upgrade")


def test_one_that_helm_upgraded_since_is_terraforms_no_more(cluster: FakeCluster, tmp_path: Path) -> None:
    before, since = ("terraform-provider-helm_v3.0.2_x5", "Update", "2026"), ("helm", "Update", "2027")
    cluster.add(agent(before, since, annotations=MINE))
    assert owner(cluster, tmp_path) is None


def test_an_operators_release_is_the_operators_though_its_names_are_ours(cluster: FakeCluster, tmp_path: Path) -> None:
    item = objects.daemon_set(annotations=MINE)
    item["metadata"]["ownerReferences"] = [
        {"kind": "CiliumConfig", "name": "cilium", "apiVersion": "cilium.io/v1alpha1"}
    ]
    cluster.add(item)
    found = sure(cluster, tmp_path)
    assert found.tool == "the operator behind CiliumConfig `cilium`"
    assert "subscription" in found.hint_for("upgrade")


@pytest.mark.parametrize(("kind", "hint"), [("Network", "oc edit network"), ("Tigera", "kubectl edit tigera x")])
def test_any_other_owner_of_the_object_is_named(cluster: FakeCluster, tmp_path: Path, kind: str, hint: str) -> None:
    item = objects.daemon_set()
    item["metadata"]["ownerReferences"] = [{"kind": kind, "name": "x"}]
    cluster.add(item)
    assert hint in sure(cluster, tmp_path).hint_for("upgrade")


def test_gke_dataplane_v2_is_known_without_a_daemonset_of_our_name(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set("anetd", labels={"k8s-app": "cilium"}))
    found = sure(cluster, tmp_path)
    assert found.tool == "GKE Dataplane V2"
    assert "gcloud container clusters upgrade" in found.hint_for("upgrade")


def test_cilium_in_another_namespace_is_seen_too(cluster: FakeCluster, tmp_path: Path) -> None:
    elsewhere = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "cilium"}
    cluster.add(objects.daemon_set(place="cilium", annotations=elsewhere))
    assert "add `-n cilium --helm-release-name cilium`" in sure(cluster, tmp_path).hint_for("upgrade")


# Argo CD


def test_argo_cds_application_says_where_its_source_is(cluster: FakeCluster, tmp_path: Path) -> None:
    with_argo(cluster)
    source = {"repoURL": "https://git.example/net.git", "path": "cilium", "targetRevision": "main"}
    cluster.add(objects.daemon_set(annotations=TRACKED), application(source=source, syncPolicy={"automated": {}}))
    found = sure(cluster, tmp_path)
    assert "project `infra`: `https://git.example/net.git` path `cilium` at `main`" in found.evidence[1]
    assert "in git: `https://git.example/net.git` path `cilium` at `main`" in found.hint_for("change values")
    assert "--sync-policy none" in found.hint_for("rollback")


def test_an_application_of_a_chart_is_changed_in_the_application(cluster: FakeCluster, tmp_path: Path) -> None:
    with_argo(cluster)
    source = {"repoURL": "https://helm.cilium.io", "chart": "cilium", "targetRevision": "1.19.6"}
    cluster.add(objects.daemon_set(annotations=TRACKED), application(source=source))
    found = sure(cluster, tmp_path)
    assert "chart `cilium` 1.19.6 of `https://helm.cilium.io`" in found.evidence[1]
    assert "`argocd app set net --revision VERSION`" in found.hint_for("upgrade")
    assert "`argocd app set net --helm-set KEY=VALUE`" in found.hint_for("change values")
    assert found.hint_for("rollback") == "`argocd app history net`, then `argocd app rollback net ID`"


def test_an_application_with_two_sources_is_changed_where_its_values_are(cluster: FakeCluster, tmp_path: Path) -> None:
    with_argo(cluster)
    chart = {"repoURL": "https://helm.cilium.io", "chart": "cilium", "targetRevision": "1.19.6"}
    values = {"repoURL": "https://git.example/values.git", "ref": "values"}
    cluster.add(objects.daemon_set(annotations=TRACKED), application(sources=[chart, values]))
    found = sure(cluster, tmp_path)
    assert "`https://git.example/values.git` at `HEAD`" in found.hint_for("change values")
    assert "`argocd app set net --revision VERSION`" in found.hint_for("upgrade")


def test_an_application_of_an_applicationset_is_changed_there(cluster: FakeCluster, tmp_path: Path) -> None:
    with_argo(cluster)
    app = application(source={"repoURL": "https://git.example/net.git", "path": "cilium"})
    app["metadata"]["ownerReferences"] = [{"kind": "ApplicationSet", "name": "clusters"}]
    cluster.add(objects.daemon_set(annotations=TRACKED), app)
    found = sure(cluster, tmp_path)
    assert "written by ApplicationSet `argocd/clusters`" in found.evidence
    assert "ApplicationSet `argocd/clusters`" in found.hint_for("upgrade")
    assert "comes back" in found.hint_for("uninstall")


def test_an_application_in_a_namespace_of_its_own_is_found_there(cluster: FakeCluster, tmp_path: Path) -> None:
    with_argo(cluster)
    app = application(source={"repoURL": "https://git.example/net.git", "path": "cilium"})
    app["metadata"]["namespace"] = "team"
    tracked = {"argocd.argoproj.io/tracking-id": "team_net:apps/DaemonSet:kube-system/cilium"}
    cluster.add(objects.daemon_set(annotations=tracked), app)
    found = sure(cluster, tmp_path)
    assert found.tool == "Argo CD's application `team/net`"
    assert "Application `team/net`" in found.evidence[1]


def test_argo_cd_in_another_cluster_is_told(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set(annotations=TRACKED))
    assert "no Application of that name is visible here" in sure(cluster, tmp_path).evidence[1]


def test_an_application_that_may_not_be_read_hides_no_owner(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set(annotations=TRACKED))
    cluster.faults.append(Fault(pattern="applications", status=403, message="no"))
    found = sure(cluster, tmp_path)
    assert found.tool == "Argo CD's application `net`"
    assert "may not read" in found.evidence[1]


def test_a_tracking_mark_that_came_with_a_copied_object_is_no_owner(cluster: FakeCluster, tmp_path: Path) -> None:
    copied = {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:lab/cilium"}
    cluster.add(objects.daemon_set(annotations={**MINE, **copied}))
    assert owner(cluster, tmp_path) is None


# Flux


@pytest.mark.parametrize("version", ["v2", "v2beta2"])
def test_fluxs_helmrelease_says_its_chart_and_who_writes_it(cluster: FakeCluster, tmp_path: Path, version: str) -> None:
    with_flux(cluster, version)
    release = {
        "apiVersion": f"helm.toolkit.fluxcd.io/{version}",
        "kind": "HelmRelease",
        "metadata": {"name": "cilium", "namespace": "flux-system", "labels": KUSTOMIZED},
        "spec": {"chart": {"spec": {"chart": "cilium", "version": "1.19.x"}}, "suspend": True},
    }
    cluster.add(objects.daemon_set(annotations=MINE, labels=FLUX), release)
    found = sure(cluster, tmp_path)
    assert found.evidence[1:] == ("chart `cilium` 1.19.x", "it is suspended")
    assert "Kustomization `f/infra` writes it" in found.hint_for("upgrade")
    assert "`flux resume helmrelease cilium -n flux-system`" in found.hint_for("upgrade")
    assert "flux delete" not in found.hint_for("uninstall")


def test_fluxs_kustomization_says_its_path(cluster: FakeCluster, tmp_path: Path) -> None:
    with_flux(cluster)
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "infra", "namespace": "f"},
        "spec": {"path": "./infra", "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
    }
    cluster.add(objects.daemon_set(labels=KUSTOMIZED), kustomization)
    assert "under `./infra` of GitRepository `fleet`" in sure(cluster, tmp_path).hint_for("change values")


# k3s and RKE2


def test_a_helmchart_of_k3s_owns_the_release_it_made(cluster: FakeCluster, tmp_path: Path) -> None:
    with_helm_charts(cluster, chart="cilium")
    cluster.add(objects.daemon_set(annotations=MINE))
    found = sure(cluster, tmp_path)
    assert found.tool == "the HelmChart `cilium` of k3s or RKE2"
    assert "`kubectl edit helmchart cilium -n kube-system`" in found.hint_for("upgrade")
    assert "HelmChartConfig `cilium`" in found.hint_for("change values")
    assert found.hint_for("uninstall") == "`kubectl delete helmchart cilium -n kube-system`"


def test_a_helmchart_from_a_file_is_changed_in_the_file(cluster: FakeCluster, tmp_path: Path) -> None:
    with_helm_charts(cluster, annotations={"objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"})
    cluster.add(objects.daemon_set(annotations=MINE))
    found = sure(cluster, tmp_path)
    assert "server/manifests" in found.hint_for("change values")
    assert "remove its file" in found.hint_for("uninstall")


def test_a_helmchart_for_another_namespace_owns_nothing_here(cluster: FakeCluster, tmp_path: Path) -> None:
    with_helm_charts(cluster, targetNamespace="elsewhere")
    cluster.add(objects.daemon_set(annotations=MINE))
    assert owner(cluster, tmp_path) is None


# Refusing


@pytest.mark.parametrize(
    ("intention", "words"),
    [
        ("install", "is there already and belongs to Argo CD's application `net`"),
        ("upgrade", "it is upgraded there"),
        ("change values", "its values are changed there"),
        ("rollback", "it is rolled back there"),
        ("uninstall", "it is removed there"),
    ],
)
def test_a_refusal_says_what_is_done_where(
    cluster: FakeCluster, tmp_path: Path, intention: owners.Intention, words: str
) -> None:
    cluster.add(objects.daemon_set(annotations=TRACKED))
    kube = client(cluster, tmp_path)
    with pytest.raises(ForeignOwner, match=words) as refused:
        owners.refuse_foreign(kube, namespace="kube-system", release_name="cilium", intention=intention)
    assert refused.value.exit_code == 3
    assert "argocd app" in refused.value.hint


def test_what_is_ours_is_not_refused(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(objects.daemon_set(annotations=MINE))
    kube = client(cluster, tmp_path)
    owners.refuse_foreign(kube, namespace="kube-system", release_name="cilium", intention="upgrade")
