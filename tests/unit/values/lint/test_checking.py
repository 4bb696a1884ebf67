from __future__ import annotations

import json
from typing import Any

import pytest

from ciliumctl.values import lint
from ciliumctl.values.layers import Layer
from tests.unit.values.lint.charts import VALUES, chart

SCHEMA = {
    "properties": {
        "operator": {"properties": {"replicas": {"type": "integer"}}, "type": "object"},
        "name": {"type": ["null", "string"]},
        "routingMode": {"enum": ["", "native", "tunnel"], "type": "string"},
        "tolerations": {"type": "array", "items": {"type": "object"}},
    }
}


def findings(values: dict[str, Any], **more: Any) -> dict[str, lint.Finding]:
    which = more.pop("chart", None) or chart()
    return {found.key: found for found in lint.check([Layer(origin="x", values=values)], which, **more).findings}


@pytest.mark.parametrize(
    ("values", "instead"),
    [
        ({"operator": {"replicas": "2"}}, {"operator.replicas": 2}),
        ({"operator": {"replicas": "two"}}, {}),
        ({"operator": {"replicas": True}}, {}),
        ({"operator": []}, {}),
        ({"name": 5}, {"name": "5"}),
        ({"name": 1.5}, {}),
        ({"routingMode": "direct"}, {}),
        ({"tolerations": ["a"]}, {}),
    ],
)
def test_the_schema_decides_on_types_where_there_is_one(values: dict[str, Any], instead: dict[str, Any]) -> None:
    which = chart()
    files = {**which.files, "values.schema.json": json.dumps(SCHEMA).encode()}
    (found,) = findings(values, chart=type(which)(path=which.path, source="x", files=files)).values()
    assert found.code == "CV102"
    assert found.translation == instead
    assert found.fixable == bool(instead)


@pytest.mark.parametrize(
    "values",
    [
        {"operator": {"replicas": "2"}},
        {"name": 5},
        {"debug": {"verbose": ["flow"]}},
        {"operator": None},
        {"operator": {"replicas": 2.0}},
    ],
)
def test_without_a_schema_what_charts_take_for_each_other_is_no_error(values: dict[str, Any]) -> None:
    assert findings(values) == {}


def test_without_a_schema_a_text_is_no_switch() -> None:
    found = findings({"hubble": {"enabled": "false"}})["hubble.enabled"]
    assert found.translation == {"hubble.enabled": False}


def test_a_chart_that_has_a_value_again_is_believed_rather_than_the_rules() -> None:
    again = chart("1.30.0", values=VALUES + "nodePort: {enabled: false}\nglobal: {hubble: {enabled: true}}\n")
    assert findings({"nodePort": {"enabled": True}, "global": {"hubble": {"enabled": True}}}, chart=again) == {}


def test_a_value_that_a_newer_chart_does_not_even_refuse_any_more_is_ignored() -> None:
    assert findings({"tunnel": "vxlan"})["tunnel"].code == "CV201"
    refusing = chart(more=b'{{ if .Values.tunnel }}{{ fail "tunnel went long ago" }}{{ end }}')
    assert findings({"tunnel": "vxlan"}, chart=refusing)["tunnel"].code == "CV203"


def test_what_replaces_a_value_must_be_known_to_the_chart_or_it_is_not_advised() -> None:
    found = findings({"masquerade": True})["masquerade"]
    assert not found.fixable
    assert found.lost


def test_a_chart_of_the_umbrella_s_time_may_have_its_values() -> None:
    assert findings({"global": {"hubble": {"enabled": True}, "more": 1}}, chart=chart("1.8.13")) == {}


def test_a_switch_that_another_value_makes_needless_is_no_error() -> None:
    alone = findings({"nodePort": {"enabled": True}})["nodePort.enabled"]
    assert (alone.severity, alone.fixable, bool(alone.lost)) == ("error", False, True)
    having = chart(values=VALUES + 'kubeProxyReplacement: "false"\n')
    values = {"nodePort": {"enabled": True}, "kubeProxyReplacement": "strict"}
    with_it = findings(values, chart=having)["nodePort.enabled"]
    assert (with_it.severity, with_it.fixable, with_it.translation, with_it.lost) == ("warning", True, {}, "")
    assert findings({"nodePort": {"enabled": False}})["nodePort.enabled"].severity == "warning"


def test_native_routing_needs_its_range_unless_nothing_is_masqueraded() -> None:
    assert findings({"routingMode": "native"})["routingMode"].code == "CV501"
    assert findings({"routingMode": "native", "enableIPv4Masquerade": False}).get("routingMode") is None


def test_every_layer_is_told_with_its_own_place() -> None:
    layers = [
        Layer(origin="a.yaml", values={"huble": {}}, lines={("huble",): 4}),
        Layer(origin="--set huble.x=1", values={"huble": {"x": 1}}),
    ]
    assert [found.where for found in lint.check(layers, chart()).findings] == ["a.yaml:4", "--set huble.x=1"]


def test_the_rules_tell_changed_defaults_where_the_older_chart_is_not_at_hand() -> None:
    found = findings({}, coming_from="1.15.6")
    assert found["envoy.enabled"].message.startswith("it was `false` up to 1.15.6 and is `true` in 1.20.0")
    assert "envoy.enabled" not in findings({"envoy": {"enabled": False}}, coming_from="1.15.6")
    assert "envoy.enabled" not in findings({"upgradeCompatibility": "1.15"}, coming_from="1.15.6")
    assert "envoy.enabled" not in findings({}, coming_from="1.16.0")


def test_a_way_back_is_told_as_one() -> None:
    assert [found.code for found in lint.check([], chart(), coming_from="1.21.0").findings] == ["CV404"]
