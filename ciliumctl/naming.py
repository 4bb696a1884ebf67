"""What people name on a command line: `pod/NAME`, `deploy/NAMESPACE/NAME`, `svc/NAME`, `node/NAME`, as with kubectl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from ciliumctl.clients.kube import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    Kube,
    Manifest,
    Resource,
    conditions_of,
    dig,
    name_of,
)
from ciliumctl.errors import NotFound, UsageError

Kind = Literal["pod", "node", "service", "workload"]
#: How things are named, in the words of a hint.
FORMS = "`pod/NAME`, `pod/NAMESPACE/NAME`, `deploy/NAME`, `svc/NAME`, `node/NAME`"
_KINDS: Mapping[str, tuple[Kind, Resource]] = {
    **dict.fromkeys(("pod", "pods", "po"), ("pod", PODS)),
    **dict.fromkeys(("node", "nodes", "no"), ("node", NODES)),
    **dict.fromkeys(("service", "services", "svc"), ("service", SERVICES)),
    **dict.fromkeys(("deployment", "deployments", "deploy"), ("workload", DEPLOYMENTS)),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), ("workload", DAEMON_SETS)),
    **dict.fromkeys(("replicaset", "replicasets", "rs"), ("workload", REPLICA_SETS)),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), ("workload", STATEFUL_SETS)),
    **dict.fromkeys(("job", "jobs"), ("workload", JOBS)),
}
# Pods that are looked at to find one that is ready.
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A thing by its name. `word` is what was written for its kind; `namespace` is empty for a node."""

    word: str
    name: str
    namespace: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return _KINDS[self.word][0]

    @property
    def resource(self) -> Resource:
        """Where the API has it."""
        return _KINDS[self.word][1]

    def __str__(self) -> str:
        return "/".join(part for part in (self.word, self.namespace, self.name) if part)


def has_kind(text: str) -> bool:
    """Whether a text begins with a kind and a slash: a network such as `10.0.0.0/8` does not."""
    word, slash, _name = text.partition("/")
    return bool(slash) and word.lower() in _KINDS


def read(text: str, namespace: str) -> Named | None:
    """What `KIND/NAME` or `KIND/NAMESPACE/NAME` names, `None` for any other text. `namespace` is of what names none.

    Raises:
        UsageError: a node with a namespace.
    """
    word, *rest = text.split("/")
    word = word.lower()
    if word not in _KINDS or not all(rest) or len(rest) not in {1, 2}:
        return None
    if _KINDS[word][0] == "node":
        if len(rest) == 1:
            return Named(word=word, name=rest[0])
        raise UsageError(f"`{text}`: a node has no namespace", hint="write `node/NAME`")
    return Named(word=word, name=rest[-1], namespace=rest[0] if len(rest) == 2 else namespace)


def find(kube: Kube, named: Named) -> Manifest:
    """The thing itself. One request. Raises `NotFound`."""
    found = kube.find(named.resource, named.name, named.namespace)
    if found is not None:
        return found
    plural = named.resource.plural
    where, scope = (f" in namespace `{named.namespace}`", f" -n {named.namespace}") if named.namespace else ("", "")
    everywhere = "; `-n` names another namespace" if named.namespace else ""
    raise NotFound(
        f"there is no {plural.removesuffix('s')} `{named.name}`{where}",
        hint=f"`kubectl get {plural}{scope}` lists them{everywhere}",
    )


def labels_of_pods(kube: Kube, named: Named) -> str:
    """The labels of the pods of a workload or a service, as the API takes them in a query. One request.

    Raises:
        NotFound: it does not exist. UsageError: it selects none by labels.
    """
    found = find(kube, named)
    labels = _plain(dig(found, "spec", "selector", default={})) if named.kind == "service" else selector(found)
    if not labels:
        raise UsageError(f"`{named}` selects no pods by labels", hint="name a pod: `pod/NAMESPACE/NAME`")
    return labels


def selector(workload: Manifest) -> str:
    """A workload's selector as the API takes it in a query."""
    wanted = _plain(dig(workload, "spec", "selector", "matchLabels", default={}))
    expressions: list[Manifest] = dig(workload, "spec", "selector", "matchExpressions", default=[])
    return ",".join([*([wanted] if wanted else []), *map(_expression, expressions)])


def _plain(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _expression(expression: Manifest) -> str:
    key, values = dig(expression, "key", default=""), ",".join(dig(expression, "values", default=[]))
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}
    return forms[dig(expression, "operator", default="Exists")]


def one_pod(kube: Kube, named: Named) -> Manifest:
    """A pod, or the best one of a workload or a service: see `best`. One request for a pod, two otherwise.

    Raises:
        NotFound: it does not exist, or has no pod. UsageError: it selects none by labels.
    """
    if named.kind == "pod":
        return find(kube, named)
    return best(kube, named.namespace, labels_of_pods(kube, named), f"`{named}` has no pod")


def best(kube: Kube, namespace: str, labels: str, nothing: str) -> Manifest:
    """Of the pods with these labels one that is ready, else one that runs, else any: the first by its name.

    One request; a hundred pods are looked at. Raises `NotFound`, in the words of `nothing`, where there is none.
    """
    pods: Sequence[Manifest] = list(islice(kube.objects(PODS, namespace, labels=labels, limit=_LOOKED_AT), _LOOKED_AT))
    if not pods:
        raise NotFound(
            f"{nothing} in namespace `{namespace}`",
            hint=f"`kubectl get pods -n {namespace} --show-labels` shows those that are there",
        )
    return min(pods, key=lambda pod: (not _is_ready(pod), not _runs(pod), name_of(pod)))


def _is_ready(pod: Manifest) -> bool:
    return _runs(pod) and dig(conditions_of(pod).get("Ready"), "status", default="") == "True"


def _runs(pod: Manifest) -> bool:
    going = dig(pod, "metadata", "deletionTimestamp", default="")
    return dig(pod, "status", "phase", default="") == "Running" and not going
