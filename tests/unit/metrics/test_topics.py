"""Rows of topics: from samples of two moments to what is the matter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.metrics import topics
from ciliumctl.metrics.text import parse
from ciliumctl.metrics.topics import Reading, Row


def topic(name: str) -> topics.Topic:
    (found,) = topics.chosen([name])
    return found


def drops(node: str, before: int, now: int, seconds: float = 2.0) -> Reading:
    line = 'cilium_drop_count_total{direction="INGRESS",reason="Policy denied"}'
    return Reading(node=node, before=parse(f"{line} {before}"), now=parse(f"{line} {now}"), seconds=seconds)


def test_a_counter_is_shown_by_the_second_and_summed_over_nodes() -> None:
    (row,) = topics.rows(topic("drops"), [drops("one", 10, 20), drops("two", 0, 30)])
    assert row == Row(labels={"reason": "Policy denied", "direction": "INGRESS"}, value=20.0, node="two", bad=True)


def test_a_counter_of_an_agent_that_began_anew_is_no_negative_rate() -> None:
    (row,) = topics.rows(topic("drops"), [drops("one", 1000, 4)])
    assert row.value == 2.0


def test_a_series_that_appeared_between_the_reads_began_at_nothing() -> None:
    reading = replace(drops("one", 0, 8), before=parse("other 1"))
    (row,) = topics.rows(topic("drops"), [reading])
    assert row.value == 4.0


def test_a_counter_that_was_read_once_is_its_total() -> None:
    (row,) = topics.rows(topic("drops"), [replace(drops("one", 0, 8), before=None, seconds=0.0)])
    assert row.value == 8.0


def test_of_a_full_map_the_fullest_node_counts() -> None:
    readings = [
        Reading(node=node, now=parse(f'cilium_bpf_map_pressure{{map_name="ct4_global"}} {value}'))
        for node, value in (("one", 0.2), ("two", 0.95))
    ]
    (row,) = topics.rows(topic("maps"), readings)
    assert (row.value, row.node, row.bad) == (0.95, "two", True)


def test_by_node_each_node_has_its_own_row_largest_first() -> None:
    found = topics.rows(topic("drops"), [drops("one", 0, 2), drops("two", 0, 4)], by_node=True)
    assert [(row.labels["node"], row.value) for row in found] == [("two", 2.0), ("one", 1.0)]


def test_a_name_of_an_older_version_is_taken_where_the_newer_is_not() -> None:
    old = Reading(node="one", now=parse('cilium_node_connectivity_status{type="node",status="unreachable"} 2'))
    new = Reading(node="two", now=parse('cilium_node_health_connectivity_status{type="node",status="unreachable"} 1'))
    (row,) = topics.rows(topic("health"), [old, new])
    assert row.value == 3.0


def test_only_what_failed_is_an_api_error() -> None:
    text = "\n".join(
        f'cilium_k8s_client_api_calls_total{{method="GET",return_code="{code}"}} 5'
        for code in ("200", "404", "<error>")
    )
    found = topics.rows(topic("api-errors"), [Reading(node="one", now=parse(text))])
    assert [row.labels["return_code"] for row in found] == ["404", "<error>"]


def test_a_topic_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="there is no topic `dorps`") as caught:
        topics.chosen(["dorps"])
    assert "drops" in caught.value.hint


def test_every_topic_is_whole() -> None:
    for one in topics.known():
        assert one.metrics, one.name
        assert one.across in {"sum", "max"}, one.name
        assert one.unit.endswith("/s") or not one.counter or one.unit == "cores", one.name
