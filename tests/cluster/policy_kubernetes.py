"""Kubernetes' own NetworkPolicy in the common shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ciliumctl.clients.kube import Manifest, dig, name_of, namespace_of
from tests.cluster.policy_rules import Direction, Entity, Peer, Pods, Policy, Port, Rule, blocks, keys_of, selects
from tests.cluster.policy_state import State

_TYPES: Mapping[str, Direction] = {"Ingress": "ingress", "Egress": "egress"}


def read(policy: Manifest, state: State) -> Policy:
    """One NetworkPolicy."""
    spec: Mapping[str, Any] = dig(policy, "spec", default={})
    namespace = namespace_of(policy)
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    isolates = [direction for name, direction in _TYPES.items() if name in types]
    selector = spec.get("podSelector") or {}
    return Policy(
        name=f"NetworkPolicy {namespace}/{name_of(policy)}",
        subjects=keys_of(pod for pod in state.pods if pod.namespace == namespace and selects(selector, pod.labels)),
        isolates=frozenset(isolates),
        rules=tuple(
            _rule(rule, direction, namespace, state) for direction in isolates for rule in spec.get(direction) or ()
        ),
    )


def _rule(rule: Mapping[str, Any], direction: Direction, namespace: str, state: State) -> Rule:
    peers = rule.get("from" if direction == "ingress" else "to")
    return Rule(
        direction=direction,
        peers=tuple(_peer(peer, namespace, state) for peer in peers) if peers else (Entity("all"),),
        ports=tuple(_port(port) for port in rule.get("ports") or ()),
    )


def _peer(peer: Mapping[str, Any], namespace: str, state: State) -> Peer:
    if "ipBlock" in peer:
        return blocks([peer["ipBlock"]])[0]
    pod_selector, namespace_selector = peer.get("podSelector") or {}, peer.get("namespaceSelector")
    return Pods(
        tuple(
            pod
            for pod in state.pods
            if selects(pod_selector, pod.labels)
            and (
                pod.namespace == namespace
                if namespace_selector is None
                else selects(namespace_selector, state.namespaces.get(pod.namespace, {}))
            )
        )
    )


def _port(port: Mapping[str, Any]) -> Port:
    protocol, wanted = port.get("protocol", "TCP"), port.get("port", 0)
    if isinstance(wanted, str):
        return Port(protocol=protocol, name=wanted)
    return Port(protocol=protocol, first=wanted, last=port.get("endPort", wanted))
