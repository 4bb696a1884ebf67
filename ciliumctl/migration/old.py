"""What the other CNI's network is: its ranges, its back-end and its port, from where it writes them down itself.

Where that is comes from `templates/migration/`: one file a CNI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ciliumctl import cni, templates
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    NODES,
    Kube,
    Manifest,
    Resource,
    annotations_of,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.errors import AnotherCni, NotFound, Refused, UsageError
from ciliumctl.migration.model import OldNetwork
from ciliumctl.migration.ranges import collapsed

#: Nodes whose marks and ranges are looked at: a sample, where the CNI writes its range down nowhere.
_SAMPLE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What one source says."""

    source: str
    ranges: tuple[str, ...] = ()
    backend: str = ""
    port: int = 0
    mtu: int = 0


def origins() -> list[str]:
    """What `--from` knows."""
    return templates.names("migration")


def entry_of(origin: str) -> Mapping[str, Any]:
    """What is known of an origin. Raises `UsageError`."""
    if origin not in origins():
        raise UsageError(
            f"`{origin}` is no CNI that a migration from is known", hint=f"choose one of {', '.join(origins())}"
        )
    found: Mapping[str, Any] = templates.load(f"migration/{origin}.yaml")
    return found


def resource_of(entry: Mapping[str, Any]) -> Resource:
    """The kind that an entry of a template names."""
    return Resource(entry["group"], entry["version"], entry["plural"], namespaced=entry.get("namespaced", False))


def look(kube: Kube, origin: str = "") -> OldNetwork:
    """The network to migrate from: `origin`, or what is in charge where none is named. Some five requests.

    Raises:
        NotFound: that CNI, or any, is not in charge. AnotherCni: another one is, too. Refused: its range is not known.
    """
    seen = cni.look(kube)
    found = [other for other in seen.others if other.blocks]
    chosen = origin or _only(found)
    entry = entry_of(chosen)
    mine = [other for other in found if other.name == entry["cni"]]
    if not mine:
        there = ", ".join(other.name for other in found) or "no other CNI"
        raise NotFound(
            f"{entry['cni']} is not in charge here: {there} is",
            hint="`ciliumctl detect` and `-o wide` show the evidence",
        )
    rest = [other.name for other in found if other.name != entry["cni"]]
    if rest:
        raise AnotherCni(
            f"beside {entry['cni']}, {', '.join(rest)} is in charge, too",
            hint="retire it first: one CNI is migrated from",
        )
    return _network(kube, chosen, entry, seen.daemon_sets[entry["cni"]])


def _only(found: Sequence[cni.OtherCni]) -> str:
    by_name = {entry_of(origin)["cni"]: origin for origin in origins()}
    known = [by_name[other.name] for other in found if other.name in by_name]
    if len(known) == 1:
        return known[0]
    if not found:
        raise NotFound(
            "no other CNI is in charge here: there is nothing to migrate from",
            hint="`ciliumctl status` shows whether Cilium has the network already; else `ciliumctl install`",
        )
    there = ", ".join(other.name for other in found)
    raise NotFound(
        f"the CNI to migrate from is not clear: in charge is {there}",
        hint=f"name it with `--from {'|'.join(origins())}`; others cannot be migrated from",
    )


def _network(kube: Kube, origin: str, entry: Mapping[str, Any], sets: Sequence[Manifest]) -> OldNetwork:
    nodes = list(islice(kube.objects(NODES), _SAMPLE))
    read = next((one for one in _reads(kube, entry, sets) if one.ranges or one.backend), None) or _Read(source="")
    ranges, source = read.ranges, read.source
    if not ranges and entry.get("ranges"):
        ranges, source = tuple(entry["ranges"]), "its default"
    if not ranges:
        listed: list[str] = [str(text) for node in nodes for text in dig(node, "spec", "podCIDRs") or ()]
        ranges, source = collapsed(listed), "the nodes' `spec.podCIDRs`"
    if not ranges:
        raise Refused(
            f"the pod range of {entry['cni']} is written down nowhere that is known",
            hint="without it nobody can say which pods are still in it; nodes with `spec.podCIDRs` would tell",
        )
    marked = [annotations_of(node).get(entry.get("annotation", ""), "") for node in nodes]
    backend = read.backend or next((mark for mark in marked if mark), "") or entry["backend"]
    return OldNetwork(
        origin=origin,
        name=entry["cni"],
        backend=backend,
        ranges=ranges,
        source=source,
        port=read.port or entry["ports"].get(backend, 0),
        mtu=read.mtu,
        daemon_sets=tuple(f"{namespace_of(item)}/{name_of(item)}" for item in sets),
        proved=entry["proved"].get(backend, ""),
    )


def _reads(kube: Kube, entry: Mapping[str, Any], sets: Sequence[Manifest]) -> Iterator[_Read]:
    readers = {"configmap": _of_config_map, "objects": _of_objects, "environment": _of_environment}
    for how in entry["reads"]:
        yield from readers[how["from"]](kube, how, sets)


def _of_config_map(kube: Kube, how: Mapping[str, Any], sets: Sequence[Manifest]) -> Iterator[_Read]:
    for place in dict.fromkeys(namespace_of(item) for item in sets):
        for name in how["names"]:
            found = kube.find(CONFIG_MAPS, name, place)
            try:
                said = json.loads(dig(found, "data", how["key"], default=""))
            except ValueError:
                continue
            texts = [str(dig(said, *key.split("."), default="")) for key in how["ranges"]]
            if dig(said, how["ipv6"]) is not True:
                texts = [text for text in texts if ":" not in text]
            yield _Read(
                source=f"ConfigMap `{place}/{name}`",
                ranges=tuple(text for text in texts if text),
                backend=str(dig(said, *how["backend"].split("."), default="")).lower(),
                port=dig(said, *how["port"].split("."), default=0),
                mtu=dig(said, *how["mtu"].split("."), default=0),
            )


def _of_objects(kube: Kube, how: Mapping[str, Any], _sets: Sequence[Manifest]) -> Iterator[_Read]:
    try:
        items = list(kube.objects(resource_of(how["resource"])))
    except NotFound:
        return
    ranges = [dig(item, *key.split("."), default="") for item in items for key in how["ranges"]]
    on = [
        backend
        for item in items
        for backend, key in how["backends"].items()
        if dig(item, *key.split("."), default="Never") not in {"Never", ""}
    ]
    yield _Read(
        source=f"its {how['resource']['plural']}",
        ranges=tuple(text for text in ranges if text),
        backend=(on or [""])[0],
    )


def _of_environment(_kube: Kube, how: Mapping[str, Any], sets: Sequence[Manifest]) -> Iterator[_Read]:
    for item in sets:
        containers: list[Manifest] = dig(item, "spec", "template", "spec", "containers", default=[])
        for container in containers:
            variables: list[Manifest] = dig(container, "env", default=[])
            said = {str(one.get("name")): str(one.get("value", "")) for one in variables}
            ranges = tuple(said[name] for name in how["ranges"] if said.get(name))
            yield _Read(source=f"DaemonSet `{namespace_of(item)}/{name_of(item)}`", ranges=ranges)
