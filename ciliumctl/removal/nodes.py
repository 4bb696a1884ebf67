"""Clean the nodes: what Cilium left there, by a pod on each, once its agents are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ciliumctl import nodework
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Refused
from ciliumctl.nodefacts.reading import paths_of
from ciliumctl.nodework import NodeImage
from ciliumctl.nodework.model import members
from ciliumctl.removal.model import NodeCleaned
from ciliumctl.report import Reporter

#: What stays on nodes that nobody cleans.
RESIDUE = (
    "CNI configuration `/etc/cni/net.d/05-cilium.conflist` and the binary `cilium-cni`",
    "other CNIs' configurations renamed to `*.cilium_bak`",
    "BPF maps and programs, the links `cilium_*` and `lxc*`, iptables chains `CILIUM_*`, routes and rules",
)
_SECONDS = 240.0


def clean(
    kube: Kube,
    image: NodeImage,
    *,
    namespace: str,
    values: Mapping[str, Any],
    owner: str,
    report: Reporter,
    only: Sequence[str] = (),
) -> tuple[NodeCleaned, ...]:
    """Clean all nodes, or those named. A node where an agent still runs is left alone, and told.

    The caller holds the lock: what other runs left on the nodes is taken away first.

    Raises:
        Forbidden: this user may not make the pods.
    """
    work = nodework.Work(
        task="clean",
        title="Cleaning the nodes",
        image=image.image,
        pull_secrets=image.pull_secrets,
        namespace=namespace,
        environ=folders(values),
        writes=True,
        seconds=_SECONDS,
    )
    done = nodework.run(kube, work, owner=owner, report=report, only=only, alone=True)
    return tuple(cleaned(one) for one in done.nodes)


def folders(values: Mapping[str, Any]) -> dict[str, str]:
    """The node's folders, as Cilium was told them.

    Raises:
        Refused: all below the agent's is removed, and its name does not say that it is Cilium's alone.
    """
    paths = paths_of(values)
    path = paths["RUN_PATH"]
    if "cilium" not in path.rpartition("/")[2]:
        raise Refused(
            f"the agent's folder `{path}` (`daemon.runPath`) does not have `cilium` in its name: others may use it too",
            hint="leave out `--clean-nodes`, and start the nodes anew",
        )
    return paths


def cleaned(run: nodework.NodeRun) -> NodeCleaned:
    """What one node's report says."""
    said = members(run.answer)
    return NodeCleaned(
        node=run.node,
        outcome=run.outcome,
        reason=run.reason,
        detail=run.detail,
        removed=_lines(said.get("removed")),
        left=_lines(said.get("left")),
        kept=_lines(said.get("kept")),
    )


def _lines(value: Any) -> tuple[str, ...]:
    text = value if isinstance(value, str) else ""
    return tuple(dict.fromkeys(line.strip() for line in text.split("\n") if line.strip()))
