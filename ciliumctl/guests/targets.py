"""What is meant by `pod/X`, `deploy/X`, `svc/X`, `node/Y` or labels: a pod, a node, or nothing that is there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ciliumctl import services
from ciliumctl.clients.kube import (
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Kube,
    Manifest,
    Resource,
    conditions_of,
    dig,
    name_of,
)
from ciliumctl.errors import NotFound, UsageError

_STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
_JOBS = Resource("batch", "v1", "jobs")
_PODS = {"pod", "pods", "po"}
_NODES = {"node", "nodes", "no"}
_SERVICES = {"service", "services", "svc"}
_WORKLOADS = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), DEPLOYMENTS),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), DAEMON_SETS),
    **dict.fromkeys(("replicaset", "replicasets", "rs"), REPLICA_SETS),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), _STATEFUL_SETS),
    **dict.fromkeys(("job", "jobs"), _JOBS),
}
_FORMS = "pod/NAME, pod/NAMESPACE/NAME, deploy/NAME, svc/NAME, node/NAME or new"
# Pods that are looked at to find one that is ready.
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pod or a node by its name; `new` has none. `namespace` is empty for a node."""

    kind: Literal["pod", "node", "new"]
    namespace: str = ""
    name: str = ""


def resolve(kube: Kube, text: str, namespace: str, labels: str = "") -> Target:
    """What a person means. No request for a pod or a node, which are not looked for; two for anything else.

    A bare name is a pod's, as with kubectl. Of several pods it is one that is ready, the first by name.

    Raises:
        UsageError: it has none of the forms. NotFound: there is no such thing, or no pod of it.
    """
    if labels and text:
        raise UsageError(f"`{text}` and `-l {labels}` both say which pod", hint="leave one of them out")
    if labels:
        return _one_of(kube, namespace, labels, f"no pod has the labels `{labels}` in namespace `{namespace}`")
    kind, name, place = _parts(text, namespace)
    if kind in _PODS:
        return Target(kind="pod", namespace=place, name=name)
    if kind in _NODES and place == namespace:
        return Target(kind="node", name=name)
    if kind in _SERVICES:
        return Target(kind="pod", namespace=place, name=services.target(kube, place, name).pod)
    if kind in _WORKLOADS:
        return _of_workload(kube, _WORKLOADS[kind], kind, place, name)
    if (kind, name) == ("new", ""):
        return Target(kind="new", namespace=place)
    raise UsageError(f"`{text}` names nothing that can be looked at", hint=f"write {_FORMS}; `-l` picks by labels")


def _parts(text: str, namespace: str) -> tuple[str, str, str]:
    """Kind, name and namespace of `KIND/NAME`, `KIND/NAMESPACE/NAME` or a pod's bare name."""
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        raise UsageError(
            f"`{text}` names nothing that can be looked at" if text else "it is not said what to look at",
            hint=f"write {_FORMS}; `-l` picks by labels",
        )
    if len(parts) == 1:
        return ("new", "", namespace) if text == "new" else ("pod", text, namespace)
    return parts[0].lower(), parts[-1], parts[1] if len(parts) == 3 else namespace


def _of_workload(kube: Kube, resource: Resource, kind: str, namespace: str, name: str) -> Target:
    found = kube.find(resource, name, namespace)
    if found is None:
        raise NotFound(
            f"there is no `{kind}/{name}` in namespace `{namespace}`", hint=f"`kubectl get {kind} -A` lists them"
        )
    return _one_of(kube, namespace, selector(found), f"`{kind}/{name}` has no pod in namespace `{namespace}`")


def selector(workload: Manifest) -> str:
    """A workload's selector as the API takes it in a query."""
    wanted: dict[str, str] = dig(workload, "spec", "selector", "matchLabels", default={})
    expressions: list[Manifest] = dig(workload, "spec", "selector", "matchExpressions", default=[])
    return ",".join([*(f"{key}={value}" for key, value in wanted.items()), *map(_expression, expressions)])


def _expression(expression: Manifest) -> str:
    key, values = dig(expression, "key", default=""), ",".join(dig(expression, "values", default=[]))
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}
    return forms[dig(expression, "operator", default="Exists")]


def _one_of(kube: Kube, namespace: str, labels: str, nothing: str) -> Target:
    pods = []
    for pod in kube.objects(PODS, namespace, labels=labels, limit=_LOOKED_AT):
        pods.append(pod)
        if len(pods) == _LOOKED_AT:
            break
    if not pods:
        raise NotFound(nothing, hint=f"`kubectl get pods -n {namespace} --show-labels` shows those that are there")
    best = min(pods, key=lambda pod: (not _ready(pod), not _runs(pod), name_of(pod)))
    return Target(kind="pod", namespace=namespace, name=name_of(best))


def _ready(pod: Manifest) -> bool:
    return _runs(pod) and dig(conditions_of(pod).get("Ready"), "status", default="") == "True"


def _runs(pod: Manifest) -> bool:
    going = dig(pod, "metadata", "deletionTimestamp", default="")
    return dig(pod, "status", "phase", default="") == "Running" and not going


def node_of(kube: Kube, text: str, namespace: str) -> str:
    """The node that is meant: by its name, or by a pod that is on it. One request where a pod is named.

    Raises:
        UsageError: the pod is on no node yet. NotFound: there is no such pod.
    """
    if "/" not in text:
        return text
    target = resolve(kube, text, namespace)
    if target.kind == "node":
        return target.name
    pod = kube.find(PODS, target.name, target.namespace)
    if pod is None:
        raise NotFound(
            f"there is no pod `{target.name}` in namespace `{target.namespace}`",
            hint="`kubectl get pods -A -o wide` lists them; write pod/NAMESPACE/NAME",
        )
    node = dig(pod, "spec", "nodeName", default="")
    if not node:
        raise UsageError(f"pod `{target.namespace}/{target.name}` is on no node yet", hint="name a node")
    return node
