"""Simulated nodes: objects in the API that kwok keeps alive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ciliumctl.clients.kube import NODES, Kube, Manifest
from ciliumctl.errors import Conflict
from ciliumctl.parallel import gather_all

#: What kwok looks for; also how anybody can tell that a node is not real.
ANNOTATION = "kwok.x-k8s.io/node"
_AT_ONCE = 16
_BATCH = 256


def node(number: int) -> Manifest:
    """The manifest of one simulated node."""
    name = f"node-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {ANNOTATION: "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "type": "kwok",
            },
        },
        "spec": {"providerID": f"kwok://{name}"},
    }


def create(kube: Kube, count: int, say: Callable[[int], None]) -> None:
    """Create the nodes that are missing; `say` hears how many there are."""
    for start in range(1, count + 1, _BATCH):
        batch = range(start, min(start + _BATCH, count + 1))
        gather_all([partial(_create, kube, number) for number in batch], limit=_AT_ONCE)
        say(batch[-1])


def _create(kube: Kube, number: int) -> None:
    try:
        kube.create(NODES, node(number))
    except Conflict:
        return


def ready(kube: Kube) -> int:
    """How many nodes are ready. One request."""
    return sum(1 for status in kube.table(NODES).column("status") if str(status).split(",")[0] == "Ready")
