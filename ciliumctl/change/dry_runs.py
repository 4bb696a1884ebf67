"""What an object is, what its release wants it to be, what a new manifest makes of it: asked of the API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ciliumctl.change.objects import Ref, Rendered, same
from ciliumctl.change.overlay import overlay
from ciliumctl.clients.kube import Kube, Manifest, Resource, annotations_of, dig
from ciliumctl.errors import Conflict, Forbidden, Invalid, NotFound

_HELM = "helm"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_RELEASE = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The release that the objects belong to."""

    name: str
    namespace: str
    #: Whether the API server applies the manifests, as with Helm 4.
    server_side: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """An object by name, with the old and the new manifest of it where there are such."""

    ref: Ref
    old: Rendered | None
    new: Rendered | None
    owner: Owner

    @property
    def manifest(self) -> Manifest:
        """The newer manifest that there is."""
        rendered = self.new or self.old
        return rendered.manifest if rendered else {}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found out about one object: as it is, as the release wants it, as the new manifest wants it."""

    place: Place
    live: Manifest | None = None
    released: Manifest | None = None
    becomes: Manifest | None = None
    refused: str = ""


def look(kube: Kube, kinds: Mapping[tuple[str, str], Resource], place: Place) -> Seen:
    """Find out about one object. One request, and one or two more for one that is not as its manifest says."""
    manifest = place.manifest
    resource = kinds.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if resource is None:
        return Seen(place=place, refused=f"the API server has no {manifest.get('apiVersion')} {place.ref.kind}")
    try:
        return _asked(kube, resource, place)
    except Conflict:
        # It changed between the two requests: once more with what it is now.
        return _asked(kube, resource, place)


def _asked(kube: Kube, resource: Resource, place: Place) -> Seen:
    live = kube.find(resource, place.ref.name, place.ref.namespace)
    old = place.old.manifest if place.old else None
    if place.new is None:
        return Seen(place=place, live=live, released=_would_be(kube, resource, place, live, old)[0])
    new = place.new.manifest
    if live is None:
        return Seen(place=place, becomes=new, refused=_refusal_of_creation(kube, resource, place))
    foreign = "" if old is not None else _foreign(live, place.owner)
    becomes, refused = _would_be(kube, resource, place, live, new)
    released = becomes if old is not None and same(old, new) else _would_be(kube, resource, place, live, old)[0]
    return Seen(place=place, live=live, released=released, becomes=becomes, refused=foreign or refused)


def _would_be(
    kube: Kube, resource: Resource, place: Place, live: Manifest | None, new: Manifest | None
) -> tuple[Manifest | None, str]:
    """The live object with `new` over it as the server would keep it, and why it refuses to."""
    if live is None or new is None:
        return None, ""
    old = place.old.manifest if place.old else {}
    new = _marked(new, place.owner)
    merged = overlay(live, old, new, server_side=place.owner.server_side)
    if same(merged, live):
        return live, ""
    try:
        if place.owner.server_side:
            return _applied(kube, resource, place, new)
        return kube.replace(resource, merged, place.ref.namespace, dry_run=True), ""
    except Forbidden:
        # Somebody who may only look: compared here, without the server's defaults.
        return (live, "") if same(_bare(merged), _bare(live)) else (merged, "")
    except Invalid as error:
        return merged, error.detail or error.message


def _marked(manifest: Manifest, owner: Owner) -> Manifest:
    """The manifest with the marks that Helm adds to everything it applies."""
    metadata: Mapping[str, Any] = dig(manifest, "metadata", default={})
    labels = {**(metadata.get("labels") or {}), _MANAGED_BY: "Helm"}
    annotations = {**(metadata.get("annotations") or {})}
    annotations |= zip(_RELEASE, (owner.name, owner.namespace), strict=True)
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def _applied(kube: Kube, resource: Resource, place: Place, new: Manifest) -> tuple[Manifest, str]:
    """What Helm 4 would make of it."""
    apply = partial(kube.apply, resource, new, place.ref.namespace, dry_run=True, manager=_HELM)
    try:
        return apply(), ""
    except Conflict as error:
        return apply(force=True), f"Helm will not take fields from others: {error.detail or error.message}"


def _bare(value: Any) -> Any:
    """Without what is empty: a manifest may spell out what the server leaves away."""
    if isinstance(value, Mapping):
        items = {key: _bare(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in (None, "", {}, [])}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _refusal_of_creation(kube: Kube, resource: Resource, place: Place) -> str:
    """Why the server would not make the object; empty when it would, or cannot be asked yet."""
    manifest = place.manifest
    try:
        kube.create(resource, manifest, place.ref.namespace, dry_run=True)
    except (Forbidden, Invalid) as error:
        return error.detail or error.message
    except (NotFound, Conflict):
        # Its namespace is part of the same change, or somebody makes the object this very moment.
        return ""
    return ""


def _foreign(live: Manifest, owner: Owner) -> str:
    """Why Helm would refuse to take an object that is there already."""
    marks = tuple(annotations_of(live).get(mark, "") for mark in _RELEASE)
    if marks == (owner.name, owner.namespace):
        return ""
    whose = f"belongs to the release `{marks[0]}` in `{marks[1]}`" if any(marks) else "is of no Helm release"
    return f"it is there already and {whose}: Helm will refuse"
