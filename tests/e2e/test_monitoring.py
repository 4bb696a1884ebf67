"""Metrics on real nodes: switched on by Helm, answered by the stand-ins, read through the API server and the kubelets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ciliumctl.clients.kube import NAMESPACES, PODS
from ciliumctl.wait import Deadline, poll
from tests.e2e.conftest import Nodes


@pytest.fixture(scope="module")
def monitored(cluster: Nodes) -> Iterator[Nodes]:
    """The cluster with all metrics on, Hubble's relay too; off again at the end."""
    relay = cluster.run("hubble", "status", "-o", "json").json["data"]["relay"]["state"] != "disabled"
    ran = cluster.run("hubble", "enable", "--no-wait")
    assert ran.code == 0, ran.err
    ran = cluster.run("monitoring", "enable", "--hubble-metrics", "drop,flow")
    assert ran.code == 0, ran.err
    yield cluster
    ran = cluster.run("monitoring", "disable", *(["--no-wait"] if not relay else []))
    assert ran.code == 0, ran.err
    if not relay:
        ran = cluster.run("hubble", "disable")
        assert ran.code == 0, ran.err


def test_an_agent_without_a_port_lists_its_metrics_when_asked(cluster: Nodes) -> None:
    """Also before anything was switched on: what is read is the same."""
    ran = cluster.run("metrics", "top", "endpoints", "maps", "--interval", "0", "-o", "json")
    assert ran.code == 0, ran.err
    assert {topic["metric"] for topic in ran.json["data"]["topics"]} >= {"cilium_endpoint_state"}


def test_every_part_that_is_on_answers_by_the_way_that_leads_there(monitored: Nodes) -> None:
    # An agent is ready before its metrics are: the stand-ins begin to serve a moment later.
    ran = poll(
        lambda: monitored.run("monitoring", "status", "-o", "json"),
        lambda ran: ran.code == 0,
        deadline=Deadline.after(60),
        interval=1.0,
    )
    targets = {one["component"]: one for one in ran.json["data"]["targets"] if one["state"] != "off"}
    assert ran.code == 0, ran.out
    assert set(targets) >= {"agent", "operator", "hubble", "relay"}
    assert all(one["series"] and one["age"] is not None for one in targets.values())
    assert targets["agent"]["ways"] == ["proxy"]
    assert targets["agent"]["told"] == ["annotation of the pods"]
    # The API server of this cluster has no way into the pod network: only the kubelet has.
    assert targets["relay"]["ways"] == ["forward"]


def test_rates_are_real_and_by_node(monitored: Nodes) -> None:
    ran = monitored.run("metrics", "top", "forwarded", "memory", "--by", "node", "--interval", "1s", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    topics = {topic["name"]: topic for topic in data["topics"]}
    assert data["ways"] == {"proxy": 2}
    assert data["seconds"] >= 1
    assert {row["labels"]["node"] for row in topics["forwarded"]["rows"]} == set(data["nodes"])
    assert all(row["value"] > 1024**2 for row in topics["memory"]["rows"])


def test_exporters_are_found_on_real_nodes(monitored: Nodes) -> None:
    ran = monitored.run("cni", "metrics", "--interval", "0", "-o", "json")
    assert ran.code == 0, ran.err
    (found,) = ran.json["data"]["exporters"]
    assert (found["name"], found["answered"]) == ("cilium", 2)


def test_the_pods_of_the_stack_are_admitted_and_all_of_it_goes_again(cluster: Nodes) -> None:
    kube = cluster.cluster.kube
    ran = cluster.run("monitoring", "deploy", "--no-wait", "--ttl", "10m", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["expires"]
    pods = poll(
        lambda: list(kube.objects(PODS, "ciliumctl-monitoring")),
        lambda found: len(found) == 2,
        deadline=Deadline.after(20),
        interval=0.2,
    )
    assert len(pods) == 2
    ran = cluster.run("monitoring", "delete", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["removed"] == [
        "rolebinding/kube-system/ciliumctl-monitoring",
        "role/kube-system/ciliumctl-monitoring",
        "namespace/ciliumctl-monitoring",
    ]
    assert kube.find(NAMESPACES, "ciliumctl-monitoring") is None
