"""Flows on real nodes: connections that are made, one that a policy denies, an agent that is replaced while it is followed.

The hubble in the agents is a stand-in: it tells what the nodes' packet filter logs, in Hubble's own form.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ciliumctl import agents, yaml_files
from ciliumctl.clients.kube import NAMESPACES, NETWORK_POLICIES, PODS, SERVICE_ACCOUNTS, dig
from ciliumctl.wait import Deadline, poll
from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO

SPACE = "flows"
PORT = 8080
#: A machine that is busy answers late.
HUBBLE = ("--request-timeout", "150s", "--timeout", "250s", "hubble")
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "only-friends", "namespace": SPACE},
    "spec": {
        "podSelector": {"matchLabels": {"app": "server"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
    },
}


def pod(name: str, node: str, *command: str) -> dict[str, Any]:
    container = {"name": "c", "image": images.PROBE, "command": list(command)}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": name, "namespace": SPACE, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def place(cluster: Nodes) -> Iterator[str]:
    """A server on the first node; a friend and a stranger on the second, and a policy that denies the stranger.

    Gives the server's address.
    """
    kube = cluster.cluster.kube
    kube.deadline = Deadline.after(120)
    kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    try:
        poll(lambda: kube.find(SERVICE_ACCOUNTS, "default", SPACE), bool, deadline=Deadline.after(30), interval=0.2)
        kube.create(PODS, pod("server", ONE, "python3", "-m", "http.server", str(PORT)), SPACE)
        for name in ("friend", "stranger"):
            kube.create(PODS, pod(name, TWO, "sleep", "infinity"), SPACE)
        kube.create(NETWORK_POLICIES, DENY, SPACE)

        def ready() -> bool:
            found = list(kube.objects(PODS, SPACE))
            return len(found) == 3 and all(dig(one, "status", "containerStatuses", 0, "ready") for one in found)

        assert poll(ready, bool, deadline=Deadline.after(90), interval=0.5)
        assert cluster.enforcer.settle()
        address = str(dig(kube.get(PODS, "server", SPACE), "status", "podIP"))
        assert poll(lambda: asks(cluster, "friend", address), bool, deadline=Deadline.after(30), interval=0.5)
        assert not asks(cluster, "stranger", address)
        yield address
    finally:
        kube.deadline = Deadline.after(250)
        kube.delete(NAMESPACES, SPACE)


def asks(cluster: Nodes, name: str, address: str) -> bool:
    """Whether a pod gets an answer of the server."""
    cluster.cluster.kube.deadline = Deadline.after(250)
    command = ["curl", "-s", "-o", "/dev/null", "--max-time", "2", f"http://{address}:{PORT}/"]
    return cluster.cluster.kube.exec(SPACE, name, command, timeout=30).code == 0


def flows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line)["flow"] for line in text.splitlines()]


def ends(flow: dict[str, Any]) -> tuple[str, str]:
    return flow["source"].get("pod_name", ""), flow["destination"].get("pod_name", "")


def test_both_nodes_tell_what_they_saw_in_one_order(cluster: Nodes, place: str) -> None:
    assert asks(cluster, "friend", place)
    ran = cluster.run(*HUBBLE, "observe", "-n", SPACE, "--to-port", str(PORT), "--all", "-o", "jsonpb")
    assert ran.code == 0, ran.err
    found = flows_of(ran.out)
    assert [flow["time"] for flow in found] == sorted(flow["time"] for flow in found)
    assert {flow["node_name"] for flow in found if ends(flow) == ("friend", "server")} == {ONE, TWO}
    compact = cluster.run(*HUBBLE, "observe", "-n", SPACE, "--to-port", str(PORT), "--verdict", "FORWARDED")
    assert f"{SPACE}/friend:" in compact.out
    assert f"-> {SPACE}/server:{PORT}" in compact.out


def test_only_the_node_of_the_pod_is_asked(cluster: Nodes, place: str) -> None:
    del place
    ran = cluster.run(*HUBBLE, "observe", "--pod", f"{SPACE}/friend", "--all", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["nodes"] == [TWO]
    assert {flow["node_name"] for flow in ran.json["data"]["flows"]} == {TWO}


def test_what_the_policy_denies_is_told_with_the_policy_and_a_rule_that_lets_it_through(
    cluster: Nodes, place: str
) -> None:
    assert not asks(cluster, "stranger", place)
    arguments = (*HUBBLE, "drops", "-n", SPACE, "--since", "10m")
    ran = cluster.run(*arguments, "-o", "json")
    assert ran.code == 0, ran.err
    (drop,) = [one for one in ran.json["data"]["drops"] if one["source"] == f"{SPACE}/stranger"]
    assert (drop["destination"], drop["port"], drop["direction"]) == (f"{SPACE}/server", PORT, "ingress")
    assert (drop["reason"]["name"], drop["nodes"]) == ("POLICY_DENIED", [ONE])
    assert drop["policies"] == [f"NetworkPolicy {SPACE}/only-friends"]
    ran = cluster.run(*arguments, "--suggest")
    (policy,) = [one for one in yaml_files.parse_all(ran.out) if "stranger" in one["metadata"]["name"]]
    assert policy["spec"]["ingress"][0]["fromEndpoints"] == [{"matchLabels": {"app": "stranger"}}]


def test_the_suggested_rule_lets_it_through(cluster: Nodes, place: str) -> None:
    from ciliumctl.clients.kube import CILIUM_POLICIES

    kube = cluster.cluster.kube
    kube.deadline = Deadline.after(250)
    assert not asks(cluster, "stranger", place)
    ran = cluster.run(*HUBBLE, "drops", "--from-pod", f"{SPACE}/stranger", "--suggest")
    (policy,) = yaml_files.parse_all(ran.out)
    kube.create(CILIUM_POLICIES, policy, SPACE)
    try:
        assert cluster.enforcer.settle()
        assert poll(lambda: asks(cluster, "stranger", place), bool, deadline=Deadline.after(20), interval=0.5)
    finally:
        kube.delete(CILIUM_POLICIES, policy["metadata"]["name"], SPACE)
    assert cluster.enforcer.settle()


def test_flows_are_counted_and_verdicts_told(cluster: Nodes, place: str) -> None:
    assert asks(cluster, "friend", place)
    assert not asks(cluster, "stranger", place)
    arguments = ("-n", SPACE, "--to-port", str(PORT), "--all", "-o", "json")
    ran = cluster.run(*HUBBLE, "top", "--by", "from-pod,verdict", *arguments)
    assert ran.code == 0, ran.err
    counted = {tuple(row["values"]): row["flows"] for row in ran.json["data"]["rows"]}
    assert counted[f"{SPACE}/friend", "FORWARDED"] > 0
    assert counted[f"{SPACE}/stranger", "DROPPED"] > 0
    ran = cluster.run(*HUBBLE, "policy-verdicts", *arguments)
    denied = [row for row in ran.json["data"]["rows"] if row["outcome"] == "denied"]
    assert {(row["source"], row["destination"]) for row in denied} == {(f"{SPACE}/stranger", f"{SPACE}/server")}


def test_an_option_that_the_agents_do_not_know_is_named(cluster: Nodes) -> None:
    ran = cluster.run(*HUBBLE, "observe", "--interface", "eth0")
    assert ran.code == 2
    assert "does not know `--interface`" in ran.err


def running(cluster: Nodes, node: str) -> int:
    """How many hubble programs run in the agent of a node."""
    kube = cluster.cluster.kube
    kube.deadline = Deadline.after(250)
    agent = agents.on(kube, "kube-system", node)
    count = ["sh", "-c", "ps | grep -c '[h]ubble observe'"]
    return int(kube.exec(agent.namespace, agent.pod, count, container="cilium-agent").text)


class Follower:
    """`hubble observe -f` on one node; what it prints is read as it comes."""

    def __init__(self, cluster: Nodes, node: str) -> None:
        arguments = ("hubble", "observe", "-f", "-o", "jsonpb", "-n", SPACE, "--to-port", str(PORT))
        self.process = subprocess.Popen(
            [*cluster.argv(*arguments), "--node-name", node],
            env=cluster.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cluster.cluster.folder,
        )
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def sees(self, cluster: Nodes, place: str) -> bool:
        """Whether a connection that is made now is told."""
        assert asks(cluster, "friend", place)
        try:
            found = json.loads(self.lines.get(timeout=5))["flow"]
        except queue.Empty:
            return False
        return ends(found) == ("friend", "server")

    def end(self) -> None:
        """End it whatever happened."""
        self.process.kill()
        self.process.wait(60)
        self.reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def interrupt(self) -> str:
        """End it as Ctrl-C does; what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        assert self.process.returncode == 0
        return self.process.stderr.read() if self.process.stderr else ""


def test_following_goes_on_when_the_agent_is_replaced_and_leaves_nothing_behind(cluster: Nodes, place: str) -> None:
    kube = cluster.cluster.kube
    following = Follower(cluster, ONE)
    try:
        # It sees what happens from when it has begun.
        assert poll(lambda: following.sees(cluster, place), bool, deadline=Deadline.after(120), interval=0.1)
        kube.deadline = Deadline.after(250)
        old = agents.on(kube, "kube-system", ONE)
        kube.delete(PODS, old.pod, "kube-system")

        def replaced() -> bool:
            found = agents.find(kube, "kube-system", nodes=(ONE,))
            return bool(found) and found[0].ready and found[0].pod != old.pod

        assert poll(replaced, bool, deadline=Deadline.after(180), interval=0.5)
        while not following.lines.empty():
            following.lines.get()
        assert poll(lambda: following.sees(cluster, place), bool, deadline=Deadline.after(120), interval=0.1)
        said = following.interrupt()
    finally:
        following.end()
    assert f"node `{ONE}` is silent" in said
    assert poll(lambda: running(cluster, ONE) == 0, bool, deadline=Deadline.after(60), interval=0.5)
