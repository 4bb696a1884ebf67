"""Helm under another name: k3s and RKE2's HelmChart objects, an operator's, another release."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.clients.kube import Kube, Manifest, Resource, annotations_of, dig, labels_of, name_of, namespace_of
from ciliumctl.errors import Forbidden, NotFound
from ciliumctl.owners.model import Owner, described, hints

_HELM_CHARTS = Resource("helm.cattle.io", "v1", "helmcharts")
_RELEASE, _PLACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
# The file that the servers apply a HelmChart from wins over every edit at their next start.
_FROM_FILE = "objectset.rio.cattle.io/owner-gvk"
_RKE2_FILE = "/var/lib/rancher/rke2/server/manifests/rke2-cilium-config.yaml"


def helm_charts(kube: Kube) -> list[Manifest]:
    """The HelmChart objects of k3s and RKE2; none elsewhere, and none for a user who may not read them."""
    try:
        return list(kube.objects(_HELM_CHARTS))
    except (NotFound, Forbidden):
        return []


def release_of(agent: Manifest) -> tuple[str, str]:
    """The name and the namespace of the Helm release that the object is part of; empty for none."""
    annotations = annotations_of(agent)
    return annotations.get(_RELEASE, ""), annotations.get(_PLACE, "")


def of_rancher(agent: Manifest, charts: Sequence[Manifest]) -> Owner | None:
    """RKE2's own chart, or the HelmChart that made the release."""
    name, place = release_of(agent)
    if name == "rke2-cilium":
        return _of_rke2(agent)
    chart = next((chart for chart in charts if _makes(chart, name, place)), None)
    if chart is None:
        return None
    which = f"helmchart {name_of(chart)} -n {namespace_of(chart)}"
    filed = "Addon" in annotations_of(chart).get(_FROM_FILE, "")
    edit = (
        "in its file under `server/manifests` on every server, which wins over edits"
        if filed
        else f"with `kubectl edit {which}`"
    )
    remove = f"`kubectl delete {which}`"
    return Owner(
        tool=f"the HelmChart `{name_of(chart)}` of k3s or RKE2",
        evidence=(f"HelmChart `{namespace_of(chart)}/{name_of(chart)}`", f"release `{name}` of {described(agent)}"),
        hints=hints(
            f"change it {edit}",
            upgrade=f"set `spec.version` {edit}",
            change=f"set `spec.valuesContent` {edit}, or in a HelmChartConfig `{name_of(chart)}`",
            rollback=f"take back the change of `spec.version` or `spec.valuesContent` {edit}",
            uninstall=f"remove its file under `server/manifests` on every server, then {remove}" if filed else remove,
        ),
    )


def _makes(chart: Manifest, name: str, place: str) -> bool:
    target = dig(chart, "spec", "targetNamespace", default="") or namespace_of(chart)
    return name_of(chart) == name and target == place


def _of_rke2(agent: Manifest) -> Owner:
    return Owner(
        tool="RKE2",
        evidence=(f"{described(agent)} is of the release `rke2-cilium`",),
        hints=hints(
            "change it with a HelmChartConfig `rke2-cilium` in kube-system, or make the cluster with `cni: none` for "
            "a Cilium of your own",
            upgrade="upgrade RKE2 itself: its version decides on Cilium's",
            change=f"set `spec.valuesContent` of a HelmChartConfig `rke2-cilium` in kube-system, in `{_RKE2_FILE}` "
            "or with `kubectl edit helmchartconfig rke2-cilium -n kube-system`",
            rollback="take back the change of the HelmChartConfig: "
            "`kubectl edit helmchartconfig rke2-cilium -n kube-system`",
            uninstall="set `cni: none` in `/etc/rancher/rke2/config.yaml` on every server and restart `rke2-server`",
        ),
    )


def of_operator(agent: Manifest) -> Owner | None:
    """An operator: of OLM, or whatever the object has as its owner. Operators make Helm releases too."""
    labels = labels_of(agent)
    references: list[Manifest] = dig(agent, "metadata", "ownerReferences", default=[])
    kind = str(references[0].get("kind", "")) if references else ""
    name = str(references[0].get("name", "")) if references else ""
    version = labels.get("olm.owner", "")
    if not (kind or version):
        return None
    if kind == "Network":
        return Owner(
            tool="OpenShift's Cluster Network Operator",
            evidence=(f"{described(agent)} is owned by Network `{name}`",),
            hints=hints("change it there: `oc edit network.operator.openshift.io cluster`"),
        )
    place = labels.get("olm.owner.namespace", "") or namespace_of(agent)
    if kind and kind not in {"CiliumConfig", "ClusterServiceVersion"}:
        which = f"`kubectl edit {kind.lower()} {name} -n {namespace_of(agent)}`"
        return Owner(
            tool=f"the operator behind {kind} `{name}`",
            evidence=(f"{described(agent)} is owned by {kind} `{name}`",),
            hints=hints(f"change it there: {which}"),
        )
    config = f"ciliumconfig {name if kind == 'CiliumConfig' else 'cilium'} -n {place}"
    return Owner(
        tool=f"the operator behind {f'{kind} `{name}`' if kind else f'`{version}`'}",
        evidence=(
            f"{described(agent)} is owned by {kind} `{name}`" if kind else f"label `olm.owner` on {described(agent)}",
        ),
        hints=hints(
            f"change it there: `kubectl edit {config}`",
            upgrade=f"move its subscription on: `kubectl get subscription,installplan -n {place}`",
            change=f"set `spec` of it: `kubectl edit {config}`",
            rollback=f"take back the change: `kubectl edit {config}`; OLM goes to no older version",
            uninstall=f"`kubectl delete {config}`, then `kubectl delete subscription,csv --all -n {place}`",
        ),
    )


def of_another(agent: Manifest, namespace: str, release_name: str) -> Owner | None:
    """A Helm release of another name or in another namespace."""
    name, place = release_of(agent)
    if not name or (name, place) == (release_name, namespace):
        return None
    return Owner(
        tool=f"the Helm release `{name}` in namespace `{place}`",
        evidence=(f"annotations of {described(agent)}",),
        hints=hints(f"add `-n {place} --helm-release-name {name}`: a cluster can hold one Cilium"),
    )
