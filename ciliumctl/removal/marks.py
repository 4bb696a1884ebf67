"""What Cilium writes on Node objects, and Helm knows nothing of: annotations, a taint, a condition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ciliumctl.clients.kube import NODES, Kube, Manifest, annotations_of, dig, name_of
from ciliumctl.errors import CiliumctlError, ClusterError, Conflict, NotFound
from ciliumctl.parallel import gather
from ciliumctl.removal.model import Marks

_ANNOTATIONS = ("io.cilium.", "io.cilium/", "cilium.io/", "network.cilium.io/")
# What people write themselves to configure BGP on a node.
_PEOPLES_OWN = "cilium.io/bgp-virtual-router"
_TAINTS = "node.cilium.io/"
_CONDITION = "NetworkUnavailable"
_REASON = "Cilium"
# The kubelet writes the same object all the time.
_ATTEMPTS = 5


def count(nodes: Sequence[Manifest]) -> Marks:
    """On how many nodes there is something."""
    return Marks(
        annotations=sum(bool(_annotations(node)) for node in nodes),
        taints=sum(any(_is_taint(taint) for taint in _taints(node)) for node in nodes),
        conditions=sum(any(_is_condition(one) for one in _conditions(node)) for node in nodes),
    )


def remove(kube: Kube) -> str:
    """Remove them from all nodes. The operator must be gone: it puts the taint back where an agent is missing.

    Raises:
        ClusterError: some nodes could not be changed; the others were.
    """
    nodes = [node for node in kube.objects(NODES) if count([node])]
    results = gather([partial(_clear, kube, name_of(node)) for node in nodes], limit=16)
    failed = [(name_of(node), result) for node, result in zip(nodes, results, strict=True) if result is not None]
    for _name, error in failed:
        if not isinstance(error, CiliumctlError):
            raise error
    if failed:
        name, error = failed[0]
        raise ClusterError(
            f"{len(failed)} of {len(nodes)} nodes could not be changed, `{name}` first: {error}",
            hint="run `ciliumctl uninstall` again",
        )
    return f"{len(nodes)} nodes"


def _clear(kube: Kube, name: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            _clear_once(kube, name)
        except NotFound:
            return
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _clear_once(kube: Kube, name: str) -> None:
    node = kube.get(NODES, name)
    annotations, taints = _annotations(node), _taints(node)
    patch: dict[str, object] = {}
    if annotations:
        patch["metadata"] = {"annotations": dict.fromkeys(annotations)}
    if any(_is_taint(taint) for taint in taints):
        # A list is replaced as a whole: only the one that was read.
        kept = [taint for taint in taints if not _is_taint(taint)]
        patch["metadata"] = {**dig(patch, "metadata", default={}), **_unchanged(node)}
        patch["spec"] = {"taints": kept or None}
    if patch:
        node = kube.patch(NODES, name, patch)
    conditions = _conditions(node)
    if any(_is_condition(one) for one in conditions):
        kept = [one for one in conditions if not _is_condition(one)]
        status = {"metadata": _unchanged(node), "status": {"conditions": kept}}
        kube.patch(NODES, name, status, subresource="status")


def _unchanged(node: Manifest) -> Manifest:
    """What makes the server refuse when the object is another one by now."""
    return {"resourceVersion": dig(node, "metadata", "resourceVersion", default="")}


def _annotations(node: Manifest) -> list[str]:
    return [key for key in annotations_of(node) if key.startswith(_ANNOTATIONS) and not key.startswith(_PEOPLES_OWN)]


def _taints(node: Manifest) -> list[Manifest]:
    return dig(node, "spec", "taints", default=[])


def _is_taint(taint: Manifest) -> bool:
    return str(taint.get("key", "")).startswith(_TAINTS)


def _conditions(node: Manifest) -> list[Manifest]:
    return dig(node, "status", "conditions", default=[])


def _is_condition(condition: Manifest) -> bool:
    return condition.get("type") == _CONDITION and str(condition.get("reason", "")).startswith(_REASON)
