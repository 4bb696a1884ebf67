"""From the words of a command line to pods and nodes: `pod/[NS/]NAME`, `deploy/…`, `svc/…`, `node/NAME`, a selector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ciliumctl.capture.model import MOST_TARGETS, Target
from ciliumctl.clients.kube import (
    DAEMON_SETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Kube,
    Manifest,
    Resource,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.errors import NotFound, UsageError
from ciliumctl.guests.targets import selector as selector_of
from ciliumctl.parallel import gather_all

_STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
_PODS = ("pod", "pods", "po")
_NODES = ("node", "nodes", "no")
#: What stands for pods, as kubectl names them.
_OWNERS: dict[str, Resource] = {
    **dict.fromkeys(("deploy", "deployment", "deployments"), DEPLOYMENTS),
    **dict.fromkeys(("ds", "daemonset", "daemonsets"), DAEMON_SETS),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), _STATEFUL_SETS),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), REPLICA_SETS),
    **dict.fromkeys(("svc", "service", "services"), SERVICES),
}
#: What may stand before a `/`.
KINDS = (*_PODS, *_NODES, *_OWNERS)
_FORMS = "`pod/NAME`, `pod/NAMESPACE/NAME`, `deploy/NAME`, `svc/NAME`, `node/NAME`"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    kind: str
    namespace: str
    name: str


def resolve(kube: Kube, words: Sequence[str], *, selector: str, namespace: str) -> tuple[Target, ...]:
    """The pods and nodes that are meant, each once, in the order of the words. One request a word, two for an owner.

    Raises:
        UsageError: a word is no target, nothing runs there, or there are more than can be looked at.
        NotFound: there is no such thing.
    """
    found = gather_all([partial(_resolved, kube, _named(word, namespace)) for word in words], limit=8)
    if selector:
        found.append(_running(kube, namespace, selector, f"`-l {selector}`"))
    targets = {target.key: target for some in found for target in some}
    if not targets:
        raise UsageError("nothing is named that could be captured", hint=f"name a target: {_FORMS}")
    if len(targets) > MOST_TARGETS:
        raise UsageError(
            f"these are {len(targets)} targets; {MOST_TARGETS} are the most", hint="name fewer, or narrow `-l`"
        )
    return tuple(targets.values())


def one_pod(kube: Kube, word: str, namespace: str) -> Target:
    """The pod that a word names, or the first that runs of what owns it. Raises what `resolve` raises."""
    (target, *_more) = resolve(kube, (word,), selector="", namespace=namespace)
    return target


def _named(word: str, namespace: str) -> _Named:
    kind, *rest = word.split("/")
    if kind not in KINDS or not rest or len(rest) > 2 or not all(rest):
        raise UsageError(f"`{word}` is no target", hint=f"write {_FORMS}")
    if kind in _NODES and len(rest) > 1:
        raise UsageError(f"`{word}` is no target: a node has no namespace", hint="write `node/NAME`")
    return _Named(kind=kind, namespace=rest[0] if len(rest) == 2 else namespace, name=rest[-1])


def _resolved(kube: Kube, named: _Named) -> list[Target]:
    if named.kind in _NODES:
        return [_node(_get(kube, NODES, named.name, ""))]
    if named.kind in _PODS:
        pod = _get(kube, PODS, named.name, named.namespace)
        if dig(pod, "status", "phase", default="") != "Running":
            phase = dig(pod, "status", "phase", default="") or "not known"
            raise UsageError(
                f"pod `{named.namespace}/{named.name}` does not run (it is {phase})", hint="name one that runs"
            )
        return [_pod(pod)]
    resource = _OWNERS[named.kind]
    owner = _get(kube, resource, named.name, named.namespace)
    what = f"`{named.kind}/{named.namespace}/{named.name}`"
    labels = _labels(owner) if resource is SERVICES else selector_of(owner)
    if not labels:
        raise UsageError(f"{what} selects no pods by labels", hint="name a pod, or use `-l`")
    return _running(kube, named.namespace, labels, what)


def _labels(service: Manifest) -> str:
    labels: dict[str, str] = dig(service, "spec", "selector", default={})
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _get(kube: Kube, resource: Resource, name: str, namespace: str) -> Manifest:
    found = kube.find(resource, name, namespace)
    if found is None:
        where = f" in namespace `{namespace}`" if namespace else ""
        listed = f"kubectl get {resource.plural}{f' -n {namespace}' if namespace else ''}"
        raise NotFound(
            f"there is no {resource.plural.removesuffix('s')} `{name}`{where}", hint=f"`{listed}` lists them"
        )
    return found


def _running(kube: Kube, namespace: str, labels: str, what: str) -> list[Target]:
    pods = kube.objects(PODS, namespace, labels=labels, fields="status.phase=Running")
    found = [_pod(pod) for pod in pods if not dig(pod, "metadata", "deletionTimestamp", default="")]
    if not found:
        raise UsageError(f"no pod of {what} runs in namespace `{namespace}`", hint="`-n` names another namespace")
    return found


def _node(node: Manifest) -> Target:
    listed: list[Manifest] = dig(node, "status", "addresses", default=[])
    addresses = tuple(str(one.get("address")) for one in listed if one.get("type") == "InternalIP")
    return Target(kind="node", name=name_of(node), node=name_of(node), addresses=addresses, host_network=True)


def _pod(pod: Manifest) -> Target:
    listed: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    states: list[Manifest] = dig(pod, "status", "containerStatuses", default=[])
    containers: list[Manifest] = dig(pod, "spec", "containers", default=[])
    ids = (str(one.get("containerID") or "").partition("://")[2] for one in states)
    return Target(
        kind="pod",
        namespace=namespace_of(pod),
        name=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        addresses=tuple(str(one.get("ip")) for one in listed if one.get("ip")),
        containers=tuple(one for one in ids if one),
        host_network=dig(pod, "spec", "hostNetwork", default=False),
        limited=any(dig(one, "resources", "limits", "ephemeral-storage", default="") for one in containers),
    )
