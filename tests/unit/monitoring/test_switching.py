"""Which values switch monitoring on and off, with charts that have some of them and charts that do not."""

from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.clients.helm import Release
from ciliumctl.errors import Refused
from ciliumctl.monitoring import switching
from ciliumctl.monitoring.switching import Wish
from ciliumctl.report import Note, Reporter
from ciliumctl.values.paths import get, merge

MONITOR = {"enabled": False, "labels": {}}


def defaults(**more: Any) -> dict[str, Any]:
    """The part of the chart's values that is about metrics, as 1.20 has it."""
    return merge(
        {
            "prometheus": {"enabled": False, "port": 9962, "serviceMonitor": MONITOR},
            "dashboards": {"enabled": False},
            "operator": {
                "prometheus": {"enabled": True, "serviceMonitor": MONITOR},
                "dashboards": {"enabled": False},
            },
            "envoy": {"prometheus": {"enabled": True, "serviceMonitor": MONITOR}},
            "hubble": {
                "enabled": True,
                "metrics": {"enabled": None, "serviceMonitor": MONITOR, "dashboards": {"enabled": False}},
                "relay": {"enabled": False, "prometheus": {"enabled": False, "serviceMonitor": MONITOR}},
            },
        },
        more,
    )


def installed(config: dict[str, Any] | None = None, **more: Any) -> Release:
    return Release(
        name="cilium",
        namespace="kube-system",
        revision=1,
        status="deployed",
        chart="cilium-1.20.0",
        chart_version="1.20.0",
        app_version="1.20.0",
        updated="",
        description="",
        config=config or {},
        defaults=defaults(**more),
        manifest="",
        stored_chart={},
    )


def quiet() -> Reporter:
    return Reporter(lambda _event: None)


def test_what_the_chart_has_on_already_is_not_written_down() -> None:
    config = switching.enabled(installed(), Wish(hubble=("dns",)), "annotations", quiet())
    assert config == {"prometheus": {"enabled": True}, "hubble": {"metrics": {"enabled": ["dns"]}}}


def test_service_monitors_are_asked_for_with_their_labels_for_each_part_that_is_there() -> None:
    wish = Wish(hubble=("drop",), labels={"release": "prom"}, dashboards=True)
    config = switching.enabled(installed(), wish, "prometheus-operator", quiet())
    monitor = {"enabled": True, "labels": {"release": "prom"}}
    assert config == {
        "prometheus": {"enabled": True, "serviceMonitor": monitor},
        "dashboards": {"enabled": True},
        "operator": {"prometheus": {"serviceMonitor": monitor}, "dashboards": {"enabled": True}},
        "envoy": {"prometheus": {"serviceMonitor": monitor}},
        "hubble": {"metrics": {"enabled": ["drop"], "serviceMonitor": monitor, "dashboards": {"enabled": True}}},
    }


def test_a_part_that_is_off_is_left_out_and_that_is_said() -> None:
    events: list[object] = []
    switching.enabled(installed({"hubble": {"enabled": False}}), Wish(), "annotations", Reporter(events.append))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [text.split(":")[0] for text in notes] == ["metrics of hubble", "metrics of relay"]


def test_hubbles_metrics_that_are_on_stay_when_none_are_named() -> None:
    before = {"hubble": {"metrics": {"enabled": ["drop:labelsContext=source_pod"]}}}
    config = switching.enabled(installed(before), Wish(), "annotations", quiet())
    assert get(config, ("hubble", "metrics", "enabled")) == ["drop:labelsContext=source_pod"]


def test_without_metrics_of_hubble_there_is_no_monitor_for_them() -> None:
    config = switching.enabled(installed(), Wish(hubble=(), dashboards=True), "prometheus-operator", quiet())
    assert "hubble" not in config


def test_a_second_run_changes_nothing() -> None:
    for way in ("annotations", "prometheus-operator"):
        wish = Wish(dashboards=True, labels={} if way == "annotations" else {"release": "prom"})
        once = switching.enabled(installed(), wish, way, quiet())
        assert switching.enabled(installed(once), wish, way, quiet()) == once


def test_an_older_chart_is_told_by_its_own_second_value() -> None:
    release = installed({"proxy": {"prometheus": {"enabled": False}}}, proxy={"prometheus": {"enabled": True}})
    assert "proxy" not in switching.enabled(release, Wish(), "annotations", quiet())
    assert "proxy" not in switching.enabled(installed(), Wish(), "annotations", quiet())


def test_switched_off_again_the_release_has_the_values_that_it_had() -> None:
    before = {"debug": {"enabled": True}}
    wish = Wish(dashboards=True, labels={"release": "prom"})
    on = switching.enabled(installed(before), wish, "prometheus-operator", quiet())
    assert switching.disabled(installed(on), everything=False) == before


def test_all_switches_off_what_the_chart_has_on_too() -> None:
    config = switching.disabled(installed(), everything=True)
    assert config == {"operator": {"prometheus": {"enabled": False}}, "envoy": {"prometheus": {"enabled": False}}}


def test_service_monitors_without_their_kind_are_refused_with_the_other_way() -> None:
    with pytest.raises(Refused) as caught:
        switching.way_for(Wish(way="prometheus-operator"), operator=False)
    assert "`ciliumctl monitoring enable --annotations`" in caught.value.hint
    assert switching.way_for(Wish(), operator=False) == "annotations"
    assert switching.way_for(Wish(), operator=True) == "prometheus-operator"


def test_labels_make_no_sense_with_annotations() -> None:
    with pytest.raises(Refused):
        switching.way_for(Wish(way="annotations", labels={"a": "b"}), operator=True)
