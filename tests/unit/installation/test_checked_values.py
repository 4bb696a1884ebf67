"""What `install` does about values that the chart does not take as they are meant."""

from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.errors import LegacyValues
from ciliumctl.installation.prepare import checked
from ciliumctl.report import Event, Reporter, Warned
from ciliumctl.values import lint
from tests.unit.values.lint.charts import VALUES, chart

WHICH = chart(values=VALUES + 'kubeProxyReplacement: "false"\n')


def told(own: dict[str, Any], below: dict[str, Any] | None = None) -> list[str]:
    events: list[Event] = []
    checked(own, below or {}, lint.Facts(WHICH), Reporter(events.append))
    return [event.text for event in events if isinstance(event, Warned)]


def test_an_unknown_value_and_a_wrong_type_are_warned_of() -> None:
    warnings = told({"huble": {}, "operator": {"replicas": "two"}})
    assert [text.split("`")[1] for text in warnings] == ["huble", "operator.replicas"]


def test_values_that_are_ignored_with_consequences_are_refused_with_what_to_write() -> None:
    with pytest.raises(LegacyValues) as caught:
        told({"global": {"hubble": {"enabled": True}}})
    assert caught.value.message == (
        "Cilium's charts have ignored `global.hubble.enabled` since 1.9: nothing of it would be installed"
    )
    assert caught.value.hint.endswith("hubble:\n  enabled: true")


def test_what_has_no_translation_is_refused_without_one() -> None:
    with pytest.raises(LegacyValues) as caught:
        told({"nodePort": {"enabled": True}})
    assert "node ports are not served by Cilium" in caught.value.message
    assert caught.value.hint.startswith("leave `nodePort.enabled` out")


def test_what_detection_sets_counts_but_is_not_the_user_s_fault() -> None:
    assert len(told({"nodePort": {"enabled": True}}, {"kubeProxyReplacement": True, "huble": {}})) == 0


def test_good_values_are_not_commented() -> None:
    assert told({"hubble": {"relay": {"enabled": True}}}) == []
