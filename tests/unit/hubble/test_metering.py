from __future__ import annotations

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.hubble import metering
from ciliumctl.hubble.metering import Metrics

NOW = {"hubble": {"metrics": {"enabled": ["dns", "drop"], "enableOpenMetrics": False}}}


def test_a_list_has_names_with_options_and_commas_inside_of_them() -> None:
    assert metering.parse("dns:query;ignoreAAAA, drop,httpV2:labelsContext=source_ip,source_app,tcp") == (
        "dns:query;ignoreAAAA",
        "drop",
        "httpV2:labelsContext=source_ip,source_app",
        "tcp",
    )


@pytest.mark.parametrize("text", ["nothing", "dns,nothing", "", "DNS"])
def test_a_name_that_agents_do_not_know_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        metering.parse(text)
    assert "port-distribution" in caught.value.hint


def test_what_is_on_stays_on_and_gets_new_options() -> None:
    assert metering.changes(NOW, Metrics(on=("dns:query", "tcp"))) == {metering.VALUE: ["dns:query", "drop", "tcp"]}
    assert metering.changes(NOW, Metrics(on=("drop",))) == {}


def test_some_or_all_are_switched_off() -> None:
    assert metering.changes(NOW, Metrics(off=("dns",))) == {metering.VALUE: ["drop"]}
    assert metering.changes(NOW, Metrics(off=("all",))) == {metering.VALUE: []}
    assert metering.changes({"hubble": {"metrics": {"enabled": None}}}, Metrics(off=("all",))) == {}


def test_both_forms_of_http_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="cannot be on together"):
        metering.changes(NOW, Metrics(on=("http", "httpV2:exemplars=true")))


def test_open_metrics_need_a_chart_that_has_them() -> None:
    assert metering.changes(NOW, Metrics(open_metrics=True)) == {metering.OPEN: True}
    assert metering.changes(NOW, Metrics(open_metrics=False)) == {}
    with pytest.raises(UsageError, match="no OpenMetrics"):
        metering.changes({}, Metrics(open_metrics=True))
