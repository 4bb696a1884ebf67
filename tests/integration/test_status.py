from __future__ import annotations

import json
import signal
import time

import pytest

from ciliumctl.clients.kube import DEPLOYMENTS, PODS, dig
from tests.integration.conftest import Cluster, MakeCluster, chart, eventually

CHART = "1.15.6"
SLOW = "podAnnotations.lab\\.ciliumctl\\.io/delay="


def test_a_slow_rollout_is_waited_for(lab: Cluster) -> None:
    # kwok takes the jitter for the whole delay where it is the shorter of the two.
    slow = ("--set", f"{SLOW}8s", "--set", "podAnnotations.lab\\.ciliumctl\\.io/jitter=9s")
    ran = lab.run("install", "--chart", str(chart(CHART)), *slow)
    assert ran.code == 0, ran.err
    assert lab.run("status").code == 1
    ran = lab.run("status", "--wait")
    assert ran.code == 0, ran.err
    assert "agent 0/3" in ran.err
    assert "agent 3/3" in ran.err


def test_a_crashing_agent_ends_the_wait_with_its_reason(lab: Cluster) -> None:
    crash = "podAnnotations.lab\\.ciliumctl\\.io/behaviour=crash"
    assert lab.run("install", "--chart", str(chart(CHART)), "--set", crash).code == 0
    ran = lab.run("status", "--wait", "--wait-duration", "4s")
    assert ran.code == 4, ran.err
    assert "agent: 3 of 3 not ready (3 CrashLoopBackOff)" in ran.out
    assert "container `cilium-agent` ended with Error, exit code 1" in ran.out
    assert "hint: `kubectl logs -n kube-system" in ran.out


def test_an_operator_that_no_node_takes_is_told_with_what_to_do(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--set", "operator.replicas=5").code == 0
    ran = lab.run("status", "--wait", "--wait-duration", "8s")
    assert ran.code == 4, ran.err
    assert "operator: 2 of 5 not ready (2 Unschedulable)" in ran.out
    assert "there are fewer nodes than operators" in ran.out


def test_an_image_that_cannot_be_pulled_is_told(lab: Cluster) -> None:
    pull = "podAnnotations.lab\\.ciliumctl\\.io/behaviour=pull"
    assert lab.run("install", "--chart", str(chart(CHART)), "--set", pull).code == 0
    eventually(lambda: "ImagePullBackOff" in lab.run("status").out)
    assert "check that the nodes reach the registry" in lab.run("status").out


def test_a_user_without_rights_is_told_which_ones_are_missing(lab: Cluster) -> None:
    ran = lab.run("status", "--as", "jane", "-o", "json")
    assert ran.code == 5
    assert ran.json["error"]["code"] == "forbidden"
    assert "may not list" in ran.err


def test_a_missing_operator_is_a_problem(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    lab.kube.delete(DEPLOYMENTS, "cilium-operator", "kube-system")
    eventually(lambda: lab.kube.find(DEPLOYMENTS, "cilium-operator", "kube-system") is None)
    ran = lab.run("status")
    assert ran.code == 1
    assert "Deployment `cilium-operator` is missing" in ran.out


@pytest.fixture(scope="module")
def fragile(make_cluster: MakeCluster) -> Cluster:
    """A cluster of its own, for tests that hurt the control plane."""
    return make_cluster("fragile", "--nodes", "2")


def test_an_api_server_that_goes_away_is_waited_for(fragile: Cluster) -> None:
    ran = fragile.run("install", "--chart", str(chart(CHART)), "--set", f"{SLOW}20s")
    assert ran.code == 0, ran.err
    waiting = fragile.start("status", "--wait", "--wait-duration", "120s")
    assert waiting.stderr is not None
    assert any("agent 0/2" in line for line in waiting.stderr)
    with fragile.api_server_gone() as come_back:
        assert any("the API server does not answer" in line for line in waiting.stderr)
        come_back()
        _out, err = waiting.communicate(timeout=120)
        assert waiting.returncode == 0, err
        assert "agent 2/2" in err
        fragile.clean()


def test_without_any_api_server_it_is_exit_5_at_once(fragile: Cluster) -> None:
    started = time.monotonic()
    ran = fragile.run("status", "--wait", "-o", "json")
    assert ran.code == 5
    assert ran.json["error"]["code"] == "unreachable"
    assert time.monotonic() - started < 60


def test_pods_in_the_status_are_the_pods_of_the_cluster(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    ran = lab.run("status", "-o", "json")
    agents = {
        dig(pod, "spec", "nodeName", default=""): dig(pod, "metadata", "name", default="")
        for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")
    }
    assert {node["name"]: node["agent"] for node in ran.json["data"]["nodes"]} == agents


def test_the_agents_own_view_is_asked_for_with_deep_and_can_make_it_unhealthy(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    lab.agent_answer.write_text(json.dumps({"cilium": {"state": "Ok"}, "kubernetes": {"state": "Ok"}}))
    ran = lab.run("status", "--deep", "-o", "json")
    assert ran.code == 0, ran.out
    assert [(agent["node"], agent["state"]) for agent in ran.json["data"]["agents"]] == [
        ("node-1", "ok"),
        ("node-2", "ok"),
        ("node-3", "ok"),
    ]
    controller = {
        "name": "sync-policymap-7",
        "status": {"consecutive-failure-count": 4, "last-failure-msg": "map is full"},
    }
    lab.agent_answer.write_text(
        json.dumps({"cilium": {"state": "Warning", "msg": "2 things"}, "controllers": [controller]})
    )
    ran = lab.run("status", "--deep")
    assert ran.code == 1
    assert "3 of 3 agents report that something is wrong" in ran.out
    assert "and 2 more: agent: Warning, 2 things" in ran.out
    assert "controller `sync-policymap-7` failed 4 times in a row: map is full" in ran.out


def test_a_watch_shows_every_change_and_ends_well_with_ctrl_c(lab: Cluster) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    running = lab.start("status", "--watch", "--interval", "200ms")
    assert running.stdout is not None
    assert any("healthy" in line for line in running.stdout)
    lab.kube.delete(DEPLOYMENTS, "cilium-operator", "kube-system")
    assert any("is missing" in line for line in running.stdout)
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=10)
    assert (running.returncode, err) == (0, "")
