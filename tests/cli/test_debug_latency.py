"""`ciliumctl debug latency` against an API server in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ciliumctl.connectivity.perf.bed import LATENCY
from tests.conftest import Command
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer, Call
from tests.world.pods import pod_cluster
from tests.world.run import quiet_environ, run

PROBED = "2026-01-01T00:00:00Z"


def agent(number: int, *, ready: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"cilium-{number}", "namespace": "kube-system", "labels": {"k8s-app": "cilium"}},
        "spec": {"nodeName": f"node-{number}", "containers": [{"name": "cilium-agent"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "cilium-agent", "ready": ready}]},
    }


def health(count: int, down: tuple[int, ...] = ()) -> Any:
    """What each agent says: the higher the other's number the slower, and some are down."""

    def program(call: Call) -> Answer:
        own = int(call.pod.rpartition("-")[2])
        assert call.container == "cilium-agent"
        nodes = []
        for number in range(1, count + 1):
            bad = number in down and number != own
            said = {"status": "Connection timed out"} if bad else {"latency": number * 100_000}
            nodes.append({"name": f"node-{number}", "host": {"primary-address": {"icmp": said, "http": said}}})
        return Answer(stdout=json.dumps({"local": {"name": f"node-{own}"}, "nodes": nodes, "timestamp": PROBED}))

    return program


@pytest.fixture
def three(cluster: FakeCluster) -> FakeCluster:
    cluster.add(*(agent(number) for number in (1, 2, 3)))
    cluster.program = health(3)
    return cluster


def test_all_reach_each_other_in_a_matrix(three: FakeCluster, command: Command) -> None:
    ran = command("debug", "latency")
    assert ran.code == 0, ran.err
    assert ran.out == (
        "to the node, ICMP, milliseconds, from a row to a column\n"
        "    FROM     1      2      3\n"
        "1   node-1   -      0.20   0.30\n"
        "2   node-2   0.10   -      0.30\n"
        "3   node-3   0.10   0.20   -\n"
        "\n"
        "SLOWEST FROM   TO       MS\n"
        "node-1         node-3   0.30\n"
        "node-2         node-3   0.30\n"
        "node-1         node-2   0.20\n"
        "node-3         node-2   0.20\n"
        "node-2         node-1   0.10\n"
        "node-3         node-1   0.10\n"
        "\n"
        "all nodes reach each other: 6 pairs, told by 3 of 3 nodes, of prod\n"
    )
    assert [call.command[3:] for call in three.calls] == [("sh", "cilium-health", "status", "-o", "json")] * 3
    assert len([seen for seen in three.seen if seen.path.endswith("/pods")]) == 1


def test_a_node_that_nobody_reaches_is_named_once_and_the_exit_code_is_1(three: FakeCluster, command: Command) -> None:
    three.add(agent(4))
    three.program = health(4, down=(2,))
    ran = command("debug", "latency", "--worst", "0")
    assert ran.code == 1, ran.err
    assert "node-2 is reached by none of 3: ICMP to the node and HTTP to its agent: Connection timed out" in ran.out
    assert "3 of 12 pairs do not reach each other" in ran.out
    assert command("debug", "latency", "-o", "name").out.splitlines() == [
        "node-1/node-2",
        "node-3/node-2",
        "node-4/node-2",
    ]


def test_json_has_every_pair_and_every_node(three: FakeCluster, command: Command) -> None:
    three.program = health(3, down=(3,))
    ran = command("debug", "latency", "-o", "json")
    assert (ran.code, ran.json["ok"], ran.json["error"]) == (1, False, None)
    data = ran.json["data"]
    assert [(node["name"], node["reached_by"], node["probed"]) for node in data["nodes"]] == [
        ("node-1", 2, PROBED),
        ("node-2", 2, PROBED),
        ("node-3", 0, PROBED),
    ]
    assert [pair["target"] for pair in data["pairs"] if pair["problem"]] == ["node-3", "node-3"]
    assert data["pairs"][0] == {
        "source": "node-1",
        "target": "node-2",
        "times": {"node-icmp": 0.2, "node-http": 0.2},
        "problem": "",
    }


def test_an_agent_that_cannot_be_asked_makes_it_partial(three: FakeCluster, command: Command) -> None:
    three.add(agent(2, ready=False))
    ran = command("debug", "latency", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert "`node-2`" in ran.json["error"]["message"]
    assert ran.json["data"]["pairs_total"] == 4
    assert "node-2 was not asked: the agent on node `node-2` is not ready" in command("debug", "latency").out


def test_no_agent_that_answers_is_an_error_with_a_way_on(three: FakeCluster, command: Command) -> None:
    three.program = lambda _call: Answer(code=1, stderr="Cannot get status: dial unix /var/run/cilium/health.sock\n")
    ran = command("debug", "latency")
    assert (ran.code, ran.out) == (5, "")
    assert "no agent tells of the others" in ran.err
    assert "health.sock" in ran.err
    assert "`--active` measures with pods of its own" in ran.err
    three.program = lambda _call: Answer(code=127, stderr="sh: exec: cilium-health: not found\n")
    assert "the agent's image has no program `cilium-health`" in command("debug", "latency").err


def test_only_named_nodes_are_asked_and_must_exist(three: FakeCluster, command: Command) -> None:
    ran = command("debug", "latency", "--nodes", "node-2", "--probe", "-o", "json")
    assert ran.code == 0, ran.err
    assert [call.pod for call in three.calls] == ["cilium-2"]
    assert three.calls[0].command[-1] == "--probe"
    ran = command("debug", "latency", "--nodes", "node-2,nowhere")
    assert ran.code == 5
    assert "there is no node `nowhere`" in ran.err


def test_without_agents_it_says_how_to_measure(cluster: FakeCluster, command: Command) -> None:
    del cluster
    ran = command("debug", "latency")
    assert ran.code == 5
    assert "no agent of Cilium runs in namespace `kube-system`" in ran.err
    assert "`--active`" in ran.err


def test_pods_options_want_active(three: FakeCluster, command: Command) -> None:
    ran = command("debug", "latency", "--registry", "registry.example")
    assert ran.code == 2
    assert "pods are only made with `--active`" in ran.err
    assert three.calls == []


def test_a_hundred_and_twenty_nodes_are_asked_once_each_and_shown_by_their_slowest(
    cluster: FakeCluster, command: Command
) -> None:
    count = 120
    cluster.add(*(agent(number) for number in range(1, count + 1)))
    cluster.program = health(count, down=(7,))
    ran = command("debug", "latency", "--worst", "3", "-o", "json")
    assert ran.code == 1, ran.err
    assert len(cluster.calls) == count
    data = ran.json["data"]
    assert (data["pairs_total"], data["unreachable"], len(data["pairs"])) == (count * (count - 1), count - 1, count - 1)
    assert [pair["times"]["node-icmp"] for pair in data["slowest"]] == [12.0, 12.0, 12.0]


def prober(call: Call) -> Answer:
    lines = [
        f"@@ {address}\n" + json.dumps({"count": 2, "seconds": 1, "max": 90_000, "histogram": [[80_000, 2]]})
        for address in call.command[4:]
    ]
    assert str(LATENCY) in call.command[2]
    return Answer(stdout="\n".join(lines) + "\n")


def node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def test_active_measures_between_pods_of_its_own_and_takes_them_away(tmp_path: Any) -> None:
    with pod_cluster(prober) as cluster:
        cluster.add(*(node(name) for name in ("a", "b", "c")))
        env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
        ran = run("debug", "latency", "--active", "--max-nodes", "2", "-o", "json", env=env)
        assert ran.code == 0, ran.err
        data = ran.json["data"]
        assert (data["how"], data["way"], data["pairs_total"], data["left_out"]) == ("pods", "pod-tcp", 2, 1)
        assert [pair["times"] for pair in data["pairs"]] == [{"pod-tcp": 0.08}] * 2
        assert cluster.all("namespaces") == []


def test_active_takes_its_pods_away_also_when_it_cannot_measure(tmp_path: Any) -> None:
    with pod_cluster(lambda _call: Answer(code=127, stderr="sh: python3: not found")) as cluster:
        cluster.add(*(node(name) for name in ("a", "b")))
        env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
        ran = run("debug", "latency", "--active", env=env)
        assert ran.code == 6, ran.out
        assert "the prober does not run" in ran.err
        assert cluster.all("namespaces") == []
        cluster.faults.append(Fault(pattern="/nodes", status=403, message="no nodes for you"))
        assert run("debug", "latency", "--active", env=env).code == 5
