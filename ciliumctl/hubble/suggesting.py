"""A rule for two ends that a policy keeps apart: a CiliumNetworkPolicy that allows just this, to be looked at first."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from ciliumctl.connectivity.selecting import NAMESPACE
from ciliumctl.hubble.flow import Flow, Side

#: Labels that change with every rollout, or that Cilium adds of itself: no rule should be made of them.
_PASSING = re.compile(
    r"io\.cilium\.|io\.kubernetes\.pod\.namespace$|pod-template-hash$|controller-revision-hash$|"
    r"pod-template-generation$|statefulset\.kubernetes\.io/pod-name$|apps\.kubernetes\.io/pod-index$|"
    r"batch\.kubernetes\.io/|job-name$|controller-uid$"
)
#: Identities that a rule can name as an entity.
_ENTITIES = {"host", "remote-node", "kube-apiserver", "health", "init", "unmanaged", "ingress"}
_L4 = {"TCP", "UDP", "SCTP"}


def labels_of(side: Side) -> dict[str, str]:
    """A pod's labels as Kubernetes has them, with its namespace under `NAMESPACE`; what Cilium adds stays in."""
    found = {}
    for text in side.labels:
        source, colon, rest = text.partition(":")
        key, _equals, value = (rest if colon and source in {"k8s", "any"} else text).partition("=")
        found[key] = value
    if side.namespace:
        found.setdefault(NAMESPACE, side.namespace)
    return found


def lasting(side: Side) -> dict[str, str]:
    """Those of a pod's labels that a rule can be made of."""
    return {
        key: value
        for key, value in sorted(labels_of(side).items())
        if not _PASSING.match(key) and not key.startswith("reserved:")
    }


def subject(flow: Flow) -> Side:
    """The end whose policy decided: the destination of what comes in, the source of what goes out."""
    return flow.destination if flow.direction == "INGRESS" else flow.source


def peer(flow: Flow) -> Side:
    """The other end."""
    return flow.source if flow.direction == "INGRESS" else flow.destination


def rule(flow: Flow) -> dict[str, Any] | None:
    """A policy that allows a flow that was denied; `None` where none can be made of what the flow says.

    It allows this pair, this port and this direction, and no more; that a pod is selected for the first time in a
    direction isolates it there, which it is already when something was denied.
    """
    mine, other = subject(flow), peer(flow)
    selector = lasting(mine)
    if not flow.direction or not mine.pod or not mine.namespace or not selector:
        return None
    whom = _whom(flow, mine, other)
    if not whom:
        return None
    way = flow.direction.lower()
    allowed: dict[str, Any] = dict(whom)
    ports = _ports(flow)
    if ports:
        allowed |= ports
    spec = {"endpointSelector": {"matchLabels": selector}, way: [allowed]}
    said = f"{'from' if way == 'ingress' else 'to'}-{_word(other)}"
    digest = hashlib.sha256(repr(spec).encode()).hexdigest()[:6]
    name = f"allow-{way}-{_word(mine)}-{said}"[:50].rstrip("-.") + f"-{digest}"
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": mine.namespace},
        "spec": spec,
    }


def _whom(flow: Flow, mine: Side, other: Side) -> dict[str, Any]:
    way = "from" if flow.direction == "INGRESS" else "to"
    if other.pod:
        labels = lasting(other)
        if not labels:
            return {}
        place = {f"k8s:{NAMESPACE}": other.namespace} if other.namespace != mine.namespace else {}
        return {f"{way}Endpoints": [{"matchLabels": {**place, **labels}}]}
    if other.reserved in _ENTITIES:
        return {f"{way}Entities": [other.reserved]}
    names = [name.rstrip(".") for name in other.names]
    if names and way == "to":
        return {"toFQDNs": [{"matchName": name} for name in names]}
    try:
        address = ip_address(other.ip)
    except ValueError:
        return {}
    return {f"{way}CIDR": [f"{address}/{address.max_prefixlen}"]}


def _ports(flow: Flow) -> Mapping[str, Any]:
    if flow.protocol in _L4 and flow.server_port:
        return {"toPorts": [{"ports": [{"port": str(flow.server_port), "protocol": flow.protocol}]}]}
    if flow.protocol.startswith("ICMP"):
        kind = (flow.raw.get("l4") or {}).get(flow.protocol, {}).get("type", 0)
        family = "IPv6" if flow.protocol == "ICMPv6" else "IPv4"
        return {"icmps": [{"fields": [{"type": kind, "family": family}]}]}
    return {}


def _word(side: Side) -> str:
    """Something short and allowed in a name."""
    found = next((name for _kind, name in side.workloads), "") or side.pod or side.reserved or side.host
    return re.sub(r"[^a-z0-9]+", "-", found.lower()).strip("-") or "peer"
