"""What the cluster is, before anything is put into it: nodes, families, Cilium and its settings, who enforces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from ciliumctl import cni, templates
from ciliumctl.agents import AGENT_CONTAINER, NO_AGENT_LABEL
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
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
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.model import Node, World
from ciliumctl.errors import Refused
from ciliumctl.lab.nodes import ANNOTATION as SIMULATED
from ciliumctl.parallel import together

#: The taint that a cordoned node has.
_CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def look(kube: Kube, settings: Settings, namespace: str) -> World:
    """Look at the cluster. Six requests, all at once.

    Raises:
        Refused: no node takes pods.
    """
    nodes, agents, config, kinds, others = together(
        lambda: list(kube.objects(NODES)),
        partial(kube.find, DAEMON_SETS, "cilium", namespace),
        partial(kube.find, CONFIG_MAPS, "cilium-config", namespace),
        kube.kinds,
        partial(_others, kube),
    )
    chosen = choose(nodes, settings)
    if not chosen and any(_simulated(node) for node in nodes):
        raise Refused(
            "the nodes are simulated: nothing runs there, and no traffic flows",
            hint="`ciliumctl lab up --provider kind` makes a lab whose pods do run",
        )
    if not chosen:
        raise Refused(
            "no node is ready and takes pods",
            hint="`kubectl get nodes` shows why; `--toleration KEY` lets the test use tainted nodes",
        )
    known: Mapping[str, str] = dig(config, "data", default={})
    return World(
        nodes=tuple(chosen),
        families=tuple(family for family in _families(nodes, chosen) if family in settings.families),
        cilium=agents is not None,
        cilium_namespace=namespace if agents is not None else "",
        version=_version(agents),
        config=known,
        served=frozenset(kinds),
        no_policies=_no_policies(agents, known, others),
        external=settings.external,
        outside=next((_node(node) for node in nodes if _leaves_alone(node)), None),
    )


def _version(agents: Manifest | None) -> tuple[int, ...]:
    """Cilium's minor version, by the tag of the agents' image; empty when it has none."""
    containers: list[Manifest] = dig(agents or {}, "spec", "template", "spec", "containers", default=[])
    images = [str(one.get("image")) for one in containers if one.get("name") == AGENT_CONTAINER]
    found = re.search(r":v(\d+)\.(\d+)", images[0]) if images else None
    return (int(found[1]), int(found[2])) if found else ()


def _others(kube: Kube) -> tuple[cni.OtherCni, ...]:
    return cni.in_charge(kube)


def choose(nodes: Sequence[Manifest], settings: Settings) -> list[Node]:
    """The nodes that take part, at most two: as named, else workers before control planes, by name."""
    found = able(nodes, settings)
    if settings.nodes:
        by_name = {node.name: node for node in found}
        return [by_name[name] for name in settings.nodes if name in by_name]
    return found[: 1 if settings.single_node else 2]


def able(nodes: Sequence[Manifest], settings: Settings) -> list[Node]:
    """The nodes that can take part: workers before control planes, in the order of their names."""
    found = [node for node in nodes if _able(node, settings)]
    found.sort(key=lambda node: (any(key in labels_of(node) for key in _CONTROL_PLANE), name_of(node)))
    return [_node(node) for node in found]


def _simulated(node: Manifest) -> bool:
    return SIMULATED in annotations_of(node)


def _leaves_alone(node: Manifest) -> bool:
    """Whether it is outside of the CNI's network, and its kubelet answers; without a CNI it is never Ready."""
    status = dig(conditions_of(node).get("Ready"), "status", default="")
    return labels_of(node).get(NO_AGENT_LABEL) == "true" and status in {"True", "False"} and not _simulated(node)


def _able(node: Manifest, settings: Settings) -> bool:
    found = labels_of(node)
    if _simulated(node) or found.get(NO_AGENT_LABEL) == "true":
        return False
    if any(found.get(key) != value for key, value in settings.node_selector.items()):
        return False
    if found.get("kubernetes.io/os", "linux") != "linux":
        return False
    if dig(node, "spec", "unschedulable", default=False) and not any(
        _tolerates(toleration, _CORDONED) for toleration in settings.tolerations
    ):
        return False
    if dig(conditions_of(node).get("Ready"), "status", default="") != "True":
        return False
    taints: list[Manifest] = dig(node, "spec", "taints", default=[])
    hard = [taint for taint in taints if taint.get("effect") in {"NoSchedule", "NoExecute"}]
    return all(any(_tolerates(toleration, taint) for toleration in settings.tolerations) for taint in hard)


def _tolerates(toleration: Mapping[str, str], taint: Manifest) -> bool:
    if toleration.get("key") not in {None, "", taint.get("key")}:
        return False
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _node(node: Manifest) -> Node:
    addresses: dict[int, str] = {}
    for address in addresses_of(node):
        addresses.setdefault(6 if ":" in address else 4, address)
    hostname = labels_of(node).get("kubernetes.io/hostname", name_of(node))
    return Node(name=name_of(node), addresses=addresses, hostname=hostname)


def _families(nodes: Sequence[Manifest], chosen: Sequence[Node]) -> list[int]:
    """The families that pods will have, as far as can be known before there is one."""
    names = {node.name for node in chosen}
    ranges: list[list[str]] = [dig(node, "spec", "podCIDRs", default=[]) for node in nodes if name_of(node) in names]
    found = {6 if ":" in entry else 4 for each in ranges for entry in each}
    return sorted(found or {family for node in chosen for family in node.addresses})


def _no_policies(agents: Manifest | None, config: Mapping[str, str], others: Sequence[cni.OtherCni]) -> str:
    """Why no policy is enforced here, as far as it is known. An unknown CNI is tested: better once too often."""
    if agents is not None:
        never = config.get("enable-policy", "default") == "never"
        return "Cilium enforces no policies (`enable-policy: never`)" if never else ""
    without = templates.load("connectivity/without-policies.yaml")
    named = [other.name for other in others if other.name in without]
    return f"{named[0]} enforces no policies" if named and len(named) == len(others) else ""
