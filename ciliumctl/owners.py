"""Who manages the Cilium that is there: us, another Helm release, GitOps, a distribution, a cloud, or nobody known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ciliumctl.clients.kube import DAEMON_SETS, Kube, Manifest, Resource, annotations_of, dig, labels_of, namespace_of
from ciliumctl.parallel import together

_HELM_CHARTS = Resource("helm.cattle.io", "v1", "helmcharts")
_ARGO_LABEL = "argocd.argoproj.io/instance"
_ARGO_MANAGER = "argocd-controller"
_ARGO_ID = "argocd.argoproj.io/tracking-id"
_FLUX_HELM = "helm.toolkit.fluxcd.io"
_FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
_HELM_NAME, _HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What manages Cilium in our place, how we know, and the command to change it there."""

    tool: str
    evidence: tuple[str, ...]
    hint: str


def of_cilium(kube: Kube, *, namespace: str, release_name: str) -> Owner | None:
    """The owner of the Cilium that is there; `None` when there is none, or it is this very Helm release alone.

    Two requests in parallel. A Helm release that a GitOps tool or a distribution deployed is theirs.
    """
    found, chart = together(
        lambda: list(kube.objects(DAEMON_SETS, fields="metadata.name=cilium", metadata_only=True)),
        partial(_helm_chart, kube, release_name),
    )
    if not found:
        return None
    mine = next((agent for agent in found if namespace_of(agent) == namespace), found[0])
    return _owner(mine, chart, namespace, release_name)


def _helm_chart(kube: Kube, name: str) -> Manifest | None:
    return kube.find(_HELM_CHARTS, name, "kube-system")


def _owner(agent: Manifest, chart: Manifest | None, namespace: str, release_name: str) -> Owner | None:
    labels, annotations = labels_of(agent), annotations_of(agent)
    where = f"DaemonSet `{namespace_of(agent)}/cilium`"
    gitops = _gitops(agent, labels, annotations, where)
    if gitops is not None:
        return gitops
    name, place = annotations.get(_HELM_NAME, ""), annotations.get(_HELM_NAMESPACE, "")
    if name == "rke2-cilium":
        return Owner(
            tool="RKE2",
            evidence=(f"{where} is of the release `rke2-cilium`",),
            hint="change it with a HelmChartConfig `rke2-cilium` in kube-system, or set `cni: none` in RKE2",
        )
    if chart is not None:
        return Owner(
            tool=f"the HelmChart `{release_name}` of k3s or RKE2",
            evidence=(f"HelmChart `kube-system/{release_name}`",),
            hint=f"change it there: `kubectl edit -n kube-system helmchart {release_name}`",
        )
    if (name, place) == (release_name, namespace):
        return None
    if name:
        return Owner(
            tool=f"the Helm release `{name}` in namespace `{place}`",
            evidence=(f"annotations of {where}",),
            hint=f"add `-n {place} --helm-release-name {name}`: a cluster can hold one Cilium",
        )
    return _without_helm(agent, labels, annotations, where)


def _gitops(agent: Manifest, labels: dict[str, str], annotations: dict[str, str], where: str) -> Owner | None:
    app = labels.get(_ARGO_LABEL) or annotations.get(_ARGO_ID, "").split(":", 1)[0]
    fields: list[Manifest] = dig(agent, "metadata", "managedFields", default=[])
    if not app and any(entry.get("manager") == _ARGO_MANAGER for entry in fields):
        # Argo CD before 3.0 marks what it applies with a label that Helm's charts use too.
        app = labels.get("app.kubernetes.io/instance", "of an unknown name")
    if app:
        return Owner(
            tool=f"Argo CD's application `{app}`",
            evidence=(f"Argo CD's marks on {where}",),
            hint=f"change it in git, or see `argocd app get {app}`",
        )
    for group, kind in ((_FLUX_HELM, "helmrelease"), (_FLUX_KUSTOMIZE, "kustomization")):
        name, place = labels.get(f"{group}/name", ""), labels.get(f"{group}/namespace", "")
        if name:
            return Owner(
                tool=f"Flux's {kind} `{place}/{name}`",
                evidence=(f"label `{group}/name` on {where}",),
                hint=f"change it in git, or see `flux get {kind}s {name} -n {place}`",
            )
    return None


def _without_helm(agent: Manifest, labels: dict[str, str], annotations: dict[str, str], where: str) -> Owner:
    if "kubernetes.azure.com/managedby" in labels:
        return Owner(
            tool="AKS (Azure CNI powered by Cilium)",
            evidence=(f"label `kubernetes.azure.com/managedby` on {where}",),
            hint="make a cluster with `--network-plugin none` to install your own",
        )
    if "addonmanager.kubernetes.io/mode" in labels:
        return Owner(
            tool="the cloud's add-on manager",
            evidence=(f"label `addonmanager.kubernetes.io/mode` on {where}",),
            hint="switch the add-on off there first",
        )
    owner = dig(agent, "metadata", "ownerReferences", 0, "kind", default="")
    if owner or "olm.owner" in labels:
        return Owner(
            tool=f"the operator behind {owner or labels['olm.owner']}",
            evidence=(f"owner of {where}",),
            hint="change the operator's own object: `kubectl get ciliumconfig -A`",
        )
    if _APPLIED in annotations:
        return Owner(
            tool="`kubectl apply`",
            evidence=(f"annotation `{_APPLIED}` on {where}",),
            hint="change the manifest and apply it again, or delete what it made first",
        )
    return Owner(
        tool="something other than Helm",
        evidence=(f"{where} has no mark of a Helm release",),
        hint=f"look who made it: `kubectl get -n {namespace_of(agent)} ds cilium -o yaml --show-managed-fields`",
    )
