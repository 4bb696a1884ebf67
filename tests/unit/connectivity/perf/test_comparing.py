"""An earlier run is read back, and a later one compared with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.cli.output import envelope
from ciliumctl.connectivity.perf import suites
from ciliumctl.connectivity.perf.comparing import compare, percent, read
from ciliumctl.connectivity.perf.result import Comparison, Perf, Throughput
from ciliumctl.errors import BadFile, UsageError
from tests.unit.connectivity.perf.runs import perf


def compared(
    tmp_path: Path,
    now: Perf,
    fail_below: float | None = None,
    base: Perf | None = None,
    *,
    single_node: bool = False,
) -> Comparison:
    file = tmp_path / "base.json"
    file.write_text(json.dumps(envelope(Perf.kind, base or perf())))
    return compare(now, read(file), fail_below, single_node=single_node)


def test_a_run_is_as_good_as_itself(tmp_path: Path) -> None:
    found = compared(tmp_path, perf(), 100.0)
    assert len(found.figures) == 6 + 3 * 6
    assert {round(figure.percent, 6) for figure in found.figures} == {100}
    assert (found.ok, found.below, found.differences, found.not_in_base, found.not_measured_now) == (
        True,
        (),
        (),
        (),
        (),
    )


@pytest.mark.parametrize(("worse", "below"), [(1.2, 0), (1.3, 24)])
def test_less_throughput_and_longer_latency_count_in_the_same_proportion(
    tmp_path: Path, worse: float, below: int
) -> None:
    found = compared(tmp_path, perf(worse), 80.0)
    assert {round(figure.percent, 6) for figure in found.figures} == {round(100 / worse, 6)}
    assert len(found.below) == below
    assert found.ok is (below == 0)


def test_nothing_that_arrives_is_nothing_of_the_base(tmp_path: Path) -> None:
    now = perf()
    dead = replace(now.measurements[0], throughput=Throughput(bits_per_second=0, retransmits=9))
    found = compared(tmp_path, replace(now, measurements=(dead, *now.measurements[1:])), 1.0)
    assert [(figure.measurement, figure.percent) for figure in found.below] == [(dead.name, 0)]


def test_without_a_limit_nothing_is_below(tmp_path: Path) -> None:
    found = compared(tmp_path, perf(worse=10))
    assert found.ok
    assert found.below == ()


def test_what_only_one_of_the_two_has_is_told(tmp_path: Path) -> None:
    now, base = perf(without="host-to-host-ipv6"), perf(without="same-node-ipv4")
    found = compared(tmp_path, now, None, base)
    assert found.ok
    assert found.not_in_base == ("throughput-same-node-ipv4", "latency-same-node-ipv4")
    assert found.not_measured_now == ("throughput-host-to-host-ipv6", "latency-host-to-host-ipv6")


def test_what_the_base_has_and_could_not_be_measured_now_fails_where_there_is_a_limit(tmp_path: Path) -> None:
    now = perf(without="other-node")
    lost = tuple(one.name for one in now.measurements if one.path == "other-node")
    assert len(lost) == 4
    assert (compared(tmp_path, now).ok, compared(tmp_path, now).lost) == (True, ())
    found = compared(tmp_path, now, 90.0)
    assert (found.ok, found.lost, found.below) == (False, lost, ())
    result = replace(now, comparison=found)
    assert not result.ok
    assert result.names == lost
    cases = {case.name: case for suite in suites(result) for case in suite.cases}
    assert {name for name, case in cases.items() if case.outcome == "failed"} == set(lost)
    assert cases[lost[0]].message.startswith("the base has it, and it was not measured now")


def test_what_a_run_left_out_on_purpose_is_not_missing(tmp_path: Path) -> None:
    everything = perf()
    four = replace(everything, measurements=tuple(one for one in everything.measurements if one.family == 4))
    found = compared(tmp_path, four, 90.0)
    assert (found.ok, found.missing, len(found.not_measured_now)) == (True, (), 6)
    one_node = perf(without="host")
    one_node = replace(
        one_node,
        measurements=tuple(
            one if one.path == "same-node" else replace(one, outcome="skipped", throughput=None, latency=None)
            for one in one_node.measurements
        ),
    )
    assert compared(tmp_path, one_node, 90.0, single_node=True).ok
    assert len(compared(tmp_path, one_node, 90.0).lost) == 8


def test_with_a_limit_something_must_be_comparable(tmp_path: Path) -> None:
    now, base = perf(without="ipv4"), perf(without="ipv6")
    assert not compared(tmp_path, now, 90.0, base).ok
    assert compared(tmp_path, now, None, base).ok


def test_what_makes_runs_hard_to_compare_is_told(tmp_path: Path) -> None:
    now = replace(perf(streams=4, duration=2), nodes=("three",))
    assert compared(tmp_path, now).differences == (
        "the base has 1 streams, this run 4",
        "the base has 1 seconds for each, this run 2",
        "the base was measured on one and two, this run on three",
    )


def test_a_measurement_below_the_base_is_a_failed_case_of_the_reports(tmp_path: Path) -> None:
    now = perf(worse=2)
    found = suites(replace(now, comparison=compared(tmp_path, now, 90.0)))
    assert [(suite.name, suite.count("failed")) for suite in found] == [("throughput", 6), ("latency", 6)]
    case = found[0].cases[2]
    assert (case.name, case.message) == (
        "throughput-other-node-ipv4",
        "throughput 4.50 Gbit/s, 50 % of the base's 9.00 Gbit/s",
    )


@pytest.mark.parametrize(("text", "value"), [("90%", 90), ("90", 90), (" 99.5 % ", 99.5), ("100", 100)])
def test_a_share_is_a_number_with_or_without_its_sign(text: str, value: float) -> None:
    assert percent(text) == value


@pytest.mark.parametrize("text", ["", "0", "-5", "101%", "ninety", "nan", "1e2", "90%%"])
def test_what_is_no_share_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is no share of the base"):
        percent(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no JSON"),
        ("\xff", "is not"),
        ("[]", "is not the result of `connectivity perf`"),
        ({"kind": "Status", "data": {}}, "is not the result of `connectivity perf`"),
        ({"kind": "ConnectivityPerf", "data": None}, "nothing was measured"),
        ({"kind": "ConnectivityPerf", "data": {"measurements": 5}}, "nothing was measured"),
        ({"kind": "ConnectivityPerf", "data": {"measurements": [5, {"name": "a", "throughput": {}}]}}, "nothing was"),
    ],
)
def test_a_file_that_is_no_such_run_is_told(tmp_path: Path, content: Any, words: str) -> None:
    file = tmp_path / "base.json"
    file.write_bytes(content.encode("latin-1") if isinstance(content, str) else json.dumps(content).encode())
    with pytest.raises(BadFile, match=r"base\.json") as caught:
        read(file)
    assert words in caught.value.message or "is no JSON" in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read(tmp_path / "none.json")
