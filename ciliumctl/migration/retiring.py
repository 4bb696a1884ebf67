"""The objects of the CNI that is retired: its DaemonSets, what its manifest made besides, its namespace when empty."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ciliumctl import cni, owners, permissions
from ciliumctl.clients.kube import (
    DAEMON_SETS,
    NAMESPACES,
    NODES,
    Access,
    Kube,
    Manifest,
    Resource,
    annotations_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import ClusterError, Refused
from ciliumctl.migration import old
from ciliumctl.migration.model import OldNetwork
from ciliumctl.owners.argo import of_argo
from ciliumctl.owners.flux import of_flux
from ciliumctl.owners.releases import of_operator
from ciliumctl.removal import foreign
from ciliumctl.wait import poll

#: Seconds for the old CNI's pods to end.
_ENDING = 120.0
_HELM = "meta.helm.sh/release-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object that goes."""

    resource: Resource
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} `{place}{self.name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What goes, the DaemonSets first; `namespace` when nothing is left in it. `kept` is what we cannot remove."""

    objects: tuple[Object, ...]
    namespace: str = ""
    kept: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """For people."""
        return tuple(str(one) for one in self.objects) + (
            (f"Namespace `{self.namespace}`, when nothing else is in it",) if self.namespace else ()
        )


def look(kube: Kube, there: OldNetwork) -> Doomed:
    """What is there of the old CNI. Three requests, and one for each object of its manifest.

    Raises:
        Refused: Helm, GitOps or an operator would make it anew.
    """
    entry = old.entry_of(there.origin)
    _refuse_operator(kube, entry)
    sets = cni.look(kube).daemon_sets[there.name]
    for item in sets:
        _refuse_owner(kube, there, item)
    places = list(
        dict.fromkeys([*(namespace_of(item) for item in sets), *(text.partition("/")[0] for text in there.daemon_sets)])
    )
    objects = [
        Object(resource=DAEMON_SETS, kind="DaemonSet", namespace=namespace_of(item), name=name_of(item))
        for item in sets
    ]
    besides, strangers = _besides(kube, entry, places)
    objects += besides
    own = str(entry.get("namespace", ""))
    kept = tuple(f"{one}: nothing says that it is {there.name}'s" for one in strangers)
    if not there.daemon_sets:
        kept = (f"{there.name} itself: {entry['by_hand']}", *kept)
    exists = bool(own) and kube.find(NAMESPACES, own) is not None
    return Doomed(objects=tuple(objects), namespace=own if exists else "", kept=kept)


def _refuse_owner(kube: Kube, there: OldNetwork, item: Manifest) -> None:
    """Refuse a DaemonSet that somebody else would make anew at once; first who made the Helm release that it is of."""
    owner: owners.Owner | None = of_argo(kube, item) or of_flux(kube, item) or of_operator(item)
    if owner is not None:
        raise Refused(
            f"{there.name} belongs to {owner.tool} ({'; '.join(owner.evidence)}), which would make it anew",
            hint=f"{owner.hint_for('uninstall')}; then `ciliumctl migrate finish` again",
        )
    release = annotations_of(item).get(_HELM, "")
    if release:
        place = annotations_of(item).get("meta.helm.sh/release-namespace", namespace_of(item))
        raise Refused(
            f"{there.name} is Helm release `{release}` in namespace `{place}`",
            hint=f"`helm uninstall -n {place} {release}`, then `ciliumctl migrate finish` again",
        )


def _refuse_operator(kube: Kube, entry: Mapping[str, Any]) -> None:
    operator = entry.get("operator")
    if operator and kube.find(old.resource_of(operator), operator["name"]) is not None:
        raise Refused(
            f"an operator keeps {entry['cni']}: {operator['plural']}.{operator['group']} `{operator['name']}`",
            hint=f"{entry['by_hand']}; then `ciliumctl migrate finish` again",
        )


def _besides(
    kube: Kube, entry: Mapping[str, Any], places: Sequence[str]
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """What the manifest made besides, and objects of the whole cluster that only have the same names.

    Of the latter kind the CNI's are the bindings of its own accounts alone, and the roles that those give them.
    """
    found = list(_named(kube, entry, places))
    accounts = {(place, one["name"]) for one in entry["objects"] if one["kind"] == "ServiceAccount" for place in places}
    bindings = [item for one, item in found if one.kind == "ClusterRoleBinding" and _binds_only(item, accounts)]
    names = {("ClusterRoleBinding", name_of(item)) for item in bindings}
    names |= {("ClusterRole", str(dig(item, "roleRef", "name", default=""))) for item in bindings}
    mine = tuple(one for one, _item in found if one.resource.namespaced or (one.kind, one.name) in names)
    return mine, tuple(one for one, _item in found if one not in mine)


def _named(kube: Kube, entry: Mapping[str, Any], places: Sequence[str]) -> Iterator[tuple[Object, Manifest]]:
    kinds = kube.kinds()
    for one in entry["objects"]:
        resource = kinds.get((one["apiVersion"], one["kind"]))
        if resource is None:
            continue
        for place in places if resource.namespaced else [""]:
            item = kube.find(resource, one["name"], place)
            if item is not None:
                yield Object(resource=resource, kind=one["kind"], namespace=place, name=one["name"]), item


def _binds_only(binding: Manifest, accounts: Collection[tuple[str, str]]) -> bool:
    subjects: list[Manifest] = dig(binding, "subjects", default=[])
    return bool(subjects) and all(
        one.get("kind") == "ServiceAccount" and (one.get("namespace"), one.get("name")) in accounts for one in subjects
    )


def check_rights(kube: Kube, doomed: Doomed, namespace: str) -> None:
    """Refuse before anything is changed what would stop the end half-way. A request for each kind and place, at once.

    `namespace` is Cilium's. Raises `Forbidden`; the rights are named.
    """
    places = dict.fromkeys((one.resource, one.namespace) for one in doomed.objects)
    wanted = [Access(verb="delete", resource=resource, namespace=place) for resource, place in places]
    if doomed.namespace:
        wanted.append(Access(verb="delete", resource=NAMESPACES))
    wanted.append(Access(verb="patch", resource=NODES))
    wanted.append(Access(verb="create", resource=DAEMON_SETS, namespace=namespace))
    hint = "use another context, or ask for the rights; nothing was changed"
    permissions.demand(kube, wanted, by="the end of a migration", hint=hint)


@dataclass(slots=True, kw_only=True)
class Retired:
    """What is gone, what could not be deleted, with its reason, and what stays because others need it."""

    removed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


def retire(kube: Kube, doomed: Doomed) -> Retired:
    """Delete it; what cannot be deleted stops nothing else."""
    done = Retired()
    for one in doomed.objects:
        try:
            kube.delete(one.resource, one.name, one.namespace, foreground=one.kind == "DaemonSet")
            done.removed.append(str(one))
        except ClusterError as error:
            done.failed.append(f"{one}: {error.message}")
    # Its pods would make anew what is removed from their nodes.
    sets = [one for one in doomed.objects if one.kind == "DaemonSet"]
    done.failed += [f"{one}: its pods do not end" for one in sets if not _gone(kube, one)]
    if doomed.namespace:
        _retire_namespace(kube, doomed, done)
    return done


def _gone(kube: Kube, one: Object) -> bool:
    return poll(
        lambda: kube.find(one.resource, one.name, one.namespace) is None,
        bool,
        deadline=kube.deadline.within(_ENDING),
        interval=0.5,
    )


def _retire_namespace(kube: Kube, doomed: Doomed, done: Retired) -> None:
    name = doomed.namespace
    try:
        mine: list[Manifest] = [
            {"kind": one.kind, "metadata": {"name": one.name}} for one in doomed.objects if one.namespace == name
        ]
        held = foreign.held(kube, name, "", mine)
        if held.foreign or held.unknown:
            done.stays.append(f"Namespace `{name}`: {', '.join((*held.foreign, *held.unknown)[:5])} is in it")
            return
        kube.delete(NAMESPACES, name)
        done.removed.append(f"Namespace `{name}`")
    except ClusterError as error:
        done.failed.append(f"Namespace `{name}`: {error.message}")


def unmark(kube: Kube, node: str, prefix: str) -> None:
    """Take the old CNI's annotations and labels from a node."""
    found = kube.get(NODES, node)
    notes = {key: None for key in annotations_of(found) if key.startswith(prefix)}
    labels = {key: None for key in labels_of(found) if key.startswith(prefix)}
    if notes or labels:
        kube.patch(NODES, node, {"metadata": {"annotations": notes, "labels": labels}})
