"""Which image a node's script runs in: one that the node has, or is about to have, with the tools in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl.agents import AGENT_CONTAINER
from ciliumctl.clients.kube import DAEMON_SETS, NODES, Kube, Manifest, dig, name_of
from ciliumctl.errors import Missing

_AGENT_IMAGE = re.compile(r"(^|/)cilium(/cilium)?:v?\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """An image, and the Secrets of the release's namespace that it is pulled with."""

    image: str
    pull_secrets: tuple[str, ...] = ()


def image_of(
    kube: Kube,
    namespace: str,
    *,
    wanted: str = "",
    manifests: Sequence[Manifest] = (),
    values: Mapping[str, Any] | None = None,
) -> NodeImage:
    """The image asked for, else the agent's: of a chart's `values`, of rendered `manifests`, of the cluster, of a node.

    Raises:
        Missing: no image of Cilium is known.
    """
    references: list[Manifest]
    if values:
        image, references = _of_values(values), dig(values, "imagePullSecrets", default=[])
    else:
        agent = _agent(manifests) or kube.find(DAEMON_SETS, "cilium", namespace)
        template: Manifest = dig(agent, "spec", "template", "spec", default={})
        image, references = _image(template), dig(template, "imagePullSecrets", default=[])
    image = wanted or image or _most_common(kube.objects(NODES))
    if not image:
        raise Missing(
            "no image of Cilium is known for the pods that look at the nodes",
            hint="name one that the nodes can pull and that has `sh`, `ip` and `iptables`: `--node-image IMAGE`",
        )
    secrets = (dig(one, "name", default="") for one in references)
    return NodeImage(image=image, pull_secrets=tuple(name for name in secrets if name))


def _of_values(values: Mapping[str, Any]) -> str:
    """As the charts' own helper puts it together."""
    said: Mapping[str, Any] = dig(values, "image", default={})
    name, tag = dig(said, "repository", default=""), dig(said, "tag", default="")
    digest = dig(said, "digest", default="") if said.get("useDigest") else ""
    if said.get("override"):
        return str(said["override"])
    return f"{name}:{tag}{f'@{digest}' if digest else ''}" if name and tag else ""


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
