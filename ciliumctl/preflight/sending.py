"""Send every object of a manifest to the server without keeping any: what would be refused is refused now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ciliumctl.checks._scene import Sent
from ciliumctl.clients.kube import (
    PODS,
    Kube,
    Manifest,
    Resource,
    annotations_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import ClusterError, Conflict, NotFound, Unauthorized, Unreachable
from ciliumctl.parallel import gather_all

#: How many requests at once.
_LIMIT = 16
_WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet", "Job")
_HOOK = "helm.sh/hook"
_HELM_NAME, _HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


def send(
    kube: Kube,
    manifest: Sequence[Manifest],
    kinds: Mapping[tuple[str, str], Resource],
    namespace: str,
    namespaces: Collection[str],
) -> tuple[Sent, ...]:
    """The server's answer to each object, and to a pod of each workload. One request each, 16 at a time."""
    brought = {name_of(item) for item in manifest if item.get("kind") == "Namespace"}
    calls: list[Callable[[], Sent | None]] = []
    for item in manifest:
        calls.append(partial(_one, kube, item, kinds, namespace, namespaces, brought))
        if item.get("kind") in _WORKLOADS and namespace in namespaces:
            calls.append(partial(_pod, kube, item, namespace_of(item) or namespace))
    answers = gather_all(calls, limit=_LIMIT)
    return tuple(answer for answer in answers if answer is not None)


def _one(
    kube: Kube,
    item: Manifest,
    kinds: Mapping[tuple[str, str], Resource],
    namespace: str,
    namespaces: Collection[str],
    brought: Collection[str],
) -> Sent:
    version, kind = str(item.get("apiVersion")), str(item.get("kind"))
    resource = kinds.get((version, kind))
    place = (namespace_of(item) or namespace) if resource is None or resource.namespaced else ""
    name = f"{kind}/{place}/{name_of(item)}"
    if resource is None:
        return Sent(object=name, refusal=f"the server knows no {kind} of {version}")
    if place and place not in namespaces:
        why = "comes with the manifest itself" if place in brought else "does not exist yet"
        return Sent(object=name, unchecked=f"its namespace `{place}` {why}")
    try:
        answer = kube.apply(resource, _fresh(item), place, force=True, dry_run=True)
    except (Unreachable, Unauthorized):
        raise
    except ClusterError as error:
        return Sent(object=name, refusal=_reason(error))
    release = annotations_of(answer).get(_HELM_NAME, "")
    # What was only made for the answer has no place in the store yet.
    there = bool(dig(answer, "metadata", "resourceVersion", default=""))
    owner = f"{annotations_of(answer).get(_HELM_NAMESPACE, '')}/{release}" if release else ""
    return Sent(object=name, there=there, owner=owner)


def _fresh(item: Manifest) -> Manifest:
    """A hook under another name: Helm deletes one of an earlier run first, so nothing of that can be in the way."""
    if _HOOK not in annotations_of(item):
        return item
    metadata: Manifest = dig(item, "metadata", default={})
    return {**item, "metadata": {**metadata, "name": f"{name_of(item)}-check"}}


def _pod(kube: Kube, item: Manifest, namespace: str) -> Sent | None:
    """A pod of a workload's template: PodSecurity lets the workload in and refuses its pods."""
    template: Manifest = dig(item, "spec", "template", default={})
    spec: dict[str, Any] = dict(dig(template, "spec", default={}))
    # The account is one that the manifest brings, and its token is not what is asked about.
    for key in ("serviceAccountName", "serviceAccount"):
        spec.pop(key, None)
    spec["automountServiceAccountToken"] = False
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"ciliumctl-check-{name_of(item)}", "labels": labels_of(template)},
        "spec": spec,
    }
    name = f"{item.get('kind')}/{namespace}/{name_of(item)}"
    try:
        kube.create(PODS, pod, namespace, dry_run=True)
    except (Unreachable, Unauthorized):
        raise
    except ClusterError as error:
        if isinstance(error, Conflict | NotFound):
            return None
        return Sent(object=name, refusal=f"its pods: {_reason(error)}")
    return None


def _reason(error: ClusterError) -> str:
    """The server's own words, where there are any."""
    return " ".join(_lines(error.detail or error.message))


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip():
            yield line.strip()
