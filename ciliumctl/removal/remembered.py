"""What only the release tells, and is wanted until all nodes are clean: its folders on them, its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ciliumctl.clients.kube import CONFIG_MAPS, Kube, Manifest, dig
from ciliumctl.nodefacts.reading import paths_of

NAME = "ciliumctl-nodes"
#: It is always there: the release's own may go.
NAMESPACE = "kube-system"
_KEYS = {"CNI_CONF": ("cni", "confPath"), "CNI_BIN": ("cni", "binPath"), "RUN_PATH": ("daemon", "runPath")}


def keep(kube: Kube, values: Mapping[str, Any], image: str = "") -> None:
    """Write it down, instead of what an earlier release had."""
    data = {**paths_of(values), **({"IMAGE": image} if image else {})}
    forget(kube)
    labels = {"app.kubernetes.io/managed-by": "ciliumctl"}
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": labels},
        "data": data,
    }
    kube.create(CONFIG_MAPS, manifest, NAMESPACE)


def forget(kube: Kube) -> None:
    """Take it away: all nodes are clean, or there is nothing that needs to be known."""
    if kube.find(CONFIG_MAPS, NAME, NAMESPACE) is not None:
        kube.delete(CONFIG_MAPS, NAME, NAMESPACE)


def read(kube: Kube) -> tuple[dict[str, Any], str]:
    """The folders, as the chart's values say them, and the image; empty where nothing was kept."""
    data: Mapping[str, str] = dig(kube.find(CONFIG_MAPS, NAME, NAMESPACE), "data", default={})
    values: dict[str, Any] = {}
    for key, (group, name) in _KEYS.items():
        if data.get(key):
            values.setdefault(group, {})[name] = str(data[key])
    return values, str(data.get("IMAGE") or "")


def needed(values: Mapping[str, Any]) -> bool:
    """Whether the folders are others than those that are looked in without a release."""
    return paths_of(values) != paths_of({})
