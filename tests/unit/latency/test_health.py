"""What agents say of each other becomes pairs, and a result that stays small."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.latency import health, milliseconds
from ciliumctl.latency.active import told
from ciliumctl.latency.model import KEPT, Pair, Tally


def path(**protocols: float | str) -> dict[str, Any]:
    return {
        "ip": "192.0.2.9",
        **{
            name: {"latency": value} if not isinstance(value, str) else {"status": value}
            for name, value in protocols.items()
        },
    }


def node(name: str, host: dict[str, Any] | None, endpoint: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, **more}
    if host is not None:
        found["host"] = {"primary-address": host}
    if endpoint is not None:
        found["health-endpoint"] = {"primary-address": endpoint}
    return found


def test_each_way_has_its_time_in_milliseconds() -> None:
    answer = {
        "local": {"name": "one"},
        "nodes": [node("one", path(icmp=1.0)), node("two", path(icmp=250_000, http=1_000_000), path(icmp=300_000))],
    }
    (pair,) = health.pairs(answer, "one")
    assert (pair.source, pair.target, pair.problem) == ("one", "two", "")
    assert pair.times == {"node-icmp": 0.25, "node-http": 1.0, "pod-icmp": 0.3}


def test_what_does_not_get_through_is_told_with_its_ways() -> None:
    answer = {"nodes": [node("two", path(icmp="timeout", http="timeout"), path(icmp="no route", http=5_000_000))]}
    (pair,) = health.pairs(answer, "one")
    assert pair.problem == "ICMP to the node and HTTP to its agent: timeout; ICMP into its pod network: no route"
    assert pair.times == {"pod-http": 5.0}


def test_nodes_of_the_own_cluster_have_their_plain_names_and_others_their_clusters() -> None:
    fine = path(icmp=1)
    answer = {
        "local": {"name": "east/one"},
        "nodes": [node("east/one", fine), node("east/two", fine), node("west/one", fine)],
    }
    assert [pair.target for pair in health.pairs(answer, "one")] == ["two", "west/one"]


def test_an_older_agent_has_its_endpoint_elsewhere_and_one_without_answers_has_no_pairs() -> None:
    (pair,) = health.pairs({"nodes": [node("two", None, endpoint=None) | {"endpoint": path(icmp=2_000_000)}]}, "one")
    assert pair.times == {"pod-icmp": 2.0}
    assert list(health.pairs({"nodes": None}, "one")) == []


@given(st.integers(2, 8), st.data())
def test_a_tally_counts_every_pair_once(count: int, data: st.DataObject) -> None:
    names = [f"n{number}" for number in range(count)]
    tally = Tally.of("node-icmp", count, 3)
    broken = 0
    for name in names:
        pairs = []
        for other in names:
            if other == name:
                continue
            bad = data.draw(st.booleans())
            broken += bad
            times = {} if bad else {"node-icmp": data.draw(st.floats(0.01, 100))}
            pairs.append(Pair(source=name, target=other, times=times, problem="down" if bad else ""))
        tally.add(name, "", pairs)
    assert (tally.total, tally.unreachable) == (count * (count - 1), broken)
    lines = tally.nodes()
    assert sum(line.reaches for line in lines) == sum(line.reached_by for line in lines) == tally.total - broken
    assert [line.told_by for line in lines] == [count - 1] * count
    slow = [pair.times["node-icmp"] for pair in tally.slow]
    assert slow == sorted(slow, reverse=True)
    assert len(slow) == min(3, tally.total - broken)


def test_of_many_nodes_only_what_is_worth_knowing_is_kept() -> None:
    count = KEPT + 50
    tally = Tally.of("node-icmp", count, 2)
    names = [f"n{number}" for number in range(count)]
    for name in names:
        tally.add(
            name,
            "",
            [
                Pair(
                    source=name,
                    target=other,
                    times={} if other == "n7" else {"node-icmp": 1.0},
                    problem="down" if other == "n7" else "",
                )
                for other in names
                if other != name
            ],
        )
    assert tally.total == count * (count - 1)
    assert {pair.target for pair in tally.pairs} == {"n7"}
    assert len(tally.pairs) == tally.unreachable == count - 1
    assert len(tally.slow) == 2


@pytest.mark.parametrize(("value", "text"), [(None, "?"), (0.123, "0.12"), (12.34, "12.3"), (123.4, "123")])
def test_times_have_as_many_digits_as_are_worth_reading(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


def test_the_prober_is_understood_address_by_address() -> None:
    text = '@@ 192.0.2.1\n{"count": 4, "seconds": 1, "max": 9000, "histogram": [[2000, 3], [9000, 1]]}\n@@ 192.0.2.2\n{"error": "connection refused"}\n@@ 192.0.2.3\n'
    nodes = {"192.0.2.1": "a", "192.0.2.2": "b", "192.0.2.3": "c", "192.0.2.4": "d"}
    pairs = {pair.target: pair for pair in told(text, "me", nodes)}
    assert pairs["a"].times == {"pod-tcp": 0.002}
    assert pairs["b"].problem == "TCP to 192.0.2.2: connection refused"
    assert pairs["c"].problem == pairs["d"].problem.replace("2.4", "2.3") == "TCP to 192.0.2.3: no answer in time"
