"""Flux: the HelmRelease or the Kustomization that the agents' DaemonSet is labelled with."""

from __future__ import annotations

from ciliumctl.clients.kube import Kube, Manifest, Resource, dig, labels_of
from ciliumctl.errors import Forbidden
from ciliumctl.owners.model import Owner, described, hints

_HELM = "helm.toolkit.fluxcd.io"
_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


def of_flux(kube: Kube, agent: Manifest) -> Owner | None:
    """The object of Flux that applies the agents; two requests more when there is one."""
    labels = labels_of(agent)
    for group, kind in ((_HELM, "helmrelease"), (_KUSTOMIZE, "kustomization")):
        name, place = labels.get(f"{group}/name", ""), labels.get(f"{group}/namespace", "")
        if name:
            found = _find(kube, group, kind, name, place)
            make = _of_release if group == _HELM else _of_kustomization
            return make(agent, name, place, found)
    return None


def _find(kube: Kube, group: str, kind: str, name: str, place: str) -> Manifest | None:
    """The object itself; `None` when it is in another cluster, or not for this user to read."""
    versions = kube.groups().get(group, ())
    if not versions:
        return None
    try:
        return kube.find(Resource(group, versions[0], f"{kind}s"), name, place)
    except Forbidden:
        return None


def _evidence(agent: Manifest, group: str, found: Manifest | None, more: str = "") -> tuple[str, ...]:
    evidence = [f"label `{group}/name` on {described(agent)}", *([more] if more else [])]
    if dig(found, "spec", "suspend", default=False):
        evidence.append("it is suspended")
    return tuple(evidence)


def _of_release(agent: Manifest, name: str, place: str, found: Manifest | None) -> Owner:
    which = f"helmrelease {name} -n {place}"
    labels = labels_of(found) if found is not None else {}
    writer = labels.get(f"{_KUSTOMIZE}/name", "")
    where = f" (Kustomization `{labels.get(f'{_KUSTOMIZE}/namespace', '')}/{writer}` writes it)" if writer else ""
    again = f"`flux reconcile {which} --with-source`"
    if dig(found, "spec", "suspend", default=False):
        again = f"`flux resume {which}`"
    source: Manifest = dig(found, "spec", "chart", "spec", default={})
    chart = f"chart `{source.get('chart')}` {source.get('version', '*')}" if source else ""
    removal = f"take the HelmRelease out of git{where}" if writer else f"`flux delete {which}`, or take it out of git"
    return Owner(
        tool=f"Flux's helmrelease `{place}/{name}`",
        evidence=_evidence(agent, _HELM, found, chart),
        hints=hints(
            f"change the HelmRelease in git{where}, then {again}",
            upgrade=f"set `spec.chart.spec.version` of the HelmRelease in git{where}, then {again}",
            change=f"set `spec.values` of the HelmRelease in git{where}, then {again}",
            rollback=f"revert the change in git{where}, then {again}; to act by hand in between, "
            f"`flux suspend {which}` and afterwards `flux resume {which}`",
            uninstall=removal,
        ),
    )


def _of_kustomization(agent: Manifest, name: str, place: str, found: Manifest | None) -> Owner:
    which = f"kustomization {name} -n {place}"
    path = dig(found, "spec", "path", default="")
    kind = dig(found, "spec", "sourceRef", "kind", default="")
    source = f" of {kind} `{dig(found, 'spec', 'sourceRef', 'name', default='')}`" if kind else ""
    where = f" under `{path}`{source}" if path else ""
    again = f"`flux reconcile {which} --with-source`"
    if dig(found, "spec", "suspend", default=False):
        again = f"`flux resume {which}`"
    return Owner(
        tool=f"Flux's kustomization `{place}/{name}`",
        evidence=_evidence(agent, _KUSTOMIZE, found),
        hints=hints(
            f"change it in git{where}, then {again}",
            rollback=f"revert the change in git{where}, then {again}; to act by hand in between, "
            f"`flux suspend {which}` and afterwards `flux resume {which}`",
            uninstall=f"take it out of git{where}: the Kustomization prunes it, where `spec.prune` is on",
        ),
    )
