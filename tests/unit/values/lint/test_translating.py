from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.values import lint
from ciliumctl.values.lint import rules
from ciliumctl.values.paths import get, join, put
from tests.unit.values.lint.charts import chart

NEWEST = "1.20.0"
TUTORIAL = {"global": {"hubble": {"enabled": True, "ui": {"enabled": True}}}}


def translate(values: dict[str, Any], version: str = NEWEST) -> lint.Translation:
    return lint.translate(values, version)


def test_the_tutorial_s_values_are_recognised() -> None:
    found = {join(path) for path, _rule in rules.legacy_keys(TUTORIAL)}
    assert found == {"global.hubble.enabled", "global.hubble.ui.enabled"}


def test_the_tutorial_s_values_are_translated_with_the_relay_that_the_ui_needs() -> None:
    translation = translate(TUTORIAL)
    assert translation.values == {"hubble": {"enabled": True, "ui": {"enabled": True}, "relay": {"enabled": True}}}
    assert translation.lost == ()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"global": {}},
        {"hubble": {"enabled": True}},
        {"operator": {"replicas": 1, "image": {"repository": "x"}}, "agent": True},
        {"preflight": {"enabled": True}, "nodeinit": {"enabled": True}},
    ],
)
def test_values_of_today_are_left_alone(values: dict[str, Any]) -> None:
    assert list(rules.legacy_keys(values)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"global": {"tunnel": "geneve"}}, {"routingMode": "tunnel", "tunnelProtocol": "geneve"}),
        ({"global": {"tunnel": "disabled"}}, {"routingMode": "native"}),
        ({"global": {"kubeProxyReplacement": "strict"}}, {"kubeProxyReplacement": True}),
        ({"global": {"kubeProxyReplacement": "probe"}}, {"kubeProxyReplacement": False}),
        ({"global": {"hostFirewall": True}}, {"hostFirewall": {"enabled": True}}),
        ({"global": {"eni": True}}, {"eni": {"enabled": True}, "ipam": {"mode": "eni"}, "routingMode": "native"}),
        ({"global": {"eni": False}}, {"eni": {"enabled": False}}),
        ({"global": {"masquerade": False}}, {"enableIPv4Masquerade": False, "enableIPv6Masquerade": False}),
        (
            {"global": {"ipam": {"operator": {"clusterPoolIPv4PodCIDR": "10.1.0.0/16"}}}},
            {"ipam": {"operator": {"clusterPoolIPv4PodCIDRList": ["10.1.0.0/16"]}}},
        ),
        ({"global": {"cluster": {"id": "7"}}}, {"cluster": {"id": 7}}),
        ({"config": {"ipam": "kubernetes"}}, {"ipam": {"mode": "kubernetes"}}),
        ({"agent": {"enabled": True}}, {"agent": True}),
        ({"hubble-ui": {"replicas": 2}}, {"hubble": {"ui": {"replicas": 2}}}),
        ({"operator": {"numReplicas": 1, "enabled": True}}, {"operator": {"replicas": 1, "enabled": True}}),
    ],
)
def test_old_values_become_those_of_today(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert translate(old).values == new


def test_values_of_today_win_over_translated_ones() -> None:
    old = {"global": {"hubble": {"enabled": True}}, "hubble": {"enabled": False}}
    assert translate(old).values == {"hubble": {"enabled": False}}


def test_what_has_no_place_any_more_is_said_with_its_reason() -> None:
    translation = translate({"global": {"flannel": {"enabled": True}, "somethingElse": 1}})
    assert translation.values == {}
    assert dict(translation.lost) == {
        "global.flannel.enabled": "gone since 1.10; see `cni.chainingMode`",
        "global.somethingElse": "no chart of today knows it",
    }


def test_a_registry_becomes_the_repository_of_every_image() -> None:
    values = translate({"global": {"registry": "mirror.example/cilium"}}).values
    assert get(values, ("image", "repository")) == "mirror.example/cilium/cilium"
    assert get(values, ("hubble", "relay", "image", "repository")) == "mirror.example/cilium/hubble-relay"


@pytest.mark.parametrize("rule", rules.legacy(), ids=lambda rule: rule.id)
def test_every_old_key_is_taken_out_and_it_is_said_where_it_went(rule: rules.Rule) -> None:
    value: Any = next(iter(rule.data["cases"])) if "cases" in rule.data else "text"
    old: dict[str, Any] = {}
    put(old, rule.key, value)
    assert [path for path, _rule in rules.legacy_keys(old)] == [rule.key]
    translation = translate(old)
    assert list(rules.legacy_keys(translation.values)) == []
    assert [key for key, _why in (*translation.moved, *translation.lost)].count(rule.id) >= 1


@pytest.mark.parametrize(
    ("version", "old", "new"),
    [
        ("1.13.18", {"tunnel": "disabled"}, {"tunnel": "disabled"}),
        ("1.14.19", {"tunnel": "disabled"}, {"tunnel": "disabled"}),
        ("1.15.6", {"tunnel": "disabled"}, {"routingMode": "native"}),
        ("1.16.19", {"tunnel": "geneve"}, {"routingMode": "tunnel", "tunnelProtocol": "geneve"}),
        ("1.15.6", {"kubeProxyReplacement": "strict"}, {"kubeProxyReplacement": "strict"}),
        ("1.16.19", {"kubeProxyReplacement": "strict"}, {"kubeProxyReplacement": True}),
        ("1.13.18", {"kubeProxyReplacement": True}, {"kubeProxyReplacement": "strict"}),
        ("1.18.12", {"nodePort": {"enabled": True}}, {"nodePort": {"enabled": True}}),
        ("1.19.6", {"encryption": {"strictMode": {"cidr": "a"}}}, {"encryption": {"strictMode": {"cidr": "a"}}}),
        (
            "1.20.0",
            {"encryption": {"strictMode": {"cidr": "a"}}},
            {"encryption": {"strictMode": {"egress": {"cidr": "a"}}}},
        ),
        ("1.99.0", {"hostServices": {"enabled": True}}, {"socketLB": {"enabled": True}}),
    ],
)
def test_stored_values_become_what_the_target_understands(
    version: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert translate(old, version).values == new


def test_what_still_works_is_translated_on_request() -> None:
    old = {"localRedirectPolicy": True}
    assert lint.translate(old, "1.18.12").values == old
    assert lint.translate(old, "1.18.12", deprecated=True).values == {"localRedirectPolicies": {"enabled": True}}


def test_a_chart_that_does_not_know_the_new_name_either_gets_the_old_one_left_out() -> None:
    facts = lint.Facts(chart("1.30.0"))
    translation = lint.translate({"hostServices": {"enabled": True}}, "1.30.0", facts=facts)
    assert translation.values == {}
    assert translation.lost == (("hostServices", "socket load-balancing stays off"),)
