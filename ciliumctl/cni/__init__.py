"""Other CNIs: which one is in charge of the nodes, seen by its DaemonSets, its CRDs and its marks on nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    NODES,
    Kube,
    Manifest,
    annotations_of,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.parallel import gather_all, together

#: With this selector the AWS VPC CNI runs nowhere.
AWS_SELECTOR = "io.cilium/aws-node-enabled"
# Nodes that are looked at.
_SAMPLE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCni:
    """A CNI that is not Cilium. `blocks` tells whether Cilium cannot be installed beside it.

    `running` is false where only its CRDs are left; `beside` is one that is made to stay, such as Multus. `configs`
    are the ConfigMaps, as (namespace, name), that it usually has its configuration in.
    """

    name: str
    evidence: tuple[str, ...]
    advice: str
    blocks: bool
    running: bool = True
    beside: bool = False
    pods: int = 0
    configs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The other CNIs that are there, and what they are seen by besides their DaemonSets.

    `daemon_sets` are those of each, by its name in `templates/cnis.yaml`; `groups` the API groups, `nodes` the metadata
    of a few nodes.
    """

    others: tuple[OtherCni, ...]
    daemon_sets: Mapping[str, tuple[Manifest, ...]]
    groups: Mapping[str, tuple[str, ...]]
    nodes: tuple[Manifest, ...]


def look(kube: Kube) -> Seen:
    """The other CNIs that are there, with what was read to see them. Three requests."""
    sets, groups, nodes = together(lambda: list(kube.objects(DAEMON_SETS)), kube.groups, partial(_some_nodes, kube))
    entries: list[Mapping[str, Any]] = templates.load("cnis.yaml")
    mine = {entry["name"]: tuple(item for item in sets if _matches(entry, item)) for entry in entries}
    found = [_look(entry, mine[entry["name"]], groups, nodes) for entry in entries]
    return Seen(
        others=tuple(cni for cni in found if cni is not None), daemon_sets=mine, groups=groups, nodes=tuple(nodes)
    )


def in_charge(kube: Kube) -> tuple[OtherCni, ...]:
    """The other CNIs that are there. Three requests."""
    return look(kube).others


def _some_nodes(kube: Kube) -> list[Manifest]:
    """A few nodes: marks that a CNI leaves are on all of them."""
    return list(islice(kube.objects(NODES, metadata_only=True, limit=_SAMPLE), _SAMPLE))


def _look(
    entry: Mapping[str, Any], mine: Sequence[Manifest], groups: Mapping[str, Any], nodes: list[Manifest]
) -> OtherCni | None:
    evidence = [_described(item) for item in mine]
    annotation = entry.get("annotation", "")
    marked = [name_of(node) for node in nodes if annotation and annotation in annotations_of(node)]
    if marked and not evidence:
        evidence.append(f"annotation `{annotation}` on node `{marked[0]}`")
    running = bool(evidence)
    evidence += [f"API group `{group}`" for group in entry.get("groups", ()) if group in groups]
    if not evidence:
        return None
    return OtherCni(
        name=entry["name"],
        evidence=tuple(evidence),
        advice=entry["advice"],
        blocks=running and entry.get("blocks", True),
        running=running,
        beside=entry.get("beside", False),
        pods=sum(dig(item, "status", "desiredNumberScheduled", default=0) for item in mine),
        configs=tuple((namespace_of(item), name) for item in mine for name in entry.get("configs", ())),
    )


def configurations(kube: Kube, others: Sequence[OtherCni]) -> tuple[str, ...]:
    """The ConfigMaps that other CNIs keep their configuration in, of those that are there. One request each."""
    wanted = [config for other in others if other.blocks for config in other.configs]
    found = gather_all([partial(kube.find, CONFIG_MAPS, name, place) for place, name in wanted])
    return tuple(f"ConfigMap `{place}/{name}`" for (place, name), item in zip(wanted, found, strict=True) if item)


def _matches(entry: Mapping[str, Any], item: Manifest) -> bool:
    if dig(item, "status", "desiredNumberScheduled", default=0) == 0:
        return False
    selector: dict[str, str] = dig(item, "spec", "template", "spec", "nodeSelector", default={})
    if AWS_SELECTOR in selector:
        return False
    if any(fnmatchcase(name_of(item), pattern) for pattern in entry.get("daemonsets", ())):
        return True
    return any(fnmatchcase(image, pattern) for image in _images(item) for pattern in entry.get("images", ()))


def _images(item: Manifest) -> list[str]:
    containers: list[Manifest] = dig(item, "spec", "template", "spec", "containers", default=[])
    return [dig(container, "image", default="") for container in containers]


def _described(item: Manifest) -> str:
    return f"DaemonSet `{namespace_of(item)}/{name_of(item)}`"
