"""`ciliumctl metrics`: what agents say, read by their port or by a command in their pods."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer, Call

AGENTS = {"cilium-aaaaa": "one", "cilium-bbbbb": "two"}


@pytest.fixture
def agents(cluster: FakeCluster) -> FakeCluster:
    """Two agents, without a port for scrapers."""
    labels = {"k8s-app": "cilium"}
    cluster.add(*(objects.pod(pod, on=node, labels=labels) for pod, node in AGENTS.items()))
    cluster.add(objects.config_map("cilium-config", objects.CILIUM_CONFIG))
    return cluster


@pytest.fixture
def serving(agents: FakeCluster) -> FakeCluster:
    """The same with the port; each read finds ten more drops, and a full map on the second node."""
    agents.add(objects.config_map("cilium-config", {**objects.CILIUM_CONFIG, "prometheus-serve-addr": ":9962"}))
    for pod, pressure in zip(AGENTS, (0.1, 0.97), strict=True):
        agents.served[pod, 9962] = _growing(pressure)
    return agents


def _growing(pressure: float) -> Callable[[], str]:
    count = itertools.count(1000, 10)
    return lambda: (
        f'cilium_drop_count_total{{reason="Policy denied",direction="INGRESS"}} {next(count)}\n'
        f'cilium_bpf_map_pressure{{map_name="ct4_global"}} {pressure}\n'
        "cilium_controllers_failing 0\n"
    )


def test_rates_and_full_maps_are_read_from_the_agents_port(serving: FakeCluster, command: Command) -> None:
    ran = command("metrics", "top", "--interval", "50ms")
    assert ran.code == 0, ran.err
    assert "Agents 2, over 0." in ran.out
    assert "drops  packets that the agents dropped, packets/s" in ran.out
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["⚠", "97.0", "%", "ct4_global", "two"] in lines
    assert any(line[2:5] == ["Policy", "denied", "INGRESS"] for line in lines)
    assert "at 0: controllers" in ran.out
    assert "no agent reports: " in ran.out
    assert not serving.calls


def test_json_says_what_the_table_says_with_the_requests_that_it_takes(serving: FakeCluster, command: Command) -> None:
    ran = command("metrics", "top", "drops", "--interval", "50ms", "--by", "node", "-o", "json")
    data = ran.json["data"]
    assert (ran.code, ran.json["kind"], data["ways"]) == (0, "MetricsTop", {"proxy": 2})
    (topic,) = data["topics"]
    assert {row["labels"]["node"] for row in topic["rows"]} == {"one", "two"}
    assert all(row["value"] > 0 for row in topic["rows"])
    assert len(serving.seen) == 2 + 2 * 2


@pytest.mark.usefixtures("serving")
def test_read_once_counters_are_totals_since_the_start(command: Command) -> None:
    ran = command("metrics", "top", "drops", "--interval", "0")
    assert "2000" in ran.out
    assert "packets since start" in ran.out
    assert "read once" in ran.out


def test_without_a_port_the_agents_are_asked_by_a_command(agents: FakeCluster, command: Command) -> None:
    listed = [{"name": "cilium_controllers_failing", "labels": {}, "value": 3}]
    agents.program = lambda _call: Answer(stdout=json.dumps(listed))
    ran = command("metrics", "top", "controllers", "-o", "json")
    assert (ran.code, ran.json["data"]["ways"]) == (0, {"exec": 2})
    assert ran.json["data"]["topics"][0]["rows"][0]["value"] == 6
    assert agents.calls[0].command[-4:] == ("metrics", "list", "-o", "json")


def test_a_port_that_is_closed_is_no_failure_while_the_command_answers(
    agents: FakeCluster, serving: FakeCluster, command: Command
) -> None:
    del serving.served["cilium-aaaaa", 9962]
    agents.program = lambda _call: Answer(stdout="[]")
    ran = command("metrics", "top", "maps", "-o", "json")
    assert (ran.code, ran.json["data"]["ways"]) == (0, {"exec": 1, "proxy": 1})


def test_an_agent_that_does_not_answer_is_told_and_ends_with_7(agents: FakeCluster, command: Command) -> None:
    def program(call: Call) -> Answer:
        return Answer(stdout="[]") if call.pod == "cilium-aaaaa" else Answer(stderr="no socket", code=1)

    agents.program = program
    ran = command("metrics", "top", "--interval", "0", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert ran.json["data"]["unread"] == [
        {"node": "two", "error": "`cilium-dbg metrics list -o json` failed on node `two`: no socket"}
    ]


def test_only_some_agents_of_many_are_read_and_that_is_said(cluster: FakeCluster, command: Command) -> None:
    labels = {"k8s-app": "cilium"}
    cluster.add(*(objects.pod(f"cilium-{n:05}", on=f"node-{n:02}", labels=labels) for n in range(30)))
    cluster.add(objects.pod("cilium-zzzzz", on="unwell", labels=labels, ready=False))
    cluster.program = lambda _call: Answer(stdout="[]")
    ran = command("metrics", "top", "--interval", "0")
    assert "Agents 20 of 31, read once" in ran.out
    assert "--nodes all" in ran.out
    assert "cilium-zzzzz" in {call.pod for call in cluster.calls}
    assert len(cluster.calls) == 20


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("dorps",), 2, "there is no topic `dorps`"),
        (("--nodes", "three"), 2, "no agent of Cilium runs on a node `three`"),
        (("--by", "pod"), 2, "--by"),
        (("-o", "name"), 2, "-o name"),
        (("-n", "elsewhere"), 5, "no agent of Cilium runs in namespace `elsewhere`"),
    ],
)
def test_what_makes_no_sense_is_refused(
    agents: FakeCluster, command: Command, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran = command("metrics", "top", *arguments)
    assert ran.code == code
    assert says in ran.err
    assert not agents.calls


def test_a_user_who_may_not_look_is_told_which_right_is_missing(agents: FakeCluster, command: Command) -> None:
    agents.faults.append(Fault(pattern="GET .*/pods$", status=403, message="no"))
    assert command("metrics", "top").code == 5


def test_who_may_not_read_the_settings_asks_the_agents_themselves(serving: FakeCluster, command: Command) -> None:
    serving.faults.append(Fault(pattern="GET .*/configmaps/", status=403, message="no"))
    serving.program = lambda _call: Answer(stdout="[]")
    ran = command("metrics", "top", "maps", "--interval", "0", "-o", "json")
    assert (ran.code, ran.json["data"]["ways"]) == (0, {"exec": 2})
