"""Objects beside the release: what Cilium made by itself, what people put into its namespaces, its peers."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial

from ciliumctl import journal
from ciliumctl.clients.kube import CONFIG_MAPS, LEASES, SECRETS, Kube, Manifest, Resource, dig, labels_of, name_of
from ciliumctl.errors import Forbidden
from ciliumctl.parallel import gather
from ciliumctl.removal import remembered

#: What the operator, the agents and the certificate jobs make, and people for IPsec: names as shell patterns.
_OURS: tuple[tuple[str, Resource, tuple[str, ...]], ...] = (
    ("Lease", LEASES, ("cilium-operator-resource-lock", "cilium-l2announce-*", "cilium-node-ipam*")),
    (
        "Secret",
        SECRETS,
        (
            "cilium-ca",
            "hubble-*-certs",
            "hubble-ca-secret",
            "cilium-ipsec-keys",
            "cilium-clustermesh",
            "cilium-kvstoremesh",
            "clustermesh-apiserver-*-cert*",
        ),
    ),
    ("ConfigMap", CONFIG_MAPS, ("cilium-ca-root*", "hubble-*-config")),
)
#: What ciliumctl itself keeps in a cluster.
_MINE = "app.kubernetes.io/managed-by=ciliumctl"
#: The operator's copies of other namespaces' Secrets: the original stays.
_SYNCED = "secretsync.cilium.io/owning-secret-name"
_MESH = "cilium-clustermesh"
_KINDS = {"Lease": LEASES, "Secret": SECRETS, "ConfigMap": CONFIG_MAPS}


def beside(kube: Kube, namespace: str, release_objects: Sequence[Manifest]) -> tuple[str, ...]:
    """What stays in the release's namespace after it, as `kind/namespace/name`. What may not be listed is left out."""
    owned = {(str(item.get("kind")), name_of(item)) for item in release_objects}
    found: dict[str, None] = {}
    asked = [partial(_matching, kube, namespace, kind, resource, names) for kind, resource, names in _OURS]
    asked += [partial(_mine, kube, namespace, kind, _KINDS[kind]) for kind in ("ConfigMap", "Secret")]
    for result in gather(asked):
        if isinstance(result, Forbidden):
            continue
        if isinstance(result, Exception):
            raise result
        found.update({f"{kind}/{namespace}/{name}": None for kind, name in result if (kind, name) not in owned})
    return tuple(sorted(found))


def _matching(
    kube: Kube, namespace: str, kind: str, resource: Resource, patterns: Sequence[str]
) -> list[tuple[str, str]]:
    names = [name_of(item) for item in kube.objects(resource, namespace, metadata_only=True)]
    return [(kind, name) for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def is_made(kind: str, item: Manifest) -> bool:
    """Whether Cilium itself made an object beside its release, or copied it."""
    patterns = next((names for known, _, names in _OURS if known == kind), ())
    return any(fnmatchcase(name_of(item), pattern) for pattern in patterns) or _SYNCED in labels_of(item)


def _mine(kube: Kube, namespace: str, kind: str, resource: Resource) -> list[tuple[str, str]]:
    names = [name_of(item) for item in kube.objects(resource, namespace, labels=_MINE, metadata_only=True)]
    # They go last of all, and by themselves.
    return [(kind, name) for name in names if name not in {journal.NAME, remembered.NAME}]


def purge(kube: Kube, namespace: str) -> str:
    """Delete them. Raises the first failure, after all were tried."""
    names = beside(kube, namespace, ())
    results = gather([partial(_delete, kube, name) for name in names])
    for result in results:
        if isinstance(result, Exception):
            raise result
    return ", ".join(name.rpartition("/")[2] for name in names) or "none are there"


def _delete(kube: Kube, told: str) -> None:
    kind, namespace, name = told.split("/")
    kube.delete(_KINDS[kind], name, namespace)


def lost_secrets(
    kube: Kube, namespaces: Sequence[str], release_objects: Sequence[Manifest]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Secrets of users in namespaces that the release takes with it, and those of them that may not be looked into."""
    owned = {name_of(item) for item in release_objects if item.get("kind") == "Secret"}
    lost: list[str] = []
    unknown: list[str] = []
    for place in namespaces:
        try:
            items = list(kube.objects(SECRETS, place, metadata_only=True))
        except Forbidden:
            unknown.append(place)
            continue
        theirs = [item for item in items if name_of(item) not in owned and _SYNCED not in labels_of(item)]
        lost += [f"{place}/{name_of(item)}" for item in theirs]
    return tuple(lost), tuple(unknown)


def peers(kube: Kube, namespace: str) -> tuple[str, ...]:
    """The clusters that this one's agents are connected to; each has an entry of its name beside its certificates."""
    try:
        secret = kube.find(SECRETS, _MESH, namespace)
    except Forbidden:
        return ()
    entries: dict[str, str] = dig(secret, "data", default={})
    return tuple(sorted(name for name in entries if "." not in name and not name.startswith("common-")))
