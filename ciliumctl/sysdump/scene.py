"""What there is to collect from: namespaces, pods, kinds, and which nodes are asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    Kube,
    Manifest,
    Resource,
    conditions_of,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.errors import CiliumctlError, UsageError
from ciliumctl.parallel import gather
from ciliumctl.status.facts import component_of
from ciliumctl.sysdump.result import Lacking

#: Nodes whose agents are asked when nobody said which: a thousand agents say the same thing a thousand times.
NODES_ASKED = 20
MEBIBYTE = 1024 * 1024
#: Bytes of an archive, when nobody said how many.
MAX_SIZE = 100 * MEBIBYTE
ALL = "all"
# Names in a hint.
_SHOWN = 10
# What marks the namespaces of connectivity tests (ciliumctl.connectivity.session).
_TESTS = "ciliumctl.io/connectivity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to collect.

    `nodes` empty is a choice of at most 20, `all` is every one; `since` 0 is whole logs. `path` is where the archive
    goes, `extra` are texts that come along, by their file's name. `seconds` end it, as does the client's own deadline.
    """

    namespace: str
    release: str
    path: Path = Path()
    storage: Resource = SECRETS
    nodes: tuple[str, ...] = ()
    since: float = 0.0
    max_size: int = MAX_SIZE
    seconds: float = math.inf
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is there. `pods` are Cilium's, `agents` the agent's pod by node, `nodes` those that are asked."""

    version: str
    cilium: bool
    hubble: bool
    kinds: Mapping[tuple[str, str], Resource]
    pods: tuple[Manifest, ...]
    agents: Mapping[str, str]
    nodes: tuple[str, ...]
    tests: tuple[str, ...]
    lacking: tuple[Lacking, ...]

    def kind_of(self, resource: Resource) -> str:
        """A kind's name; empty when it is not known."""
        return next((kind for (_version, kind), one in self.kinds.items() if one == resource), "")


def look(kube: Kube, wanted: Wanted) -> Scene:
    """Look around. Six requests, and one more for nodes by name; what cannot be read is told, and the rest goes on.

    Raises:
        ClusterError: the cluster cannot be reached, or does not know us. UsageError: there is no such node.
    """
    version = kube.version()
    asked: dict[str, Any] = {
        "the kinds of objects": kube.kinds,
        f"the DaemonSet `cilium` in namespace `{wanted.namespace}`": partial(
            kube.find, DAEMON_SETS, "cilium", wanted.namespace
        ),
        f"the ConfigMap `cilium-config` in namespace `{wanted.namespace}`": partial(
            kube.find, CONFIG_MAPS, "cilium-config", wanted.namespace
        ),
        f"the pods in namespace `{wanted.namespace}`": lambda: list(kube.objects(PODS, wanted.namespace)),
        "the namespaces of connectivity tests": lambda: list(
            kube.objects(NAMESPACES, labels=_TESTS, metadata_only=True)
        ),
    }
    named = [node for node in wanted.nodes if node != ALL]
    if named:
        asked["the nodes"] = lambda: [name_of(node) for node in kube.objects(NODES, metadata_only=True)]
    found = gather(list(asked.values()))
    lacking = []
    for what, one in zip(asked, found, strict=True):
        if isinstance(one, CiliumctlError):
            lacking.append(Lacking(file="", about=what, reason=one.message))
        elif isinstance(one, Exception):
            raise one
    kinds, agents_set, config, pods, tests, *nodes = (None if isinstance(one, Exception) else one for one in found)
    for known in nodes:
        _check_names(named, known)
    ours = [pod for pod in pods or () if _ours(pod)]
    agents = {_node(pod): pod for pod in ours if _agent(pod) and _node(pod)}
    if agents:
        without = [node for node in named if node not in agents]
        lacking += [Lacking(file=f"agents/{node}", about="the agent", reason="no agent runs there") for node in without]
    return Scene(
        version=version,
        cilium=agents_set is not None or bool(agents),
        hubble=dig(config, "data", "enable-hubble", default="") == "true",
        kinds=kinds or {},
        pods=tuple(ours),
        agents={node: name_of(pod) for node, pod in sorted(agents.items())},
        nodes=_chosen(agents, wanted.nodes),
        tests=tuple(name_of(one) for one in tests or ()),
        lacking=tuple(lacking),
    )


def _check_names(named: Sequence[str], known: Sequence[str] | None) -> None:
    """Raises `UsageError` for a name that no node has; where the nodes cannot be listed, nobody knows."""
    for name in named:
        if known is not None and name not in known:
            some = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
            raise UsageError(f"there is no node `{name}`", hint=f"the nodes are {some}" if some else "")


def _ours(pod: Manifest) -> bool:
    found = labels_of(pod)
    return found.get("app.kubernetes.io/part-of") == "cilium" or _agent(pod) or component_of(name_of(pod)) != ""


def _agent(pod: Manifest) -> bool:
    return labels_of(pod).get("k8s-app") == "cilium" or component_of(name_of(pod)) == "agent"


def _node(pod: Manifest) -> str:
    return dig(pod, "spec", "nodeName", default="")


def _chosen(agents: Mapping[str, Manifest], wanted: Sequence[str]) -> tuple[str, ...]:
    """The nodes that are asked: those that were named, or some, those whose agents are not well first."""
    if ALL in wanted:
        return tuple(sorted(agents))
    if wanted:
        return tuple(name for name in wanted if name in agents)

    def well(node: str) -> bool:
        return dig(conditions_of(agents[node]).get("Ready"), "status", default="") == "True"

    return tuple(sorted(sorted(agents, key=lambda node: (well(node), node))[:NODES_ASKED]))
