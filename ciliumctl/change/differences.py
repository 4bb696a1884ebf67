"""Differences: what is in the cluster, what the release says, and what it is to become, object by object.

What an object would become is the API server's own word (a dry run), so defaults make no noise. It is asked only for
objects that differ from the manifest at all.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from ciliumctl import yaml_files
from ciliumctl.change.managers import set_by_others
from ciliumctl.change.masking import Masker
from ciliumctl.change.objects import Objects, Ref, Rendered, listed, made_anew, pod_template, same
from ciliumctl.change.overlay import overlay
from ciliumctl.change.rollout import RESTARTED
from ciliumctl.clients.kube import Kube, Manifest, Resource, annotations_of, dig
from ciliumctl.errors import Conflict, Forbidden, Invalid, NotFound
from ciliumctl.parallel import gather_all

Mode = Literal["live", "release", "values"]
Operation = Literal["added", "changed", "removed", "regenerated", "unchanged"]

#: How many objects are asked for at once.
AT_ONCE = 8
# What the server writes by itself.
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_SERVER_ANNOTATIONS = ("deprecated.daemonset.template.generation", "deployment.kubernetes.io/revision")
_KEEP = "helm.sh/resource-policy"
_HELM = "helm"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_RELEASE = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object. `drift` says how the live one differs from what the release says; Helm puts back what it knows of.

    `diff` and `drift_diff` are unified diffs without secrets: from live to what it becomes, from the release to live.
    The latter is empty where the former says it all: the change only puts back what drifted.
    """

    kind: str
    namespace: str
    name: str
    operation: Operation
    drift: tuple[str, ...] = ()
    refused: str = ""
    #: Whether pods are replaced by it. That can be all of it: Helm 3 takes the mark of the last restart away.
    rolls: bool = False
    diff: str = ""
    drift_diff: str = ""

    @property
    def ref(self) -> Ref:
        """What the object is called."""
        return Ref(self.kind, self.namespace, self.name)

    @property
    def differs(self) -> bool:
        """Whether something would change, or has changed. A certificate that is made anew every time is neither."""
        return self.operation not in {"unchanged", "regenerated"} or bool(self.drift or self.refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An object that differs, both sides of it as text without secrets, and a mark of it as it is, secrets included."""

    difference: Difference
    before: str = ""
    after: str = ""
    live_digest: str = ""


def of_manifests(old: Objects, new: Objects) -> list[Compared]:
    """The differences of two manifests, without asking the cluster."""
    masker = Masker()
    found: list[Compared] = []
    for ref in _every(old, new):
        before, after = old.get(ref), new.get(ref)
        left = before.manifest if before else None
        right = after.manifest if after else None
        if left is not None and right is not None and same(left, right):
            continue
        found.append(_told(ref, left, right, masker, names=("release", "new")))
    return found


def _every(old: Objects, new: Objects) -> list[Ref]:
    return [*new, *(ref for ref in old if ref not in new)]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The release that the objects belong to."""

    name: str
    namespace: str
    #: Whether the API server applies the manifests, as with Helm 4.
    server_side: bool = False


def of_cluster(kube: Kube, old: Objects, new: Objects, owner: Owner) -> list[Compared]:
    """What would change in the cluster, and what has changed there since the release was made; only what differs.

    Three requests at first, then one for each object, and one more or two for those that are not as their manifest
    says; `AT_ONCE` at a time. Changes nothing.
    """
    kinds = kube.kinds()
    calls = [
        partial(_look, kube, kinds, _Place(ref=ref, old=old.get(ref), new=new.get(ref), owner=owner))
        for ref in _every(old, new)
    ]
    masker = Masker()
    told = [_tell(seen, masker) for seen in gather_all(calls, limit=AT_ONCE)]
    return [item for item in told if _worth_telling(item.difference)]


def _worth_telling(item: Difference) -> bool:
    return item.differs or item.rolls or item.operation == "regenerated"


@dataclass(frozen=True, kw_only=True)
class _Place:
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
class _Seen:
    """What was found out of one object: as it is, as the release wants it, as the new manifest wants it."""

    place: _Place
    live: Manifest | None = None
    released: Manifest | None = None
    becomes: Manifest | None = None
    refused: str = ""


def _look(kube: Kube, kinds: Mapping[tuple[str, str], Resource], place: _Place) -> _Seen:
    manifest = place.manifest
    resource = kinds.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if resource is None:
        return _Seen(place=place, refused=f"the API server has no {manifest.get('apiVersion')} {place.ref.kind}")
    try:
        return _asked(kube, resource, place)
    except Conflict:
        # It changed between the two requests: once more with what it is now.
        return _asked(kube, resource, place)


def _asked(kube: Kube, resource: Resource, place: _Place) -> _Seen:
    live = kube.find(resource, place.ref.name, place.ref.namespace)
    old = place.old.manifest if place.old else None
    if place.new is None:
        return _Seen(place=place, live=live, released=_would_be(kube, resource, place, live, old)[0])
    new = place.new.manifest
    if live is None:
        return _Seen(place=place, becomes=new, refused=_refusal_of_creation(kube, resource, place))
    foreign = "" if old is not None else _foreign(live, place.owner)
    becomes, refused = _would_be(kube, resource, place, live, new)
    released = becomes if old is not None and same(old, new) else _would_be(kube, resource, place, live, old)[0]
    return _Seen(place=place, live=live, released=released, becomes=becomes, refused=foreign or refused)


def _would_be(
    kube: Kube, resource: Resource, place: _Place, live: Manifest | None, new: Manifest | None
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


def _applied(kube: Kube, resource: Resource, place: _Place, new: Manifest) -> tuple[Manifest, str]:
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


def _refusal_of_creation(kube: Kube, resource: Resource, place: _Place) -> str:
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


# Telling


def _tell(seen: _Seen, masker: Masker) -> Compared:
    ref, live = seen.place.ref, seen.live
    left, right = _clean(live), _clean(seen.becomes)
    if seen.place.new is None and live is not None and annotations_of(seen.place.manifest).get(_KEEP) == "keep":
        right = left
    rolls = live is not None and seen.becomes is not None and not same(pod_template(live), pod_template(seen.becomes))
    if same(_unmarked(left), _unmarked(right)):
        right = left
    told = replace(_told(ref, left, right, masker, names=("live", "after the change")), live_digest=_digest(left))
    item = replace(told.difference, rolls=rolls)
    if made_anew(seen.place.manifest) and item.operation == "changed":
        return replace(told, difference=replace(item, operation="regenerated", diff=""), after=told.before)
    drift = (*_drift(seen, left), *_extra(seen))
    released = _clean(seen.released)
    drift_diff = ""
    if drift and released is not None and left is not None and not same(_unmarked(released), _unmarked(right)):
        drift_diff = _unified(ref, released, left, masker, names=("release", "live"))
    return replace(told, difference=replace(item, refused=seen.refused, drift=drift, drift_diff=drift_diff))


def _unmarked(item: Manifest | None) -> Manifest | None:
    """A workload without the mark of a restart: that is no difference worth a change."""
    marks: Mapping[str, str] = dig(item, "spec", "template", "metadata", "annotations", default={})
    if item is None or RESTARTED not in marks:
        return item
    rest = {key: value for key, value in marks.items() if key != RESTARTED}
    template = item["spec"]["template"]
    metadata = {key: value for key, value in template["metadata"].items() if key != "annotations"}
    metadata |= {"annotations": rest} if rest else {}
    return {**item, "spec": {**item["spec"], "template": {**template, "metadata": metadata}}}


def _digest(item: Manifest | None) -> str:
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest() if item is not None else ""


def _drift(seen: _Seen, left: Manifest | None) -> list[str]:
    if seen.place.old is None:
        return []
    if left is None:
        return ["somebody deleted it"]
    if seen.released is None or made_anew(seen.place.manifest):
        return []
    return [] if same(_unmarked(_clean(seen.released)), _unmarked(left)) else ["somebody changed it"]


def _extra(seen: _Seen) -> list[str]:
    """What others added to an object, and no release knows: Helm leaves it where it is."""
    if seen.live is None or seen.place.new is None:
        return []
    if seen.place.ref.kind == "ConfigMap":
        known: set[str] = set()
        for side in (seen.place.old, seen.place.new):
            known |= _data(side.manifest).keys() if side else set()
        return [f"key `{key}` is of no release, and stays" for key in _data(seen.live) if key not in known]
    return [
        f"`{manager}` set {listed(fields)}, which stays"
        for manager, fields in set_by_others(seen.live, seen.place.new.manifest).items()
    ]


def _data(item: Manifest) -> Mapping[str, Any]:
    data: Mapping[str, Any] = dig(item, "data", default={})
    return data


def _clean(item: Manifest | None) -> Manifest | None:
    """An object without what the server writes by itself."""
    if item is None:
        return None
    whole: Mapping[str, Any] = dig(item, "metadata", default={})
    metadata: dict[str, Any] = {key: value for key, value in whole.items() if key not in _SERVER_METADATA}
    given: Mapping[str, str] = metadata.pop("annotations", None) or {}
    annotations = {key: value for key, value in given.items() if key not in _SERVER_ANNOTATIONS}
    if annotations:
        metadata["annotations"] = annotations
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def _told(
    ref: Ref, left: Manifest | None, right: Manifest | None, masker: Masker, *, names: tuple[str, str]
) -> Compared:
    operation: Operation = "changed"
    if left is None:
        operation = "unchanged" if right is None else "added"
    elif right is None:
        operation = "removed"
    elif same(left, right):
        operation = "unchanged"
    found = Difference(kind=ref.kind, namespace=ref.namespace, name=ref.name, operation=operation)
    if operation == "unchanged":
        return Compared(difference=found)
    diff = _unified(ref, left, right, masker, names=names)
    return Compared(difference=replace(found, diff=diff), before=_text(left, masker), after=_text(right, masker))


def _text(item: Manifest | None, masker: Masker) -> str:
    return yaml_files.lay_out(masker.manifest(item)) if item is not None else ""


def _unified(ref: Ref, left: Manifest | None, right: Manifest | None, masker: Masker, *, names: Sequence[str]) -> str:
    lines = difflib.unified_diff(
        _text(left, masker).splitlines(keepends=True),
        _text(right, masker).splitlines(keepends=True),
        fromfile=f"{ref} ({names[0]})",
        tofile=f"{ref} ({names[1]})",
    )
    return "".join(lines)


def file_name(item: Difference) -> str:
    """What a file with one side of the object is called, for a program that compares folders."""
    return ".".join(part for part in (item.kind, item.namespace, item.name) if part).replace("/", "_")
