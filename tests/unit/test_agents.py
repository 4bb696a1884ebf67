"""Which agent is on which node, and what one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import agents
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import ApiFailed, NotFound
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    for number, node in enumerate(("node-b", "node-a"), 1):
        cluster.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
        cluster.add(_pod(f"cilium-{number}", node, ready=True))
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def _pod(name: str, node: str, *, ready: bool) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {"k8s-app": "cilium"}},
        "spec": {"nodeName": node, "containers": [{"name": "cilium-agent"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "cilium-agent", "ready": ready}]},
    }


def test_agents_come_by_node_in_one_request(kube: Kube) -> None:
    before = kube.requests
    assert [(agent.node, agent.pod, agent.ready) for agent in agents.find(kube, "kube-system")] == [
        ("node-a", "cilium-2", True),
        ("node-b", "cilium-1", True),
    ]
    assert kube.requests - before == 1


def test_of_two_pods_on_a_node_the_ready_one_is_the_agent(kube: Kube, cluster: FakeCluster) -> None:
    cluster.add(_pod("cilium-0", "node-a", ready=False))
    assert agents.on(kube, "kube-system", "node-a").pod == "cilium-2"


def test_no_node_and_no_agent_are_told_apart(kube: Kube, cluster: FakeCluster) -> None:
    with pytest.raises(NotFound, match="there is no node `nowhere`"):
        agents.on(kube, "kube-system", "nowhere")
    cluster.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}})
    with pytest.raises(NotFound, match="no agent of Cilium runs on node `bare`"):
        agents.on(kube, "kube-system", "bare")


def test_words_are_arguments_and_never_a_script(kube: Kube, cluster: FakeCluster) -> None:
    cluster.program = lambda _call: Answer(stdout="[]")
    agent = agents.on(kube, "kube-system", "node-a")
    assert agents.ask_json(kube, agent, ["endpoint", "get", "$(reboot)"]) == []
    assert cluster.calls[-1].command[3:] == ("sh", "endpoint", "get", "$(reboot)", "-o", "json")
    assert "reboot" not in cluster.calls[-1].command[2]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(code=1, stderr="usage: …\nError: no such endpoint\n"), "on node `node-a`: Error: no such endpoint"),
        (Answer(code=3), "it ended with 3"),
        (Answer(stdout="stand-in"), "printed no JSON"),
    ],
)
def test_an_agent_that_does_not_answer_is_an_error(kube: Kube, cluster: FakeCluster, answer: Answer, said: str) -> None:
    def program(_call: Call) -> Answer:
        return answer

    cluster.program = program
    with pytest.raises(ApiFailed, match=said):
        agents.ask_json(kube, agents.on(kube, "kube-system", "node-a"), ["endpoint", "list"])
