"""Guests are made with the rights of their profile, used again, waited for, and say why they do not run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import guests
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Forbidden, NotFound, OutsideError, TimedOut, UsageError
from ciliumctl.guests import waiting
from ciliumctl.guests.objects import rights
from ciliumctl.report import Event, Reporter, Warned
from ciliumctl.wait import Deadline
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer
from tests.world.guests import shop, start
from tests.world.objects import Object, pod

IMAGE = "registry.example.com/tools:1"
HOW = guests.How(image=IMAGE, ttl=600.0, owner="ann@desk")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def report(events: list[Event]) -> Reporter:
    return Reporter(events.append)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    shop(cluster)
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def _web(cluster: FakeCluster) -> Object:
    found = cluster.get("pods", "web", "shop")
    assert found is not None
    return found


def test_a_container_comes_beside_those_of_a_pod(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guest = guests.beside(kube, "shop", "web", guests.How(image=IMAGE, target="main"), report)
    (container,) = _web(cluster)["spec"]["ephemeralContainers"]
    assert container["name"] == guest.container
    assert container["targetContainerName"] == "main"
    assert container["image"] == IMAGE
    assert container["securityContext"]["capabilities"] == {"add": ["NET_ADMIN", "NET_RAW"]}
    assert container["securityContext"]["runAsUser"] == 0
    assert container["command"][-2:] == [guest.container, "3600"]
    assert (guest.kind, guest.made, guest.node) == ("ephemeral", True, "one")
    patch = next(seen for seen in cluster.seen if seen.method == "PATCH")
    assert patch.path.endswith("/pods/web/ephemeralcontainers")
    assert patch.headers["Content-Type"] == "application/strategic-merge-patch+json"


def test_the_pod_it_comes_beside_gets_no_labels(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    before = dict(_web(cluster)["metadata"]["labels"])
    guests.beside(kube, "shop", "web", HOW, report)
    assert _web(cluster)["metadata"]["labels"] == before


def test_one_that_runs_is_used_again(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    first = guests.beside(kube, "shop", "web", HOW, report)
    before = kube.requests
    second = guests.beside(kube, "shop", "web", guests.How(image=IMAGE, ttl=60), report)
    assert (second.container, second.made) == (first.container, False)
    assert second.session != first.session
    assert kube.requests - before == 1
    assert len(_web(cluster)["spec"]["ephemeralContainers"]) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"image": "registry.example.com/others:1"},
        {"profile": "general"},
        {"target": "main"},
        {"purpose": "capture"},
        {"command": ("sh", "-c", "sleep 60", "other")},
    ],
)
def test_one_that_was_made_otherwise_is_not(kube: Kube, report: Reporter, other: dict[str, Any]) -> None:
    guests.beside(kube, "shop", "web", guests.How(image=IMAGE), report)
    assert guests.beside(kube, "shop", "web", guests.How(**{"image": IMAGE, **other}), report).made


def test_one_that_has_ended_or_soon_will_is_not(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guests.beside(kube, "shop", "web", guests.How(image=IMAGE, ttl=5), report)
    assert guests.beside(kube, "shop", "web", HOW, report).made
    for status in _web(cluster)["status"]["ephemeralContainerStatuses"]:
        status["state"] = {"terminated": {"exitCode": 0}}
    assert guests.beside(kube, "shop", "web", HOW, report).made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": {"phase": "Succeeded"}}, "has ended"),
        ({"spec": {"containers": []}}, "is on no node yet"),
        ({"metadata": {"name": "web", "namespace": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}}, "deleted"),
        (
            {"metadata": {"name": "web", "namespace": "shop", "annotations": {"kubernetes.io/config.mirror": "1"}}},
            "static pod",
        ),
    ],
)
def test_a_pod_in_which_nothing_can_run_is_refused(
    kube: Kube, cluster: FakeCluster, report: Reporter, change: dict[str, Any], said: str
) -> None:
    cluster.add({**pod("web", place="shop"), **change})
    with pytest.raises(UsageError, match=said):
        guests.beside(kube, "shop", "web", HOW, report)
    assert all(seen.method == "GET" for seen in cluster.seen)


def test_an_unknown_pod_container_namespace_or_node_is_named(kube: Kube, report: Reporter) -> None:
    with pytest.raises(NotFound, match="no pod `gone` in namespace `shop`"):
        guests.beside(kube, "shop", "gone", HOW, report)
    with pytest.raises(UsageError, match="no container `gone`") as caught:
        guests.beside(kube, "shop", "web", guests.How(image=IMAGE, target="gone"), report)
    assert caught.value.hint == "it has main"
    with pytest.raises(NotFound, match="no namespace `gone`"):
        guests.alone(kube, "gone", HOW, report)
    with pytest.raises(NotFound, match="no node `gone`"):
        guests.on_node(kube, "gone", HOW, report, "kube-system")


def test_a_pods_own_secrets_are_all_that_pulls_beside_it(kube: Kube, report: Reporter, events: list[Event]) -> None:
    guests.beside(kube, "shop", "web", guests.How(image=IMAGE, pull_secret="mirror"), report)
    assert any(isinstance(event, Warned) and "not with `mirror`" in event.text for event in events)


def test_a_pod_of_its_own_ends_by_itself_and_has_marks(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guest = guests.alone(kube, "shop", HOW, report, host_network=True, labels={"app": "client"})
    made = cluster.get("pods", guest.pod, "shop")
    assert made is not None
    assert made["metadata"]["labels"] == {
        "app": "client",
        "app.kubernetes.io/managed-by": "ciliumctl",
        "ciliumctl.io/guest": "debug",
    }
    assert made["metadata"]["annotations"]["ciliumctl.io/owner"] == "ann@desk"
    expires = datetime.fromisoformat(made["metadata"]["annotations"]["ciliumctl.io/expires"])
    assert timedelta(minutes=9) < expires - datetime.now(UTC) < timedelta(minutes=11)
    assert made["spec"]["activeDeadlineSeconds"] == 600
    assert made["spec"]["hostNetwork"] is True
    assert made["spec"]["automountServiceAccountToken"] is False
    assert "tolerations" not in made["spec"]


def test_one_for_which_nobody_is_named_is_the_kubeconfigs_user_s(
    cluster: FakeCluster, tmp_path: Path, report: Reporter
) -> None:
    shop(cluster)
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path)), as_user="ann"), {})
    how = guests.How(image=IMAGE)
    guests.beside(kube, "shop", "web", how, report)
    guests.alone(kube, "shop", how, report)
    guests.on_node(kube, "one", how, report, "kube-system")
    assert [one.owner for one in guests.left_over(kube)] == ["ann", "ann", "ann"]


def test_a_pod_of_a_node_sees_it_whole_and_reads_its_files(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guest = guests.on_node(kube, "one", guests.How(image=IMAGE, pull_secret="mirror"), report, "kube-system")
    made = cluster.get("pods", guest.pod, "kube-system")
    assert made is not None
    spec = made["spec"]
    assert (spec["nodeName"], spec["hostNetwork"], spec["hostPID"]) == ("one", True, True)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "mirror"}]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/host", True)


def test_a_restricted_one_has_the_user_that_the_pod_has(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    web = pod("web", place="shop")
    web["spec"]["containers"][0]["securityContext"] = {"runAsUser": 1000650000}
    cluster.add(web)
    guests.beside(kube, "shop", "web", guests.How(image=IMAGE, profile="restricted"), report)
    (container,) = _web(cluster)["spec"]["ephemeralContainers"]
    assert container["securityContext"]["runAsUser"] == 1000650000
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_profiles_are_what_kubectl_makes_of_them() -> None:
    assert rights("sysadmin")["privileged"] is True
    assert rights("general")["capabilities"] == {"add": ["SYS_PTRACE"]}
    assert rights("baseline") == {}
    assert rights("restricted")["seccompProfile"] == {"type": "RuntimeDefault"}


def test_pod_security_that_refuses_is_explained(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    said = 'pods "web" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities'
    cluster.faults.append(Fault(pattern="PATCH .*/ephemeralcontainers", status=403, message=said))
    with pytest.raises(Forbidden, match="PodSecurity of namespace `shop` does not let profile `netadmin` in") as caught:
        guests.beside(kube, "shop", "web", HOW, report)
    assert "--profile restricted" in caught.value.hint
    assert "node/NAME" in caught.value.hint


def test_an_image_that_cannot_be_had_ends_the_wait_and_the_pod_goes(
    kube: Kube, cluster: FakeCluster, report: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(item: Object) -> None:
        start(item)
        waits = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
        item["status"] = {"phase": "Pending", "containerStatuses": [{"name": "x", "state": waits}]}

    cluster.on_create = stuck
    monkeypatch.setattr(waiting, "GRACE", 0.2)
    with pytest.raises(OutsideError, match="ErrImagePull: no such image") as caught:
        guests.alone(kube, "shop", HOW, report)
    assert "--image REF" in caught.value.hint
    assert [one["metadata"]["name"] for one in cluster.all("pods")] == ["web"]


def test_a_pod_whose_creation_is_answered_too_late_goes(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    def late(item: Object) -> None:
        start(item)
        time.sleep(0.8)

    cluster.on_create = late
    kube.deadline = Deadline.after(0.4)
    with pytest.raises(TimedOut):
        guests.alone(kube, "shop", HOW, report)
    assert [seen.method for seen in cluster.seen][-2:] == ["POST", "DELETE"]
    assert [one["metadata"]["name"] for one in cluster.all("pods")] == ["web"]


def test_a_creation_that_the_server_refuses_leaves_nothing_to_undo(
    kube: Kube, cluster: FakeCluster, report: Reporter, events: list[Event]
) -> None:
    cluster.faults.append(Fault(pattern="(POST|DELETE) .*/pods", status=403, message="no pods for you"))
    with pytest.raises(Forbidden, match="no pods for you"):
        guests.alone(kube, "shop", HOW, report)
    assert all(seen.method != "DELETE" for seen in cluster.seen)
    assert not any(isinstance(event, Warned) for event in events)


def test_a_container_that_ends_at_once_says_how(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    def end(item: Object, container: Object) -> None:
        over = {"terminated": {"exitCode": 127, "reason": "Error", "message": "sh: sleep: not found\n"}}
        item["status"]["ephemeralContainerStatuses"] = [{"name": container["name"], "state": over}]

    cluster.on_ephemeral = end
    with pytest.raises(OutsideError, match="will not run: Error: exit code 127: sh: sleep: not found"):
        guests.beside(kube, "shop", "web", HOW, report)


def test_one_that_does_not_start_in_time_says_what_it_waits_for(
    kube: Kube, cluster: FakeCluster, report: Reporter
) -> None:
    cluster.on_ephemeral = lambda _pod, _container: None
    cluster.program = lambda _call: Answer(status=404)
    kube.deadline = Deadline.after(0.6)
    with pytest.raises(TimedOut, match="did not run in time: Pending"):
        guests.beside(kube, "shop", "web", HOW, report)


def test_one_whose_pod_goes_meanwhile_is_told(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    cluster.faults.append(Fault(pattern="GET .*/pods/ciliumctl-debug-", status=404))
    with pytest.raises(NotFound, match="was deleted before it ran"):
        guests.alone(kube, "shop", HOW, report)
