"""Which image a node's script runs in: one that the node has, or is about to have, with the tools in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ciliumctl.clients.kube import DAEMON_SETS, NODES, Kube, Manifest, dig, name_of
from ciliumctl.errors import Missing
from ciliumctl.status.facts import AGENT_CONTAINER

_AGENT_IMAGE = re.compile(r"(^|/)cilium(/cilium)?:v?\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """An image, and the Secrets of the release's namespace that it is pulled with."""

    image: str
    pull_secrets: tuple[str, ...] = ()


def image_of(kube: Kube, namespace: str, *, wanted: str = "", manifests: Sequence[Manifest] = ()) -> NodeImage:
    """The image: the one asked for, else the agent's: of `manifests` (a rendered chart), of the cluster, of a node.

    Raises:
        Missing: no image of Cilium is known.
    """
    agent = _agent(manifests) or kube.find(DAEMON_SETS, "cilium", namespace)
    template: Manifest = dig(agent, "spec", "template", "spec", default={})
    references: list[Manifest] = dig(template, "imagePullSecrets", default=[])
    secrets = tuple(dig(one, "name", default="") for one in references)
    image = wanted or _image(template) or _most_common(kube.objects(NODES))
    if not image:
        raise Missing(
            "no image of Cilium is known for the pods that look at the nodes",
            hint="name one that the nodes can pull and that has `sh`, `ip` and `iptables`: `--node-image IMAGE`",
        )
    return NodeImage(image=image, pull_secrets=tuple(name for name in secrets if name))


def _agent(manifests: Iterable[Manifest]) -> Manifest | None:
    return next((one for one in manifests if one.get("kind") == "DaemonSet" and name_of(one) == "cilium"), None)


def _image(template: Manifest) -> str:
    containers: list[Manifest] = dig(template, "containers", default=[])
    named = [one for one in containers if one.get("name") == AGENT_CONTAINER] or containers[:1]
    return dig(named, 0, "image", default="")


def _most_common(nodes: Iterable[Manifest]) -> str:
    """After an uninstallation, nodes still have the image that their agents ran."""
    found: Counter[str] = Counter()
    for node in nodes:
        stored: list[Manifest] = dig(node, "status", "images", default=[])
        for entry in stored:
            names: list[str] = dig(entry, "names", default=[])
            tags = [name for name in names if "@" not in name and _AGENT_IMAGE.search(name)]
            found.update(tags[:1])
    return found.most_common(1)[0][0] if found else ""
