"""What a namespace holds that is neither Cilium's nor every namespace's own: it would go with the namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ciliumctl.clients.kube import (
    CILIUM_POLICIES,
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Kube,
    Manifest,
    Resource,
    annotations_of,
    labels_of,
    name_of,
)
from ciliumctl.errors import Forbidden, NotFound
from ciliumctl.parallel import gather
from ciliumctl.removal import objects, pods
from ciliumctl.status.collect import PART_OF

#: Namespaces that a cluster cannot be without: they are never deleted.
KUBERNETES_OWN = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})
#: What makes others comes before them: the pods of a job of ours are ours.
_LOOKED_AT: Mapping[str, Resource] = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "DaemonSet": DAEMON_SETS,
    "CronJob": Resource("batch", "v1", "cronjobs"),
    "Job": JOBS,
    "Pod": PODS,
    "Service": SERVICES,
    "Ingress": Resource("networking.k8s.io", "v1", "ingresses"),
    "Secret": SECRETS,
    "ConfigMap": CONFIG_MAPS,
    "PersistentVolumeClaim": Resource("", "v1", "persistentvolumeclaims"),
    "ServiceAccount": SERVICE_ACCOUNTS,
    "NetworkPolicy": NETWORK_POLICIES,
    "CiliumNetworkPolicy": CILIUM_POLICIES,
}
#: What Kubernetes and OpenShift put into every namespace.
_EVERYWHERE = {
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "openshift-service-ca.crt"),
    ("ServiceAccount", "default"),
    ("ServiceAccount", "builder"),
    ("ServiceAccount", "deployer"),
}
_ACCOUNT_OF = ("kubernetes.io/service-account.name", "openshift.io/internal-registry-auth-token.service-account")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is there of others, as `kind/name`, and the kinds that this user may not list."""

    foreign: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def goes(namespace: str, *, asked: bool) -> bool:
    """Whether a namespace is deleted when that was asked for."""
    return asked and namespace not in KUBERNETES_OWN


def held(kube: Kube, namespace: str, release: str, release_objects: Sequence[Manifest]) -> Holding:
    """What of others a namespace holds. One request a kind, of metadata alone."""
    owned = {(str(item.get("kind")), name_of(item)) for item in release_objects}
    foreign: list[str] = []
    unknown: list[str] = []
    asked = [partial(_listed, kube, namespace, resource) for resource in _LOOKED_AT.values()]
    for kind, result in zip(_LOOKED_AT, gather(asked), strict=True):
        if isinstance(result, Forbidden):
            unknown.append(kind)
        elif isinstance(result, Exception):
            raise result
        else:
            ours = {(kind, name_of(item)) for item in result if _is_ours(kind, item, release, owned)}
            foreign += [f"{kind}/{name_of(item)}" for item in result if (kind, name_of(item)) not in ours]
            owned |= ours
    return Holding(foreign=tuple(foreign), unknown=tuple(unknown))


def _listed(kube: Kube, namespace: str, resource: Resource) -> list[Manifest]:
    try:
        return list(kube.objects(resource, namespace, metadata_only=True))
    except NotFound:
        # This cluster does not have the kind.
        return []


def _is_ours(kind: str, item: Manifest, release: str, owned: set[tuple[str, str]]) -> bool:
    name, labels, notes = name_of(item), labels_of(item), annotations_of(item)
    part, _, whole = PART_OF.partition("=")
    # Cilium's, ciliumctl's, Helm's record of the release, and what the release made.
    marked = (
        labels.get(part) == whole
        or labels.get("app.kubernetes.io/managed-by") == "ciliumctl"
        or (labels.get("owner") == "helm" and labels.get("name") == release)
        or (
            kind != "ServiceAccount"
            and any(_is_known("ServiceAccount", notes.get(key, ""), owned) for key in _ACCOUNT_OF)
        )
    )
    return marked or _is_known(kind, name, owned) or pods.owner_of(item) in owned or objects.is_made(kind, item)


def _is_known(kind: str, name: str, owned: set[tuple[str, str]]) -> bool:
    return (kind, name) in _EVERYWHERE or (kind, name) in owned
