"""The merge of many nodes' flows: in order, bounded, and at the size of a large cluster."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.hubble import choosing, filters, observing
from ciliumctl.hubble.flow import Flow, read
from ciliumctl.hubble.ordering import Collected
from ciliumctl.report import Reporter
from tests.world import flows
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer


def put(collected: Collected, times: list[int]) -> None:
    for time in times:
        line = flows.lines(flows.flow(time))
        found = read(line)
        assert isinstance(found, Flow)
        collected.add(found.moment, line)


def got(collected: Collected) -> list[str]:
    return [str(flow.raw["time"]) for flow in collected.flows()]


@pytest.mark.parametrize(
    ("newest", "oldest", "run", "expected"),
    [(0, 0, 1000, range(50)), (0, 0, 7, range(50)), (3, 0, 7, (47, 48, 49)), (0, 2, 7, (0, 1)), (99, 0, 7, range(50))],
)
def test_flows_come_out_in_order_and_as_many_as_are_wanted(
    newest: int, oldest: int, run: int, expected: range | tuple[int, ...]
) -> None:
    times = list(range(50))
    times = times[::2] + times[1::2][::-1]
    with Collected(newest=newest, oldest=oldest, run=run) as collected:
        put(collected, times)
        assert got(collected) == [flows.when(time) for time in expected]
        assert collected.seen == 50


def test_flows_of_one_moment_stay_in_the_order_in_which_they_came() -> None:
    with Collected() as collected:
        for number in range(3):
            line = flows.lines(flows.flow(1, uuid=str(number)))
            collected.add(1, line)
        assert [flow.raw["uuid"] for flow in collected.flows()] == ["0", "1", "2"]


def test_two_hundred_agents_cost_an_exec_each_and_one_request_to_find_them(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    each = 10
    flows.agents(
        cluster,
        {
            f"n{node:03}": [flows.flow(number + node / 1000, node=f"n{node:03}") for number in range(each)]
            for node in range(200)
        },
    )
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    question = observing.Question(
        filters=filters.Filters(),
        window=observing.Window(last=100).checked(),
        reach=choosing.Reach(namespace="kube-system"),
    )
    with observing.observed(kube, question, Reporter(lambda _event: None)) as (found, about):
        shown = [flow.node for flow in found]
    # The last second has a flow of each node, in the order of their names: the newest hundred are shown.
    assert shown == [f"n{node:03}" for node in range(100, 200)]
    assert len(about.nodes) == len(cluster.calls) == 200
    assert kube.requests == 201


def test_a_thousand_agents_with_many_flows_are_asked_in_the_memory_of_what_is_shown(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    """A thousand times 20 kB go through; what is held is what is shown, and what 32 connections are just reading."""
    text = flows.lines(*(flows.flow(number) for number in range(25)))
    flows.agents(cluster, dict.fromkeys((f"n{node:03}" for node in range(1000)), Answer(stdout=text.encode())))
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    question = observing.Question(
        filters=filters.Filters(),
        window=observing.Window(last=100).checked(),
        reach=choosing.Reach(namespace="kube-system"),
    )
    tracemalloc.start()
    try:
        with observing.observed(kube, question, Reporter(lambda _event: None)) as (found, about):
            times = [flow.raw["time"] for flow in found]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (times, len(about.nodes), about.unanswered) == ([flows.when(24)] * 100, 1000, ())
    assert kube.requests == 1001
    assert len(text) * 1000 > 20_000_000
    assert peak < 10_000_000, f"{peak} bytes"


@pytest.mark.parametrize(("newest", "most"), [(100, 400_000), (0, 4_000_000)])
def test_the_memory_is_that_of_what_is_kept_not_of_what_comes_in(newest: int, most: int) -> None:
    line = flows.lines(flows.flow(1))
    number = 200 * 100
    tracemalloc.start()
    try:
        with Collected(newest=newest, run=2000) as collected:
            for moment in range(number):
                collected.add(moment, f"{line}{moment}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(line) * number > 4 * most
    assert peak < most, f"{peak} bytes"


def test_a_line_that_was_on_the_disk_is_the_line_that_was_put_in() -> None:
    line = flows.lines(flows.flow(1, Summary='\u2028 "x" \\ é')).strip()
    with Collected(run=1) as collected:
        collected.add(1, line)
        (flow,) = collected.flows()
    assert flow.line == line
    assert json.loads(line)["flow"] == flow.raw
