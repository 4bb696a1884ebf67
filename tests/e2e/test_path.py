"""`ciliumctl debug path` on real nodes: faults are made, and the first broken hop must be the one that was broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from ciliumctl.clients.kube import NAMESPACES, NETWORK_POLICIES, PODS, SERVICES, Kube, conditions_of, dig
from ciliumctl.errors import Conflict
from ciliumctl.wait import Deadline, poll
from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import FAULTS

PLACE = "path-test"
IMAGE = ("--image", images.PROBE)


def pod(name: str, node: str, *command: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "main",
                    "image": images.PROBE,
                    "args": list(command),
                    "ports": [{"containerPort": 8080, "name": "http"}],
                }
            ],
        },
    }


def service(name: str, app: str, target: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": target}]},
    }


@pytest.fixture(scope="module")
def ends(cluster: Nodes) -> Iterator[Nodes]:
    """`here` on one node, `there` on the other, and services of all kinds."""
    kube = cluster.cluster.kube
    with suppress(Conflict):
        kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    serve = ("netexec", "--http-port", "8080", "--udp-port", "8081")
    for one in (pod("here", "node-1", *serve), pod("there", "node-2", *serve)):
        with suppress(Conflict):
            kube.create(PODS, one, PLACE)
    for one in (service("web", "there", 8080), service("empty", "nobody", 8080), service("wrong", "there", 9999)):
        with suppress(Conflict):
            kube.create(SERVICES, one, PLACE)
    assert poll(lambda: ready(kube), bool, deadline=Deadline.after(60), interval=0.3)
    yield cluster
    kube.delete(NAMESPACES, PLACE)


def ready(kube: Kube) -> bool:
    pods = list(kube.objects(PODS, PLACE))
    return len(pods) >= 2 and all(dig(conditions_of(one).get("Ready"), "status") == "True" for one in pods)


def look(ends: Nodes, source: str, destination: str, *more: str) -> tuple[int, dict[str, Any]]:
    ran = ends.run("debug", "path", source, destination, "-o", "json", *more, timeout=120)
    assert ran.out, ran.err
    assert ran.json["error"] is None, ran.err
    return ran.code, ran.json["data"]


def stages(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["id"]: stage for stage in data["stages"]}


@contextmanager
def denied(ends: Nodes) -> Iterator[None]:
    """Nothing gets into `there`."""
    kube = ends.cluster.kube
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "shut"},
        "spec": {"podSelector": {"matchLabels": {"app": "there"}}, "policyTypes": ["Ingress"]},
    }
    kube.create(NETWORK_POLICIES, policy, PLACE)
    ends.enforcer.settle()
    try:
        yield
    finally:
        kube.delete(NETWORK_POLICIES, "shut", PLACE)
        ends.enforcer.settle()


def test_all_is_well_by_pod_service_and_name(ends: Nodes) -> None:
    for destination in ("pod/path-test/there:8080", "svc/path-test/web"):
        code, data = look(ends, "pod/path-test/here", destination)
        assert (code, data["broken"]) == (0, ""), json.dumps(data, indent=1)
        assert stages(data)["probe"]["outcome"] == "ok"
    code, data = look(ends, "pod/path-test/here", "web.path-test.svc:80")
    assert (code, stages(data)["name"]["outcome"]) == (0, "ok"), json.dumps(data, indent=1)


def test_a_guest_asks_where_it_is_wanted(ends: Nodes) -> None:
    code, data = look(ends, "pod/path-test/here", "svc/path-test/web", *IMAGE)
    assert (code, data["broken"]) == (0, "")
    assert "container ciliumctl-path-" in stages(data)["probe"]["evidence"][0]


def test_a_node_asks_through_its_agent(ends: Nodes) -> None:
    code, data = look(ends, "node/node-1", "pod/path-test/there:8081/udp")
    assert stages(data)["probe"]["evidence"][0].startswith("asked from container cilium-agent")
    assert (code, stages(data)["egress"]["outcome"]) == (0, "ok")


def test_a_policy_that_denies_is_the_broken_hop_and_is_named(ends: Nodes) -> None:
    with denied(ends):
        code, data = look(ends, "pod/path-test/here", "svc/path-test/web")
    assert (code, data["broken"]) == (1, "CIL-PATH-502"), json.dumps(data, indent=1)
    assert "NetworkPolicy path-test/shut" in data["verdict"]
    assert stages(data)["probe"]["outcome"] == "fail"


def test_a_service_without_pods_and_a_wrong_port_are_told(ends: Nodes) -> None:
    code, data = look(ends, "pod/path-test/here", "svc/path-test/empty")
    assert (code, data["broken"]) == (1, "CIL-PATH-302")
    assert "app=nobody" in data["verdict"]
    code, data = look(ends, "pod/path-test/here", "svc/path-test/wrong")
    assert (code, data["broken"]) == (1, "CIL-PATH-701")
    assert "`targetPort` of service path-test/wrong" in stages(data)["probe"]["hint"]


@pytest.mark.parametrize("fault", ["route-blackholed", "loss-100"])
def test_traffic_between_the_nodes_that_is_dropped_names_the_pair(ends: Nodes, fault: str) -> None:
    (chosen,) = (one for one in FAULTS if one.name == fault)
    with chosen.inject(ends):
        code, data = look(ends, "pod/path-test/here", "pod/path-test/there:8080")
    assert (code, data["broken"]) == (1, "CIL-PATH-702"), json.dumps(data, indent=1)
    assert "from node-1 to node-2" in data["verdict"]


def test_a_node_that_does_not_translate_services_is_told(ends: Nodes) -> None:
    (chosen,) = (one for one in FAULTS if one.name == "service-rules-gone")
    with chosen.inject(ends):
        code, data = look(ends, "pod/path-test/here", "svc/path-test/web")
    assert (code, data["broken"]) == (1, "CIL-PATH-703"), json.dumps(data, indent=1)
    assert "node-1 does not translate" in data["verdict"]
