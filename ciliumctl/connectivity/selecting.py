"""Which policies select a pod, by the labels of both: Kubernetes' selectors, and Cilium's with their prefixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ciliumctl.clients.kube import Manifest, dig, name_of, namespace_of

#: The label that stands for a pod's namespace in Cilium's selectors (pkg/k8s/apis/cilium.io/const.go).
NAMESPACE = "io.kubernetes.pod.namespace"
#: Before the labels of a pod's namespace, in the same place.
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
# Where a label comes from: a pod's are all of Kubernetes.
_SOURCES = {"k8s", "any", ""}


def matches(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Whether a selector with `matchLabels` and `matchExpressions` selects; an empty one selects everything."""
    wanted: Mapping[str, str] = dig(selector, "matchLabels", default={})
    expressions: list[Manifest] = dig(selector, "matchExpressions", default=[])
    return all(_value(labels, key) == value for key, value in wanted.items()) and all(
        _expression(one, labels) for one in expressions
    )


def _value(labels: Mapping[str, str], key: str) -> str | None:
    """A label's value; Cilium writes `k8s:app`, `any:app` or `k8s.app` where Kubernetes has `app`."""
    if key in labels:
        return labels[key]
    source, colon, rest = key.partition(":")
    return labels.get(rest) if colon and source in _SOURCES else labels.get(key.removeprefix("k8s."))


def _expression(expression: Manifest, labels: Mapping[str, str]) -> bool:
    value = _value(labels, dig(expression, "key", default=""))
    values: list[str] = dig(expression, "values", default=[])
    match dig(expression, "operator", default=""):
        case "In":
            return value in values
        case "NotIn":
            # One that does not have the label is selected, too.
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def directions(policy: Manifest, labels: Mapping[str, str]) -> tuple[str, ...]:
    """In which directions a policy holds for a pod with these labels; empty when it does not select the pod.

    `labels` of a pod that is looked at for Cilium's policies have `NAMESPACE` and the namespace's own in them.
    """
    specs: list[Manifest] = [dig(policy, "spec", default={}), *dig(policy, "specs", default=[])]
    cilium = str(policy.get("kind", "")).startswith("Cilium")
    of_one = _of_cilium if cilium else _of_kubernetes
    found = [direction for spec in specs if spec for direction in of_one(spec, labels)]
    return tuple(dict.fromkeys(found))


def _of_kubernetes(spec: Manifest, labels: Mapping[str, str]) -> Sequence[str]:
    if not matches(dig(spec, "podSelector", default={}), labels):
        return ()
    types: list[str] = dig(spec, "policyTypes", default=[])
    return [kind.lower() for kind in types] or ["ingress", *(["egress"] if spec.get("egress") else [])]


def _of_cilium(spec: Manifest, labels: Mapping[str, str]) -> Sequence[str]:
    # Without one it selects nodes, not pods.
    if "endpointSelector" not in spec or not matches(dig(spec, "endpointSelector", default={}), labels):
        return ()
    names = {"ingress": "ingress", "ingressDeny": "ingress deny", "egress": "egress", "egressDeny": "egress deny"}
    return [said for key, said in names.items() if spec.get(key) is not None]


def described(policy: Manifest, pods: Mapping[str, Mapping[str, str]]) -> str:
    """A policy in a line: kind, name, directions, and which of `pods` (labels by name) it selects. Empty for none."""
    selected = {name: found for name, labels in pods.items() if (found := directions(policy, labels))}
    if not selected:
        return ""
    said = dict.fromkeys(direction for found in selected.values() for direction in found)
    place = f"{namespace_of(policy)}/" if namespace_of(policy) else ""
    return f"{policy.get('kind', '')} {place}{name_of(policy)} ({', '.join(said)}) selects {', '.join(selected)}"
