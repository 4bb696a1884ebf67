"""Where somebody wants to look around: in a pod, on a node, or where nothing is yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ciliumctl import naming
from ciliumctl.clients.kube import Kube, dig, name_of
from ciliumctl.errors import UsageError
from ciliumctl.naming import Named

_HINT = f"write {naming.FORMS} or `new`; `-l` picks by labels"


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
        pod = naming.best(kube, namespace, labels, f"no pod has the labels `{labels}`")
        return Target(kind="pod", namespace=namespace, name=name_of(pod))
    if text == "new":
        return Target(kind="new", namespace=namespace)
    named = _named(text, namespace)
    match named.kind:
        case "node":
            return Target(kind="node", name=named.name)
        case "pod":
            return Target(kind="pod", namespace=named.namespace, name=named.name)
        case _:
            return Target(kind="pod", namespace=named.namespace, name=name_of(naming.one_pod(kube, named)))


def _named(text: str, namespace: str) -> Named:
    if not text:
        raise UsageError("it is not said what to look at", hint=_HINT)
    named = naming.read(text if "/" in text else f"pod/{text}", namespace)
    if named is None:
        raise UsageError(f"`{text}` names nothing that can be looked at", hint=_HINT)
    return named


def node_of(kube: Kube, text: str, namespace: str) -> str:
    """The node that is meant: by its name, or by a pod that is on it. One request where a pod is named.

    Raises:
        UsageError: the pod is on no node yet. NotFound: there is no such pod.
    """
    if "/" not in text:
        return text
    named = _named(text, namespace)
    if named.kind == "node":
        return named.name
    pod = naming.one_pod(kube, named)
    node = dig(pod, "spec", "nodeName", default="")
    if not node:
        raise UsageError(f"pod `{named.namespace}/{name_of(pod)}` is on no node yet", hint="name a node")
    return node
