"""Percentiles, shares, units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.connectivity.perf.measure import planned
from ciliumctl.connectivity.perf.result import (
    Measurement,
    Perf,
    Throughput,
    against_hosts,
    bits,
    micros,
    percentile,
    requests,
)
from tests.unit.connectivity.perf.runs import done, perf


@pytest.mark.parametrize(
    ("histogram", "percent", "value"),
    [
        ([], 50, 0),
        ([(7, 1)], 50, 7),
        ([(1, 50), (2, 40), (3, 9), (4, 1)], 50, 1),
        ([(1, 50), (2, 40), (3, 9), (4, 1)], 90, 2),
        ([(1, 50), (2, 40), (3, 9), (4, 1)], 99, 3),
        ([(1, 50), (2, 40), (3, 9), (4, 1)], 100, 4),
    ],
)
def test_a_percentile_is_the_value_that_so_many_are_not_above(
    histogram: list[tuple[int, int]], percent: float, value: int
) -> None:
    assert percentile(histogram, percent) == value


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=200), st.integers(1, 100))
def test_a_percentile_of_a_histogram_is_that_of_the_values(values: list[int], percent: int) -> None:
    values.sort()
    histogram = sorted({value: values.count(value) for value in values}.items())
    rank = -(-len(values) * percent // 100)
    assert percentile(histogram, percent) == values[rank - 1]


def test_pods_have_their_share_of_the_hosts_and_hosts_have_none() -> None:
    found = {one.name: one.of_host for one in against_hosts(perf().measurements)}
    assert found["throughput-other-node-ipv4"] == pytest.approx(90)
    assert found["latency-same-node-ipv6"] == pytest.approx(200)
    assert found["throughput-host-to-host-ipv4"] is None


def test_without_a_baseline_there_is_no_share() -> None:
    pods = [one for one in perf().measurements if one.path != "host-to-host"]
    assert {one.of_host for one in against_hosts(pods)} == {None}


def test_a_run_is_good_when_something_was_measured_and_nothing_failed() -> None:
    good, skipped = done("throughput-same-node-ipv4"), planned([4])[0]
    assert run(good, skipped).ok
    assert not run(skipped).ok
    bad = Measurement(name="x", quantity="latency", path="same-node", family=4, outcome="error")
    assert not run(good, bad).ok
    assert run(good, bad).names == ("x",)


def run(*measurements: Measurement) -> Perf:
    return Perf(context="", nodes=("a",), duration=1, streams=1, image="", measurements=measurements)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9_414_000_000, "9.41 Gbit/s"),
        (99_950_000_000, "100 Gbit/s"),
        (12_340_000_000, "12.3 Gbit/s"),
        (999_600, "1000 kbit/s"),
        (1_500, "1.50 kbit/s"),
        (12, "12 bit/s"),
    ],
)
def test_bits_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert bits(value) == text


def test_requests_and_times_have_their_units() -> None:
    assert [requests(18_957.4), requests(9.5)] == ["18957 req/s", "9.5 req/s"]
    assert [micros(83.4), micros(9_999), micros(12_345)] == ["83 µs", "9999 µs", "12.3 ms"]


def test_the_rate_is_what_more_of_is_better() -> None:
    one = done("throughput-same-node-ipv4")
    assert one.throughput == Throughput(bits_per_second=one.rate, retransmits=3)
    assert planned([4])[0].rate == 0
