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
from ciliumctl.change.dry_runs import Owner, Place, Seen, look
from ciliumctl.change.managers import set_by_others
from ciliumctl.change.masking import Masker
from ciliumctl.change.objects import Objects, Ref, listed, made_anew, pod_template, same
from ciliumctl.change.rollout import RESTARTED
from ciliumctl.clients.kube import Kube, Manifest, annotations_of, dig
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


def of_cluster(kube: Kube, old: Objects, new: Objects, owner: Owner) -> list[Compared]:
    """What would change in the cluster, and what has changed there since the release was made; only what differs.

    Three requests at first, then one for each object, and one more or two for those that are not as their manifest
    says; `AT_ONCE` at a time. Changes nothing.
    """
    kinds = kube.kinds()
    calls = [
        partial(look, kube, kinds, Place(ref=ref, old=old.get(ref), new=new.get(ref), owner=owner))
        for ref in _every(old, new)
    ]
    masker = Masker()
    told = [_tell(seen, masker) for seen in gather_all(calls, limit=AT_ONCE)]
    return [item for item in told if _worth_telling(item.difference)]


def _worth_telling(item: Difference) -> bool:
    return item.differs or item.rolls or item.operation == "regenerated"


# Telling


def _tell(seen: Seen, masker: Masker) -> Compared:
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


def _drift(seen: Seen, left: Manifest | None) -> list[str]:
    if seen.place.old is None:
        return []
    if left is None:
        return ["somebody deleted it"]
    if seen.released is None or made_anew(seen.place.manifest):
        return []
    return [] if same(_unmarked(_clean(seen.released)), _unmarked(left)) else ["somebody changed it"]


def _extra(seen: Seen) -> list[str]:
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
