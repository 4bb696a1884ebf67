"""Cilium brought into a cluster as other tools do it: by `kubectl apply`, Argo CD, Flux, an add-on manager.

What tells them apart is how they write: the field manager, the kind of apply, and the marks on each object.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ciliumctl import permissions
from ciliumctl.clients.kube import Kube, Manifest, Resource, name_of, namespace_of

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: The largest annotation that an API server takes, of all of an object's together.
LARGEST = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a tool writes. `tracked` is the name in an Argo CD tracking annotation."""

    manager: str
    server_side: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    tracked: str = ""


def deliver(kube: Kube, manifest: str, how: Delivery) -> list[tuple[Resource, Manifest]]:
    """Write every object of a manifest as the tool does; returns them for `take_back`."""
    kinds = kube.kinds()
    written = []
    for item in permissions.documents(manifest):
        resource = kinds[(item["apiVersion"], item["kind"])]
        marked = _marked(item, resource, how)
        if how.server_side:
            _request(kube, "PATCH", resource, marked, how.manager)
        else:
            # What `kubectl apply` does to an object that is not there yet.
            _request(kube, "POST", resource, marked, how.manager)
        written.append((resource, marked))
    return written


def take_back(kube: Kube, written: list[tuple[Resource, Manifest]]) -> None:
    """Delete what was written."""
    for resource, item in reversed(written):
        kube.delete(resource, name_of(item), namespace_of(item))


def _marked(item: Manifest, resource: Resource, how: Delivery) -> Manifest:
    marked: dict[str, Any] = copy.deepcopy(dict(item))
    metadata = marked["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), **how.labels}
    annotations = {**(metadata.get("annotations") or {}), **how.annotations}
    if how.tracked:
        kind = f"{resource.group}/{item['kind']}" if resource.group else f"/{item['kind']}"
        annotations["argocd.argoproj.io/tracking-id"] = f"{how.tracked}:{kind}:{namespace_of(item)}/{name_of(item)}"
    if not how.server_side:
        annotations[_APPLIED] = json.dumps(item)
    metadata["annotations"] = annotations
    return marked


def _request(kube: Kube, method: str, resource: Resource, item: Manifest, manager: str) -> None:
    transport = kube._transport  # noqa: SLF001 - our own client names itself to the server; others are played here
    if method == "PATCH":
        path = resource.path(namespace=namespace_of(item), name=name_of(item))
        query = {"fieldManager": manager, "force": "true"}
        transport.request(method, path, query=query, body=item, content_type="application/apply-patch+yaml")
    else:
        path = resource.path(namespace=namespace_of(item))
        transport.request(method, path, query={"fieldManager": manager}, body=item)
