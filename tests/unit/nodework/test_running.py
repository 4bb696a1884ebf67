from __future__ import annotations

import os
from pathlib import Path

import pytest

from ciliumctl import nodework
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Forbidden
from ciliumctl.nodework import bed, running
from ciliumctl.report import Event, Note, Reporter
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.nodework import nodes_answer


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No grace for a state that does not mend itself."""
    monkeypatch.setattr(running, "GRACE", 0.2)


def run(
    kube: Kube, *, seconds: float = 10.0, only: tuple[str, ...] = (), secrets: tuple[str, ...] = ()
) -> nodework.WorkDone:
    work = nodework.Work(
        task="collect",
        title="Looking at the nodes",
        image="example.org/cilium:v1",
        namespace="kube-system",
        pull_secrets=secrets,
        seconds=seconds,
    )
    return nodework.run(kube, work, owner="me@here", report=Reporter(lambda _event: None), only=only)


def left(cluster: FakeCluster) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.all("namespaces")]


def test_each_node_brings_back_its_own_report_and_nothing_stays(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"), objects.node("two"))
    nodes_answer(cluster, {"one": {"release": "6.1"}, "two": {"release": "5.10"}})
    done = run(kube)
    assert [(one.node, one.outcome) for one in done.nodes] == [("one", "done"), ("two", "done")]
    assert '"release":"5.10"' in done.nodes[1].answer
    assert (done.ok, done.summary) == (True, "2 of 2 nodes")
    assert left(cluster) == []


def test_a_node_that_fails_stops_no_other(cluster: FakeCluster, kube: Kube, quick: None) -> None:
    del quick
    waiting = objects.pod("nodes-two", on="two", waiting="ImagePullBackOff", message="no such image")
    cluster.add(objects.node("one"), objects.node("two"))
    nodes_answer(cluster, {"one": {}, "two": waiting})
    done = run(kube)
    assert [(one.outcome, one.reason) for one in done.nodes] == [("done", ""), ("failed", "image")]
    assert "no such image" in done.nodes[1].detail
    assert left(cluster) == []


def test_a_node_that_does_not_answer_is_late_and_the_run_ends(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"), objects.node("two"))
    nodes_answer(cluster, {"one": {}})
    done = run(kube, seconds=1.0)
    assert [one.outcome for one in done.nodes] == ["done", "timed-out"]
    assert "its pod was not started" in done.nodes[1].detail
    assert done.summary == "1 of 2 nodes, 1 timed out"


def test_a_script_that_refuses_is_a_failure_with_its_words(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"))
    nodes_answer(cluster, {"one": {"refused": "an agent still runs"}})
    (one,) = run(kube).nodes
    assert (one.outcome, one.reason, one.detail) == ("failed", "refused", "an agent still runs")


def test_a_log_without_a_report_is_a_failure(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"))
    pod = objects.pod("nodes-one", on="one", log="sh: awk: not found\n")
    nodes_answer(cluster, {"one": pod})
    (one,) = run(kube).nodes
    assert (one.outcome, one.reason) == ("failed", "script")
    assert "awk: not found" in one.detail


def test_pods_that_cannot_be_made_end_the_wait_at_once(cluster: FakeCluster, kube: Kube, quick: None) -> None:
    del quick
    cluster.add(objects.node("one"))

    def refused(item: dict[str, object]) -> None:
        if item["kind"] == "DaemonSet":
            metadata = item["metadata"]
            assert isinstance(metadata, dict)
            metadata["uid"] = "uid-of-the-set"
            event = objects.event(
                "uid-of-the-set", "FailedCreate", "admission webhook denied", place=metadata["namespace"]
            )
            cluster.add(event)

    cluster.on_create = refused
    (one,) = run(kube, seconds=30.0).nodes
    assert (one.reason, one.detail) == ("refused-pod", "admission webhook denied")


def test_where_nothing_can_run_nothing_is_made(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("fake", annotations={"kwok.x-k8s.io/node": "fake"}))
    (one,) = run(kube).nodes
    assert (one.outcome, one.reason) == ("skipped", "simulated")
    assert not [seen for seen in cluster.seen if seen.method == "POST"]


def test_what_a_killed_run_left_is_removed_first(cluster: FakeCluster, kube: Kube) -> None:
    old = dict(bed.namespace(bed.new("collect", "somebody@gone")))
    old["metadata"] = {
        **old["metadata"],
        "annotations": {bed.EXPIRES: "2026-01-01T00:00:00+00:00", bed.OWNER: "x@gone"},
    }
    cluster.add(objects.node("one"), old)
    nodes_answer(cluster, {"one": {}})
    events: list[Event] = []
    work = nodework.Work(task="collect", title="Looking", image="example.org/cilium:v1")
    nodework.run(kube, work, owner="me", report=Reporter(events.append))
    assert left(cluster) == []
    assert any(isinstance(event, Note) and "x@gone" in event.text for event in events)


def test_another_run_that_lives_is_left_alone_unless_there_can_be_none(cluster: FakeCluster, kube: Kube) -> None:
    other = dict(bed.namespace(bed.new("collect", "somebody@here")))
    cluster.add(objects.node("one"), other)
    nodes_answer(cluster, {"one": {}})
    report = Reporter(lambda _event: None)
    work = nodework.Work(task="collect", title="Looking", image="example.org/cilium:v1")
    nodework.run(kube, work, owner="me", report=report)
    assert left(cluster) == [other["metadata"]["name"]]
    nodework.run(kube, work, owner="me", report=report, alone=True)
    assert left(cluster) == []


def test_a_refusal_half_way_leaves_nothing(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"))
    cluster.faults.append(Fault(pattern="POST .*/daemonsets", status=403, message="no"))
    with pytest.raises(Forbidden):
        run(kube)
    assert left(cluster) == []


def test_pull_secrets_come_along(cluster: FakeCluster, kube: Kube) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "regcred", "namespace": "kube-system"},
        "data": {".dockerconfigjson": "e30="},
    }
    cluster.add(objects.node("one"), secret)
    nodes_answer(cluster, {"one": {}})
    run(kube, secrets=("regcred",))
    (copied,) = [seen.body for seen in cluster.seen if seen.method == "POST" and seen.path.endswith("/secrets")]
    assert copied["data"] == {".dockerconfigjson": "e30="}


def test_only_the_named_nodes_are_asked(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"), objects.node("two"))
    nodes_answer(cluster, {"two": {}})
    assert [one.node for one in run(kube, only=("two",)).nodes] == ["two"]


def test_an_api_server_that_is_away_for_a_moment_loses_no_report(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("one"))
    nodes_answer(cluster, {"one": {}})
    cluster.faults.append(Fault(pattern="GET .*/pods$", status=500, message="etcd leader changed", times=8))
    assert run(kube).ok
    assert left(cluster) == []


def test_openshift_lets_the_pods_be_privileged_by_a_binding_of_their_own(cluster: FakeCluster, kube: Kube) -> None:
    cluster.kinds += [
        ("security.openshift.io", "v1", "securitycontextconstraints", "SecurityContextConstraints", False),
        ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True),
    ]
    cluster.add(objects.node("one"))
    nodes_answer(cluster, {"one": {}})
    assert run(kube).ok
    (bound,) = [seen.body for seen in cluster.seen if seen.method == "POST" and seen.path.endswith("/rolebindings")]
    assert bound["roleRef"]["name"] == "system:openshift:scc:privileged"
    assert bound["subjects"][0]["name"] == bed.NAME
