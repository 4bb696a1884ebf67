"""Logs of real containers, through real kubelets: their order, and what comes while they are followed."""

from __future__ import annotations

import json
import signal
import subprocess

from ciliumctl import agents
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO

# Seconds.
_PATIENCE = 60


def test_the_agents_of_both_nodes_are_read_in_the_order_of_their_times(cluster: Nodes) -> None:
    ran = cluster.run("logs", "agent", "--grep", "stand-in", "-o", "json")
    assert ran.code == 0, ran.err
    lines = [json.loads(line)["data"] for line in ran.out.splitlines()]
    assert {line["node"] for line in lines} == {ONE, TWO}
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert all(len(time) == len("2026-01-02T03:04:05.123456789Z") for time in times)


def test_the_log_of_an_init_container_is_read(cluster: Nodes) -> None:
    ran = cluster.run("logs", "agent", "--node", ONE, "-c", "install-cni-binaries")
    assert (ran.code, ran.err) == (0, "")


def test_what_a_container_writes_while_it_is_followed_is_shown(cluster: Nodes) -> None:
    agent = agents.on(cluster.cluster.kube, "kube-system", ONE)
    with subprocess.Popen(
        cluster.argv("logs", "agent", "--node", ONE, "--follow", "--tail", "1"),
        env=cluster.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline().strip()
            # Into the standard output of the container's first process.
            said = ["sh", "-c", "echo 'level=error msg=\"seen live\"' > /proc/1/fd/1"]
            cluster.cluster.kube.exec("kube-system", agent.pod, said, container="cilium-agent")
            assert running.stdout.readline().strip() == 'level=error msg="seen live"'
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(_PATIENCE) == 0
