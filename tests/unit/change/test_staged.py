from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl import status
from ciliumctl.change import staged
from ciliumctl.change.batches import Stages
from ciliumctl.clients.kube import SECRETS, ConnectOptions, Kube, connect
from ciliumctl.report import Event, Reporter, StepStarted
from ciliumctl.wait import Deadline
from tests.world import objects
from tests.world.cluster import FakeCluster

_HASH = "controller-revision-hash"


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def part(name: str, app: str) -> list[dict[str, Any]]:
    """A DaemonSet with an old pod on each of two nodes."""
    labels = {"k8s-app": app}
    item = objects.daemon_set(name)
    item["metadata"]["uid"] = f"uid-{name}"
    item["spec"]["selector"] = {"matchLabels": labels}
    item["spec"]["updateStrategy"] = {"type": "OnDelete"}
    newest = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name}-2",
            "namespace": "kube-system",
            "labels": {**labels, _HASH: "new"},
            "ownerReferences": [{"uid": f"uid-{name}"}],
        },
        "revision": 2,
    }
    return [item, newest, *(pod(name, app, node, "old") for node in ("one", "two"))]


def pod(name: str, app: str, node: str, revision: str, *, ready: bool = True) -> dict[str, Any]:
    ending = {"one": "aaaa", "two": "bbbb"}[node] + ("n" if revision == "new" else "o")
    labels = {**objects.PART_OF, "k8s-app": app, _HASH: revision}
    return objects.pod(f"{name}-{ending}", on=node, labels=labels, ready=ready)


def old_pods(cluster: FakeCluster) -> list[str]:
    return sorted(item["metadata"]["name"] for item in cluster.all("pods") if item["metadata"]["name"].endswith("o"))


def begin(cluster: FakeCluster, *, lost: str = "") -> None:
    """Cilium with Envoy; the controllers make a new pod of each that is deleted, but for those of `lost`."""
    kept = [
        item for item in objects.healthy_cilium() if item["metadata"]["name"] not in {"cilium-aaaaa", "cilium-bbbbb"}
    ]
    cluster.add(*kept, *part("cilium", "cilium"), *part("cilium-envoy", "cilium-envoy"))

    def made_anew(item: dict[str, Any]) -> None:
        app = item["metadata"]["labels"]["k8s-app"]
        if app != lost:
            cluster.add(pod(app, app, item["spec"]["nodeName"], "new"))

    cluster.on_delete = made_anew


def rolled(kube: Kube, sink: Any = lambda _event: None, *, pause: float = 0.0, gate: float = 20.0) -> staged.Rolled:
    work = staged.Work(
        where=status.Where(namespace="kube-system", release="cilium", storage=SECRETS),
        deadline=Deadline(),
        report=Reporter(sink),
        gate=gate,
        stages=Stages(size="1", pause=pause),
    )
    return staged.roll(kube, work)


def test_all_nodes_get_new_pods(cluster: FakeCluster, kube: Kube) -> None:
    begin(cluster)
    found = rolled(kube)
    assert (found.left, found.status) == ((), None)
    assert old_pods(cluster) == []


def test_a_node_that_fails_in_the_pause_keeps_the_next_batch_as_it_is(cluster: FakeCluster, kube: Kube) -> None:
    begin(cluster)

    def sink(event: Event) -> None:
        if isinstance(event, StepStarted) and event.title == "Pausing":
            cluster.add(pod("cilium", "cilium", "one", "new", ready=False))

    found = rolled(kube, sink, pause=0.2, gate=3.0)
    assert found.left == ("two",)
    assert found.status is not None
    assert old_pods(cluster) == ["cilium-bbbbo", "cilium-envoy-bbbbo"]


def test_an_envoy_that_does_not_come_back_stops_the_restart(cluster: FakeCluster, kube: Kube) -> None:
    begin(cluster, lost="cilium-envoy")
    found = rolled(kube, gate=3.0)
    assert found.status is not None
    assert found.left == ("two",)
