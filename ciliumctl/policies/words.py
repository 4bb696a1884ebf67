"""What policies say, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ciliumctl.clients.kube import dig
from ciliumctl.connectivity.selecting import NAMESPACE, NAMESPACE_LABELS

_ENTITIES = {
    "all": "everything",
    "world": "everything outside of the cluster",
    "world-ipv4": "every IPv4 address outside of the cluster",
    "world-ipv6": "every IPv6 address outside of the cluster",
    "cluster": "everything in the cluster",
    "cluster-mesh": "everything in the cluster mesh",
    "host": "the pod's own node",
    "remote-node": "other nodes",
    "kube-apiserver": "the API server",
    "ingress": "Cilium's ingress",
    "init": "pods that have no identity yet",
    "health": "Cilium's health endpoints",
    "unmanaged": "pods that Cilium does not manage",
    "none": "nobody",
}


def selector(what: Mapping[str, Any]) -> str:
    """A selector, such as `app=web, tier in (a, b)`; empty for one that selects everything."""
    labels: Mapping[str, Any] = dig(what, "matchLabels", default={})
    parts = [f"{_key(key)}={value}" for key, value in labels.items()]
    expressions: list[Mapping[str, Any]] = dig(what, "matchExpressions", default=[])
    parts += [_expression(one) for one in expressions]
    return ", ".join(parts)


def plain(key: str) -> str:
    """A label's name without what Cilium writes before it."""
    return key.removeprefix("k8s:").removeprefix("any:").removeprefix("k8s.")


def _key(key: str) -> str:
    name = plain(key)
    if name == NAMESPACE:
        return "namespace"
    return f"namespace label {name.removeprefix(NAMESPACE_LABELS)}" if name.startswith(NAMESPACE_LABELS) else name


def _expression(one: Mapping[str, Any]) -> str:
    key, values = _key(str(one.get("key", ""))), ", ".join(map(str, one.get("values") or ()))
    match one.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} not in ({values})"
        case "DoesNotExist":
            return f"no {key}"
        case _:
            return key


def pods(what: Mapping[str, Any], namespace: str = "", *, namespaces: Mapping[str, Any] | None = None) -> str:
    """Pods by their labels, and where they are."""
    said = selector(what)
    where = f" of namespace {namespace}" if namespace else ""
    if namespaces is not None:
        which = selector(namespaces)
        where = f" of namespaces with {which}" if which else " of every namespace"
    return f"pods{where} with {said}" if said else f"every pod{where}"


def nodes(what: Mapping[str, Any]) -> str:
    """Nodes by their labels."""
    said = selector(what)
    return f"other nodes with {said}" if said else "other nodes"


def block(cidr: str, excepted: Sequence[str] = ()) -> str:
    """A range of addresses."""
    return cidr + (f" without {', '.join(excepted)}" if excepted else "")


def entity(name: str) -> str:
    """What Cilium's word means."""
    return f"{_ENTITIES[name]} (entity {name})" if name in _ENTITIES else f"entity {name}, which does not exist"


def name(what: Mapping[str, Any]) -> str:
    """A name in DNS, or a pattern."""
    if what.get("matchName"):
        return f"the name {what['matchName']}"
    return f"names like {what.get('matchPattern', '')}"


def service(what: Mapping[str, Any]) -> str:
    """A service by name, or several by their labels."""
    by_name: Mapping[str, Any] = dig(what, "k8sService", default={})
    if by_name:
        place = f"{by_name['namespace']}/" if by_name.get("namespace") else ""
        return f"the service {place}{by_name.get('serviceName', '')}"
    by_labels: Mapping[str, Any] = dig(what, "k8sServiceSelector", default={})
    said = selector(dig(by_labels, "selector", default={}))
    where = f" of namespace {by_labels['namespace']}" if by_labels.get("namespace") else ""
    return f"services{where} with {said}" if said else f"every service{where}"


def above(entry: Any) -> str:
    """What an entry of `toPorts` asks of a connection besides its port; empty for nothing."""
    rules: Mapping[str, Any] = dig(entry, "rules", default={})
    parts = [f"{key.upper() if key in {'http', 'dns'} else key} rules" for key, value in rules.items() if value]
    if dig(entry, "serverNames"):
        parts.append(f"TLS server names {', '.join(map(str, entry['serverNames']))}")
    if dig(entry, "listener"):
        parts.append("a listener of Envoy")
    return " and ".join(parts)
