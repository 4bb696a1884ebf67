"""Which policies select which pods."""

from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.connectivity.selecting import NAMESPACE, described, directions, matches

LABELS = {"app": "web", "tier": "front", NAMESPACE: "shop", "io.cilium.k8s.namespace.labels.team": "a"}


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchLabels": {"k8s:app": "web"}}, True),
        ({"matchLabels": {"any:app": "web"}}, True),
        ({"matchLabels": {"k8s.app": "web"}}, True),
        ({"matchLabels": {"reserved:host": ""}}, False),
        ({"matchLabels": {"k8s:io.kubernetes.pod.namespace": "shop"}}, True),
        ({"matchLabels": {"k8s:io.kubernetes.pod.namespace": "other"}}, False),
        ({"matchLabels": {"io.cilium.k8s.namespace.labels.team": "a"}}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "k8s:app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "none", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Nonsense"}]}, False),
        (
            {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]},
            False,
        ),
    ],
)
def test_labels_and_expressions_must_all_match(selector: dict[str, Any], selects: bool) -> None:  # noqa: FBT001
    assert matches(selector, LABELS) is selects


@pytest.mark.parametrize(
    ("kind", "spec", "found"),
    [
        ("NetworkPolicy", {"podSelector": {}}, ("ingress",)),
        ("NetworkPolicy", {"podSelector": {}, "egress": [{}]}, ("ingress", "egress")),
        ("NetworkPolicy", {"podSelector": {}, "policyTypes": ["Egress"]}, ("egress",)),
        ("NetworkPolicy", {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Egress"]}, ()),
        (
            "CiliumNetworkPolicy",
            {"endpointSelector": {}, "ingressDeny": [{}], "egress": []},
            ("ingress deny", "egress"),
        ),
        ("CiliumClusterwideNetworkPolicy", {"nodeSelector": {}, "ingress": [{}]}, ()),
    ],
)
def test_a_policy_holds_in_the_directions_that_it_names(
    kind: str, spec: dict[str, Any], found: tuple[str, ...]
) -> None:
    assert directions({"kind": kind, "spec": spec}, LABELS) == found


def test_each_of_several_specs_counts() -> None:
    policy = {
        "kind": "CiliumNetworkPolicy",
        "specs": [
            {"endpointSelector": {"matchLabels": {"app": "db"}}, "egress": [{}]},
            {"endpointSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]},
        ],
    }
    assert directions(policy, LABELS) == ("ingress",)


def test_a_policy_is_told_with_its_kind_its_place_its_directions_and_the_pods() -> None:
    policy = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"]},
    }
    pods = {"one": {"app": "web"}, "two": {"app": "db"}}
    assert described(policy, pods) == "NetworkPolicy shop/deny (ingress, egress) selects one"
    assert described(policy, {"two": {"app": "db"}}) == ""
