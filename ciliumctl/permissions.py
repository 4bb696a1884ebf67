"""May this user do what an installation needs? Asked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.kube import LEASES, NAMESPACES, SECRETS, Access, Kube, Manifest, Resource, name_of, namespace_of
from ciliumctl.errors import Forbidden

_VERBS = ("create", "get", "patch")
_EVERYTHING = Access(verb="*", resource=Resource("*", "*", "*"))


def documents(manifest: str) -> list[Manifest]:
    """The objects in a rendered manifest. Raises `yaml.YAMLError` when it is no YAML."""
    return [document for document in yaml_files.parse_all(manifest) if isinstance(document, dict)]


def keyed(manifest: str) -> dict[tuple[str, str, str], Manifest]:
    """The objects in a rendered manifest by kind, namespace (empty where it names none) and name."""
    return {(str(item.get("kind")), namespace_of(item), name_of(item)): item for item in documents(manifest)}


def is_admin(kube: Kube) -> bool:
    """Whether this user may do everything: most who install do, and then one request answers all. One request."""
    return not kube.denied([_EVERYTHING])


def needed(objects: Iterable[Manifest], namespace: str, kinds: dict[tuple[str, str], Resource]) -> list[Access]:
    """The rights that Helm needs to install these objects, each once."""
    wanted: dict[Access, None] = {}
    for manifest in objects:
        resource = kinds.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
        if resource is None:
            continue
        where = (namespace_of(manifest) or namespace) if resource.namespaced else ""
        for verb in _VERBS:
            wanted[Access(verb=verb, resource=resource, namespace=where)] = None
    for verb in ("create", "get", "list", "update", "delete"):
        # Helm's own record of the release.
        wanted[Access(verb=verb, resource=SECRETS, namespace=namespace)] = None
    wanted[Access(verb="create", resource=LEASES, namespace="kube-system")] = None
    return list(wanted)


def check(kube: Kube, manifest: str, namespace: str, *, creates_namespace: bool) -> None:
    """Refuse when a right is missing, naming each of them.

    Raises:
        Forbidden: this user lacks rights; all of them are named.
    """
    try:
        wanted = needed(documents(manifest), namespace, kube.kinds())
    except yaml.YAMLError:
        wanted = needed((), namespace, {})
    if creates_namespace:
        wanted.append(Access(verb="create", resource=NAMESPACES))
    denied = kube.denied(wanted)
    if denied:
        raise missing(denied)


def demand(kube: Kube, wanted: Iterable[Access], *, by: str, hint: str) -> None:
    """Refuse before anything is changed what these rights would stop half-way. A request each, at once.

    `by` is what needs them, such as `the test`. Raises `Forbidden`; the rights that are missing are named.
    """
    denied = kube.denied(list(wanted))
    if denied:
        raise Forbidden(f"this user may not {', '.join(map(str, denied))}, which {by} needs", hint=hint)


def missing(denied: list[Access]) -> Forbidden:
    """The error that names every missing right."""
    listed = "\n".join(f"- {access}" for access in denied)
    first = "; ".join(str(access) for access in denied[:3])
    more = f" and {len(denied) - 3} more" if len(denied) > 3 else ""
    return Forbidden(
        f"this user lacks rights that the installation needs ({len(denied)}): {first}{more}",
        hint="installing Cilium needs the rights of `cluster-admin`; use another context, or ask for them "
        "(`-v` lists them all)",
        detail=listed,
    )
