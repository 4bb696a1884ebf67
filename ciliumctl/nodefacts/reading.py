"""Read the facts of all nodes: a pod on each, for a moment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl import nodework
from ciliumctl.clients.kube import NODES, Kube
from ciliumctl.errors import ClusterError, Missing, UsageError
from ciliumctl.nodefacts import kernel, ports
from ciliumctl.nodefacts.parsing import NodeFacts, parse
from ciliumctl.nodework import NodeRun
from ciliumctl.report import Reporter
from ciliumctl.values.paths import get

CNI_CONF = "/etc/cni/net.d"
CNI_BIN = "/opt/cni/bin"
RUN_PATH = "/var/run/cilium"
# A path that is told to a shell: nothing in it may be more than a path.
_PATH = re.compile(r"/[\w./\-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReports:
    """The facts of the nodes that could be looked at, and how it went on each of all nodes.

    `problem` says why no node could be, with a `hint`.
    """

    facts: tuple[NodeFacts, ...] = ()
    runs: tuple[NodeRun, ...] = ()
    image: str = ""
    problem: str = ""
    hint: str = ""


def paths_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The folders that Cilium is told, for a script: `CNI_CONF`, `CNI_BIN` and `RUN_PATH`."""
    return {
        "CNI_CONF": _path(values, ("cni", "confPath"), CNI_CONF),
        "CNI_BIN": _path(values, ("cni", "binPath"), CNI_BIN),
        "RUN_PATH": _path(values, ("daemon", "runPath"), RUN_PATH),
    }


def _path(values: Mapping[str, Any], key: tuple[str, ...], default: str) -> str:
    found = str(get(values, key) or default).rstrip("/")
    return found if _PATH.fullmatch(found) and ".." not in found and found.count("/") > 1 else default


def check_names(kube: Kube, names: Sequence[str]) -> None:
    """Raise `UsageError` for a name that no node has. One request for each."""
    for name in names:
        if kube.find(NODES, name) is None:
            raise UsageError(f"there is no node `{name}`", hint="`kubectl get nodes` lists them")


def read(
    kube: Kube, *, namespace: str, values: Mapping[str, Any], owner: str, report: Reporter, node_image: str = ""
) -> NodeReports:
    """As `collect`; what keeps all of it from being done is in the result."""
    try:
        return collect(kube, namespace=namespace, values=values, owner=owner, report=report, node_image=node_image)
    except (Missing, ClusterError) as error:
        return NodeReports(problem=error.message, hint=error.hint)


def collect(
    kube: Kube,
    *,
    namespace: str,
    values: Mapping[str, Any],
    owner: str,
    report: Reporter,
    node_image: str = "",
    only: Sequence[str] = (),
) -> NodeReports:
    """Look at every node, or at those of `only`. Makes a namespace and a DaemonSet, and takes them away again.

    `values` are the chart's with the user's on top: their image of the agent is what runs, unless `node_image` names
    another. Without values it is the image of the agents that are there.

    Raises:
        Missing: no image is known, or nothing can run on a node.
        ClusterError: the cluster does not let us.
    """
    told = {
        "OPTIONS": "|".join(kernel.every_option()),
        "PORTS": "|".join(f"{number:04X}" for number in ports.numbers(values)),
    }
    image = nodework.image_of(kube, namespace, wanted=node_image, values=values)
    work = nodework.Work(
        task="collect",
        title="Looking at the nodes",
        image=image.image,
        pull_secrets=image.pull_secrets,
        namespace=namespace,
        environ=told | paths_of(values),
    )
    done = nodework.run(kube, work, owner=owner, report=report, only=only)
    facts = tuple(parse(one.node, one.answer) for one in done.nodes if one.outcome == "done")
    return NodeReports(facts=facts, runs=done.nodes, image=image.image)
