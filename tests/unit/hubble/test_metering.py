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


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("dns:querx", "has no option `querx`", "query, ignoreAAAA, sourceContext"),
        ("dns:query;", "has no option ``", "query"),
        ("tcp:sourceContexts=pod", "has no option `sourceContexts`", "sourceContext"),
        ("drop:sourceContext=pod|name", "cannot be `name`", "workload-name"),
        ("httpV2:labelsContext=source_ip,source_name", "cannot be `source_name`", "source_workload"),
        ("htp", "no metric `htp`", "did you mean `http`?"),
    ],
)
def test_options_that_agents_stumble_over_or_pass_over_are_refused(text: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        metering.parse(text)
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_options_are_kept_as_they_are_those_of_newer_agents_too() -> None:
    text = "flow:sourceContext=workload-name|reserved-identity;destinationcontext=DNS,http:paths=short;exemplars=true"
    assert ",".join(metering.parse(text)) == text


@pytest.mark.parametrize(
    ("metric", "version", "words"),
    [("sctp", "1.17.4", "it came with 1.18"), ("kafka:query", "1.19.0", "it was there before 1.19")],
)
def test_a_metric_that_the_installed_version_lacks_is_refused(metric: str, version: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        metering.check_version([metric], version)
    assert words in caught.value.hint
    metering.check_version(["sctp", "dns"], "1.18.0")
    metering.check_version(["kafka"], "1.18.9")
    metering.check_version(["kafka", "sctp"], "latest")


def test_what_is_on_stays_on_and_gets_new_options() -> None:
    assert metering.changes(NOW, Metrics(on=("dns:query", "tcp"))) == {metering.VALUE: ["dns:query", "drop", "tcp"]}
    assert metering.changes(NOW, Metrics(on=("drop",))) == {}


def test_some_or_all_are_switched_off() -> None:
    assert metering.changes(NOW, Metrics(off=("dns",))) == {metering.VALUE: ["drop"]}
    assert metering.changes(NOW, Metrics(off=("all",))) == {metering.VALUE: []}
    assert metering.changes({"hubble": {"metrics": {"enabled": None}}}, Metrics(off=("all",))) == {}


def test_what_is_on_is_switched_off_whether_it_is_known_or_not_and_a_misspelt_name_is_told() -> None:
    newer = {"hubble": {"metrics": {"enabled": ["dns", "nld:x=1"]}}}
    assert metering.named("nld:x=2,y, tcp") == ("nld", "tcp")
    assert metering.changes(newer, Metrics(off=("nld", "tcp"))) == {metering.VALUE: ["dns"]}
    with pytest.raises(UsageError, match="no metric `dsn`"):
        metering.changes(newer, Metrics(off=("dsn",)))


def test_both_forms_of_http_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="cannot be on together"):
        metering.changes(NOW, Metrics(on=("http", "httpV2:exemplars=true")))


def test_open_metrics_need_a_chart_that_has_them() -> None:
    assert metering.changes(NOW, Metrics(open_metrics=True)) == {metering.OPEN: True}
    assert metering.changes(NOW, Metrics(open_metrics=False)) == {}
    with pytest.raises(UsageError, match="no OpenMetrics"):
        metering.changes({}, Metrics(open_metrics=True))
