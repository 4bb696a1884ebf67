"""A namespace is asked before anything is made in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import guests
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Forbidden, NotFound
from ciliumctl.report import Reporter
from tests.world.cluster import FakeCluster, Fault
from tests.world.objects import namespace, node, pod

HOW = guests.How(image="registry.example.com/tools:1")


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    place = namespace("shop")
    place["metadata"]["labels"] = {
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/warn": "baseline",
    }
    cluster.add(place, node("one"), pod("web", place="shop"))
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_a_dry_run_makes_nothing(kube: Kube, cluster: FakeCluster) -> None:
    before = [one["metadata"]["name"] for one in cluster.all("pods")]
    assert guests.admission(kube, "shop", HOW).ok
    assert guests.admission(kube, "shop", HOW, kind="ephemeral", pod="web").ok
    assert guests.admission(kube, "shop", HOW, kind="node", node="one").ok
    assert [one["metadata"]["name"] for one in cluster.all("pods")] == before
    web = cluster.get("pods", "web", "shop")
    assert web is not None
    assert "ephemeralContainers" not in web["spec"]


def test_a_mode_that_only_warns_is_told(kube: Kube) -> None:
    found = guests.admission(kube, "shop", HOW)
    assert found.level == "privileged"
    assert found.warnings == ("PodSecurity `baseline` of the namespace warns of profile `netadmin`",)
    assert guests.admission(kube, "shop", guests.How(image="x", profile="restricted")).warnings == ()
    assert guests.admission(kube, "shop", guests.How(image="x", profile="restricted"), kind="node", node="one").warnings


def test_a_nodes_network_is_part_of_the_question(kube: Kube, cluster: FakeCluster) -> None:
    how = guests.How(image="x", profile="restricted")
    found = guests.admission(kube, "shop", how, node="one", host_network=True)
    assert found.warnings == ("PodSecurity `baseline` of the namespace warns of a pod with its node's network",)
    asked = cluster.seen[-1]
    assert (asked.method, asked.query["dryRun"], asked.body["spec"]["hostNetwork"]) == ("POST", "All", True)


def test_no_other_profile_helps_a_pod_with_its_nodes_network(kube: Kube, cluster: FakeCluster) -> None:
    said = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    cluster.faults.append(Fault(pattern="POST .*/pods$", status=403, message=said))
    wish = guests.Wish(target=guests.Target(kind="new", namespace="shop"), namespace="kube-system", host_network=True)
    with pytest.raises(Forbidden, match="does not let a pod with its node's network in: ") as caught:
        guests.enter(kube, wish, HOW, Reporter(lambda _event: None))
    assert "--profile" not in caught.value.hint
    assert "leave `--host-network` out" in caught.value.hint


def test_a_refusal_is_an_answer(kube: Kube, cluster: FakeCluster) -> None:
    said = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities'
    cluster.faults.append(Fault(pattern="POST .*/pods$", status=403, message=said))
    found = guests.admission(kube, "shop", HOW)
    assert not found.ok
    assert found.refusal == 'violates PodSecurity "baseline:latest": non-default capabilities'


def test_who_may_not_read_namespaces_is_answered_by_the_dry_run(kube: Kube, cluster: FakeCluster) -> None:
    cluster.faults.append(Fault(pattern="GET .*/namespaces/shop$", status=403, message="no"))
    found = guests.admission(kube, "shop", HOW)
    assert (found.ok, found.level, found.warnings) == (True, "", ())


def test_an_unknown_namespace_is_named(kube: Kube) -> None:
    with pytest.raises(NotFound, match="no namespace `gone`"):
        guests.admission(kube, "gone", HOW)
