"""The demo application on real nodes: every way to it, one that a policy closes, and nothing left of it."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from ciliumctl.clients.kube import DEPLOYMENTS, NAMESPACES, NETWORK_POLICIES, PODS, SERVICES
from ciliumctl.demo.model import SELECTOR
from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO

PLACE = "e2e-demo"
IMAGE = ("--image", images.PROBE, "--port", "8080", "--arg", "netexec", "--arg", "--http-port=8080")
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
}


@pytest.fixture(scope="module")
def shop(cluster: Nodes) -> Iterator[Nodes]:
    kube = cluster.cluster.kube
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": labels}}
    if kube.find(NAMESPACES, PLACE) is None:
        kube.create(NAMESPACES, space)
    # What a run that was killed left.
    kube.delete(NETWORK_POLICIES, "deny", PLACE)
    ran = cluster.run("demo", "deploy", "-n", PLACE, *IMAGE)
    assert ran.code == 0, ran.err
    yield cluster
    kube.delete(NAMESPACES, PLACE)


def test_every_way_leads_to_the_application(shop: Nodes) -> None:
    ran = shop.run("demo", "test", "-n", PLACE, "-o", "json")
    assert ran.code == 0, (ran.out, ran.err)
    paths = ran.json["data"]["paths"]
    assert {path["outcome"] for path in paths} == {"passed"}
    assert {path["name"] for path in paths} == {
        "pod to pod",
        "pod to service",
        "pod to service by name",
        "pod to node port",
        "here to node port",
        "here by port-forward",
    }
    sources = {path["source"].partition(" on ")[2] for path in paths}
    assert {ONE, TWO} <= sources


def test_the_url_answers_and_so_does_a_forwarded_port(shop: Nodes) -> None:
    ran = shop.run("demo", "url", "-n", PLACE)
    assert ran.code == 0, ran.err
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with local.open(ran.out.strip() + "/hostname", timeout=20) as answer:
        assert answer.read().decode().startswith("nginx-")
    with subprocess.Popen(
        shop.argv("demo", "url", "-n", PLACE, "--forward"), env=shop.environ, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            with local.open(f"{url}/hostname", timeout=20) as answer:
                assert answer.read().decode().startswith("nginx-")
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0


def test_a_policy_that_closes_a_way_is_seen(shop: Nodes) -> None:
    kube = shop.cluster.kube
    kube.create(NETWORK_POLICIES, DENY, PLACE)
    try:
        ran = shop.run("demo", "test", "-n", PLACE, "-o", "json")
    finally:
        kube.delete(NETWORK_POLICIES, "deny", PLACE)
    assert ran.code == 1
    paths = ran.json["data"]["paths"]
    assert {path["outcome"] for path in paths if path["name"] == "pod to pod"} == {"failed"}
    assert {path["outcome"] for path in paths if path["name"] == "here by port-forward"} == {"passed"}


def test_nothing_is_left_of_it(shop: Nodes) -> None:
    ran = shop.run("demo", "delete", "-n", PLACE)
    assert ran.code == 0, ran.err
    kube = shop.cluster.kube
    assert kube.find(DEPLOYMENTS, "nginx", PLACE) is None
    assert kube.find(SERVICES, "nginx", PLACE) is None
    assert list(kube.objects(PODS, PLACE, labels=SELECTOR)) == []
