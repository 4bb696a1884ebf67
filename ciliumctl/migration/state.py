"""Where a migration stands, kept in the cluster: a ConfigMap for the whole, a label and an annotation for each node.

A run can be killed anywhere: the next one reads this, from whatever machine it runs on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from ciliumctl.agents import NO_AGENT_LABEL
from ciliumctl.change.batches import is_control_plane, natural, ordered
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    NODES,
    Kube,
    Manifest,
    addresses_of,
    annotations_of,
    conditions_of,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.errors import NotFound, Refused
from ciliumctl.lab.nodes import ANNOTATION as SIMULATED
from ciliumctl.lock import NAMESPACE
from ciliumctl.migration.model import HALF_WAY, NewNetwork, OldNetwork, Phase, State

NAME = "ciliumctl-migration"
#: The label of Cilium's own guide: the CiliumNodeConfig is for nodes that have it.
LABEL = "io.cilium.migration/cilium-default"
CONFIG = "cilium-default"
#: Where a node stands, and whether somebody had cordoned it before we did.
PHASE = "ciliumctl.io/migration"
CORDONED = "ciliumctl.io/migration-cordoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the migration."""

    name: str
    phase: Phase
    ready: bool
    cordoned: bool
    control_plane: bool
    labelled: bool
    simulated: bool
    pod_ranges: tuple[str, ...]
    addresses: tuple[str, ...]


def read(kube: Kube) -> State | None:
    """The migration under way; `None` when there is none. One request."""
    found = kube.find(CONFIG_MAPS, NAME, NAMESPACE)
    if found is None:
        return None
    try:
        said = json.loads(dig(found, "data", "state", default=""))
        return State(
            old=OldNetwork(**_tuples(said["old"], "ranges", "daemon_sets")),
            new=NewNetwork(**_tuples(said["new"], "ranges", "why")),
            families=tuple(said["families"]),
            began=said["began"],
            who=said["who"],
        )
    except (ValueError, TypeError, KeyError):
        raise Refused(
            f"the record of the migration cannot be read: ConfigMap `{NAMESPACE}/{NAME}`",
            hint="another version of ciliumctl may have written it: go on with that one",
        ) from None


def _tuples(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: tuple(value) if key in names else value for key, value in said.items()}


def needed(kube: Kube) -> State:
    """The migration under way. Raises `NotFound` when there is none."""
    found = read(kube)
    if found is None:
        raise NotFound(
            "no migration has begun on this cluster",
            hint="`ciliumctl migrate plan` shows what it would do, `ciliumctl migrate start` begins it",
        )
    return found


def write(kube: Kube, state: State) -> None:
    """Keep it. One request."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "ciliumctl"}},
        "data": {"state": json.dumps(asdict(state))},
    }
    kube.apply(CONFIG_MAPS, manifest, NAMESPACE, force=True)


def forget(kube: Kube) -> bool:
    """Delete the record. Returns whether there was one."""
    return kube.delete(CONFIG_MAPS, NAME, NAMESPACE)


def begun(old: OldNetwork, new: NewNetwork, families: tuple[int, ...], who: str) -> State:
    """The record of a migration that begins now."""
    return State(old=old, new=new, families=families, began=datetime.now(UTC).isoformat(timespec="seconds"), who=who)


def nodes(kube: Kube) -> tuple[Node, ...]:
    """The nodes that take part, in the order of their turns: control planes last. One request for 500 nodes."""
    return split(kube)[0]


def split(kube: Kube) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes that take part, as `nodes`, and the names of the others: no Linux nodes, or without Cilium by a label.

    One request for 500 nodes.
    """
    by_name: dict[str, Manifest] = {}
    outside: list[str] = []
    for node in kube.objects(NODES):
        if _takes_part(node):
            by_name[name_of(node)] = node
        else:
            outside.append(name_of(node))
    inside = tuple(_node(by_name[name]) for name in ordered(list(by_name.values()), "workers-first"))
    return inside, tuple(sorted(outside, key=natural))


def node(kube: Kube, name: str) -> Node:
    """One node. Raises `NotFound`, also for one that takes no part."""
    found = kube.get(NODES, name)
    if not _takes_part(found):
        raise NotFound(f"node `{name}` is not Cilium's: it is no Linux node, or labelled `{NO_AGENT_LABEL}`")
    return _node(found)


def _takes_part(node: Manifest) -> bool:
    labels = labels_of(node)
    return labels.get("kubernetes.io/os", "linux") == "linux" and labels.get(NO_AGENT_LABEL) != "true"


def _node(node: Manifest) -> Node:
    labels, notes = labels_of(node), annotations_of(node)
    labelled = labels.get(LABEL) == "true"
    said = notes.get(PHASE, "")
    # A node that was labelled by hand, as the guide has it, is half-way: nothing was tested.
    phase = said if said in {"moving", "migrated", "undoing"} else "moving" if labelled else "waiting"
    return Node(
        name=name_of(node),
        phase=cast("Phase", phase),
        ready=dig(conditions_of(node).get("Ready"), "status", default="") == "True",
        cordoned=dig(node, "spec", "unschedulable", default=False),
        control_plane=is_control_plane(node),
        labelled=labelled,
        simulated=SIMULATED in notes,
        pod_ranges=tuple(dig(node, "spec", "podCIDRs", default=[])),
        addresses=tuple(addresses_of(node)),
    )


def take(kube: Kube, node: Node, phase: Phase) -> None:
    """Mark and cordon a node, in one request: that it was cordoned before us is kept, also over a second run."""
    notes: dict[str, str] = {PHASE: phase}
    if node.cordoned and node.phase not in HALF_WAY:
        notes[CORDONED] = "true"
    kube.patch(NODES, node.name, {"metadata": {"annotations": notes}, "spec": {"unschedulable": True}})


def label(kube: Kube, node: str, *, on: bool) -> None:
    """Let the CiliumNodeConfig be for the node, or no more."""
    kube.patch(NODES, node, {"metadata": {"labels": {LABEL: "true" if on else None}}})


def give_back(kube: Kube, node: str, phase: Phase) -> None:
    """Say that a node is done, and let pods come to it again unless somebody had cordoned it before us."""
    kept = annotations_of(kube.get(NODES, node)).get(CORDONED) == "true"
    notes = {PHASE: None if phase == "waiting" else phase, CORDONED: None}
    kube.patch(NODES, node, {"metadata": {"annotations": notes}, "spec": {"unschedulable": True if kept else None}})


def unmark(kube: Kube, node: str) -> None:
    """Take every mark of the migration from a node."""
    marks = {"labels": {LABEL: None}, "annotations": {PHASE: None, CORDONED: None}}
    kube.patch(NODES, node, {"metadata": marks})


def chosen(known: Sequence[Node], names: Sequence[str]) -> list[Node]:
    """The nodes that are named, in the order of their turns. Raises `NotFound` for a name that none has."""
    by_name = {one.name: one for one in known}
    missing = [name for name in dict.fromkeys(names) if name not in by_name]
    if missing:
        raise NotFound(
            f"there is no node `{missing[0]}` that takes part",
            hint=f"these do: {', '.join(sorted(by_name, key=natural)[:8])}; `ciliumctl migrate status` lists them",
        )
    return [one for one in known if one.name in names]
