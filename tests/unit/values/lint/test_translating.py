from __future__ import annotations

from typing import Any

import pytest

from ciliumctl import templates
from ciliumctl.values import lint
from ciliumctl.values.lint import rules
from ciliumctl.values.paths import get, put, split

TUTORIAL = {"global": {"hubble": {"enabled": True, "ui": {"enabled": True}}}}


def test_the_tutorial_s_values_are_recognised() -> None:
    assert legacy.found(TUTORIAL) == ["global.hubble.enabled", "global.hubble.ui.enabled"]


def test_the_tutorial_s_values_are_translated_with_the_relay_that_the_ui_needs() -> None:
    translation = legacy.translate(TUTORIAL)
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
    assert legacy.found(values) == []


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
    assert legacy.translate(old).values == new


def test_values_of_today_win_over_translated_ones() -> None:
    old = {"global": {"hubble": {"enabled": True}}, "hubble": {"enabled": False}}
    assert legacy.translate(old).values == {"hubble": {"enabled": False}}


def test_what_has_no_place_any_more_is_said_with_its_reason() -> None:
    translation = legacy.translate({"global": {"flannel": {"enabled": True}, "somethingElse": 1}})
    assert translation.values == {}
    assert dict(translation.lost) == {
        "global.flannel.enabled": "gone since 1.10; see `cni.chainingMode`",
        "global.somethingElse": "no chart of today knows it",
    }


def test_a_registry_becomes_the_repository_of_every_image() -> None:
    values = legacy.translate({"global": {"registry": "mirror.example/cilium"}}).values
    assert get(values, ("image", "repository")) == "mirror.example/cilium/cilium"
    assert get(values, ("hubble", "relay", "image", "repository")) == "mirror.example/cilium/hubble-relay"


@pytest.mark.parametrize("rule", templates.load("values/rules/legacy.yaml"), ids=lambda rule: str(rule["key"]))
def test_every_rule_takes_its_key_out_and_says_where_it_went(rule: dict[str, Any]) -> None:
    value: Any = next(iter(rule["cases"])) if "cases" in rule else "text"
    old: dict[str, Any] = {}
    put(old, split(rule["key"]), value)
    assert legacy.found(old) == [rule["key"]]
    translation = legacy.translate(old)
    assert legacy.found(translation.values) == []
    assert [key for key, _why in (*translation.moved, *translation.lost)].count(rule["key"]) >= 1
