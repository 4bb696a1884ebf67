"""Objects written and read, rights and kinds looked up, against the fake API server."""

from __future__ import annotations

import pytest

from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    NODES,
    PODS,
    SECRETS,
    Access,
    Resource,
    dig,
)
from ciliumctl.errors import ApiFailed, ClusterError, Conflict, Forbidden, Invalid, NotFound
from tests.unit.clients.kube.conftest import client
from tests.world.cluster import FakeCluster, Fault
from tests.world.objects import namespace, pod
from tests.world.websockets import Peer, Server

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cilium-config"}, "data": {"debug": "false"}}


@pytest.fixture
def filled(cluster: FakeCluster) -> FakeCluster:
    cluster.add(namespace("kube-system"), {**CONFIG, "metadata": {"name": "cilium-config", "namespace": "kube-system"}})
    return cluster


# Reading


def test_an_object_is_got_or_not_found_and_a_find_gives_none(filled: FakeCluster) -> None:
    kube = client(filled.url)
    assert kube.get(CONFIG_MAPS, "cilium-config", "kube-system")["data"] == {"debug": "false"}
    assert kube.find(CONFIG_MAPS, "no-such", "kube-system") is None
    assert kube.find(Resource("cilium.io", "v2", "ciliumnodes"), "x") is None
    with pytest.raises(NotFound, match='configmaps "no-such" not found'):
        kube.get(CONFIG_MAPS, "no-such", "kube-system")


def test_a_find_that_is_forbidden_is_not_taken_for_absence(filled: FakeCluster) -> None:
    filled.faults.append(Fault("GET .*/configmaps/", status=403, message="no"))
    with pytest.raises(Forbidden):
        client(filled.url).find(CONFIG_MAPS, "cilium-config", "kube-system")


def test_names_with_odd_characters_stay_one_part_of_the_path() -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.answer(200, {})

    with Server(serve) as server:
        client(server.url).get(NODES, "a/../b?c=d")
        assert server.heads[0].target == "/api/v1/nodes/a%2F..%2Fb%3Fc%3Dd"


def test_the_end_of_a_log_comes_as_text_whatever_its_bytes_are() -> None:
    def serve(peer: Peer) -> None:
        while peer.request() is not None:
            peer.answer(200, b"level=info msg=\xff\xfe started\n", Content_Type="text/plain")

    with Server(serve) as server:
        kube = client(server.url)
        said = kube.logs("kube-system", "cilium-x", container="cilium-agent", tail=5, previous=True)
        kube.logs("kube-system", "cilium-x")
        targets = [head.target for head in server.heads]
    assert said == "level=info msg=\ufffd\ufffd started\n"
    path = "/api/v1/namespaces/kube-system/pods/cilium-x/log"
    assert targets == [
        f"{path}?tailLines=5&previous=true&container=cilium-agent",
        f"{path}?tailLines=20&previous=false",
    ]


def test_a_log_that_is_not_there_says_why(cluster: FakeCluster) -> None:
    cluster.add(pod("web"))
    words = 'previous terminated container "cilium-agent" in pod "web" not found'
    cluster.faults.append(Fault("GET .*/log", status=400, message=words))
    with pytest.raises(Invalid) as caught:
        client(cluster.url).logs("default", "web", previous=True)
    assert caught.value.detail == words


# Changing


def test_apply_creates_and_then_changes_an_object_under_our_name(filled: FakeCluster) -> None:
    kube = client(filled.url)
    wanted = {**CONFIG, "metadata": {"name": "mine"}}
    assert kube.apply(CONFIG_MAPS, wanted, "kube-system")["data"] == {"debug": "false"}
    kube.apply(CONFIG_MAPS, {**wanted, "data": {"debug": "true"}}, "kube-system", force=True)
    assert dig(filled.get("configmaps", "mine", "kube-system"), "data", "debug") == "true"
    first, second = filled.seen
    assert first.method == "PATCH"
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert first.query == {"fieldManager": "ciliumctl", "force": "false"}
    assert second.query["force"] == "true"


def test_an_apply_against_another_manager_is_a_conflict_with_its_name(filled: FakeCluster) -> None:
    words = 'Apply failed with 1 conflict: conflict with "helm": .data.debug'
    filled.faults.append(Fault("PATCH", status=409, message=words))
    with pytest.raises(Conflict) as caught:
        client(filled.url).apply(CONFIG_MAPS, CONFIG, "kube-system")
    assert caught.value.detail == words


def test_a_dry_run_changes_nothing(filled: FakeCluster) -> None:
    kube = client(filled.url)
    changed = {**CONFIG, "data": {"debug": "true"}}
    assert kube.apply(CONFIG_MAPS, changed, "kube-system", dry_run=True)["data"] == {"debug": "true"}
    kube.create(CONFIG_MAPS, {**CONFIG, "metadata": {"name": "new"}}, "kube-system", dry_run=True)
    assert dig(filled.get("configmaps", "cilium-config", "kube-system"), "data", "debug") == "false"
    assert filled.get("configmaps", "new", "kube-system") is None


def test_a_second_create_is_a_conflict(filled: FakeCluster) -> None:
    with pytest.raises(Conflict, match="already exists"):
        client(filled.url).create(CONFIG_MAPS, CONFIG, "kube-system")


def test_a_create_in_a_namespace_that_is_not_there_says_so(cluster: FakeCluster) -> None:
    with pytest.raises(NotFound, match='namespaces "gone" not found'):
        client(cluster.url).create(CONFIG_MAPS, CONFIG, "gone")


def test_a_replace_of_what_changed_meanwhile_is_a_conflict(filled: FakeCluster) -> None:
    kube = client(filled.url)
    read = kube.get(CONFIG_MAPS, "cilium-config", "kube-system")
    kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"debug": "true"}}, "kube-system")
    with pytest.raises(Conflict, match="has been modified"):
        kube.replace(CONFIG_MAPS, read, "kube-system")


def test_a_patch_merges_and_null_deletes(filled: FakeCluster) -> None:
    kube = client(filled.url)
    after = kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"debug": None, "ipam": "kubernetes"}}, "kube-system")
    assert after["data"] == {"ipam": "kubernetes"}
    assert filled.seen[0].headers["Content-Type"] == "application/merge-patch+json"
    assert filled.seen[0].query == {"fieldManager": "ciliumctl"}


def test_a_subresource_is_patched_at_its_own_path(cluster: FakeCluster) -> None:
    cluster.faults.append(Fault("PATCH /api/v1/nodes/one/status$", status=422, message="seen"))
    with pytest.raises(Invalid, match="seen"):
        client(cluster.url).patch(NODES, "one", {"status": {"conditions": []}}, subresource="status")


def test_a_delete_says_whether_it_was_there(filled: FakeCluster) -> None:
    kube = client(filled.url)
    assert kube.delete(CONFIG_MAPS, "cilium-config", "kube-system") is True
    assert kube.delete(CONFIG_MAPS, "cilium-config", "kube-system", foreground=True) is False
    assert [seen.body["propagationPolicy"] for seen in filled.seen] == ["Background", "Foreground"]


def test_a_delete_of_one_uid_leaves_a_successor_of_the_same_name_alone(filled: FakeCluster) -> None:
    kube = client(filled.url)
    with pytest.raises(Conflict, match="UID in the precondition"):
        kube.delete(CONFIG_MAPS, "cilium-config", "kube-system", uid="another")
    uid = kube.get(CONFIG_MAPS, "cilium-config", "kube-system")["metadata"]["uid"]
    assert kube.delete(CONFIG_MAPS, "cilium-config", "kube-system", uid=uid) is True


# Kinds and rights


def test_groups_come_with_their_versions_preferred_one_first() -> None:
    body = {
        "groups": [
            {"name": "cilium.io", "versions": [{"version": "v2"}, {"version": "v2alpha1"}]},
            {"name": "apps", "versions": [{"version": "v1"}]},
            {"name": "odd"},
        ]
    }

    def serve(peer: Peer) -> None:
        peer.request()
        peer.answer(200, body)

    with Server(serve) as server:
        assert client(server.url).groups() == {"cilium.io": ("v2", "v2alpha1"), "apps": ("v1",), "odd": ()}


def test_every_kind_is_found_in_two_requests_where_discovery_is_aggregated(cluster: FakeCluster) -> None:
    kube = client(cluster.url)
    kinds = kube.kinds()
    assert kinds["apps/v1", "DaemonSet"] == DAEMON_SETS
    assert kinds["v1", "Node"] == NODES
    assert not kinds["v1", "Node"].namespaced
    assert kube.requests == 2


def old_server(missing: str = "") -> dict[str, tuple[int, dict[str, object]]]:
    """Discovery as servers before 1.26 answer it."""
    resources = {
        "/api/v1": [{"name": "pods", "namespaced": True, "kind": "Pod"}, {"name": "pods/log", "kind": "Pod"}],
        "/apis/apps/v1": [{"name": "daemonsets", "namespaced": True, "kind": "DaemonSet"}],
        "/apis/metrics.k8s.io/v1beta1": [{"name": "pods", "namespaced": True, "kind": "PodMetrics"}],
    }
    groups = [
        {"name": group, "versions": [{"version": version}]}
        for group, version in (("apps", "v1"), ("metrics.k8s.io", "v1beta1"))
    ]
    answers: dict[str, tuple[int, dict[str, object]]] = {
        path: (200, {"resources": entries}) for path, entries in resources.items()
    }
    answers |= {"/api": (200, {"versions": ["v1"]}), "/apis": (200, {"groups": groups})}
    if missing:
        answers[missing] = (503, {"message": "service unavailable"})
    return answers


def serve_paths(answers: dict[str, tuple[int, dict[str, object]]]) -> Server:
    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            peer.answer(*answers[request[0].target])

    return Server(serve)


def test_an_older_server_is_asked_group_by_group() -> None:
    with serve_paths(old_server()) as server:
        kinds = client(server.url).kinds()
    assert kinds["v1", "Pod"] == PODS
    assert kinds["apps/v1", "DaemonSet"] == DAEMON_SETS
    assert ("metrics.k8s.io/v1beta1", "PodMetrics") in kinds
    assert len(kinds) == 3


def test_an_extension_that_is_down_hides_only_its_own_kinds() -> None:
    with serve_paths(old_server("/apis/metrics.k8s.io/v1beta1")) as server:
        kinds = client(server.url).kinds()
    assert set(kinds) == {("v1", "Pod"), ("apps/v1", "DaemonSet")}


def test_the_core_group_must_not_be_down() -> None:
    with serve_paths(old_server("/api/v1")) as server, pytest.raises(ApiFailed):
        client(server.url).kinds()


def test_only_what_is_denied_comes_back_in_the_order_it_was_asked(cluster: FakeCluster) -> None:
    cluster.denied = {("create", "secrets"), ("delete", "daemonsets")}
    asked = [
        Access(verb="delete", resource=DAEMON_SETS, namespace="kube-system", name="cilium"),
        Access(verb="list", resource=PODS),
        Access(verb="create", resource=SECRETS, namespace="kube-system"),
    ]
    assert client(cluster.url).denied(asked) == [asked[0], asked[2]]
    specs = [seen.body["spec"]["resourceAttributes"] for seen in cluster.seen]
    assert {"verb": "list", "version": "v1", "resource": "pods"} in specs
    assert {
        "verb": "delete",
        "group": "apps",
        "version": "v1",
        "resource": "daemonsets",
        "namespace": "kube-system",
        "name": "cilium",
    } in specs
    assert str(asked[0]) == "delete `daemonsets.apps` in namespace `kube-system`"
    assert str(asked[1]) == "list `pods` in the whole cluster"


def test_nothing_asked_is_nothing_denied_without_a_request(cluster: FakeCluster) -> None:
    kube = client(cluster.url)
    assert kube.denied([]) == []
    assert kube.requests == 0


def test_a_subresource_is_asked_for_by_its_name(cluster: FakeCluster) -> None:
    client(cluster.url).denied([Access(verb="create", resource=PODS, subresource="exec")])
    assert cluster.seen[0].body["spec"]["resourceAttributes"]["subresource"] == "exec"


def test_a_server_that_cannot_say_what_we_may_do_is_an_error_and_no_denial(cluster: FakeCluster) -> None:
    cluster.faults.append(Fault("POST .*selfsubjectaccessreviews", status=500, message="webhook authorizer"))
    with pytest.raises(ClusterError, match="webhook authorizer"):
        client(cluster.url).denied([Access(verb="list", resource=PODS)])


# Evicting


def test_a_pod_that_may_go_is_evicted_with_its_uid_and_its_grace(cluster: FakeCluster) -> None:
    cluster.add(pod("web", place="default"))
    kube = client(cluster.url)
    assert kube.evict("default", "web", uid="uid-1", grace=5) == ""
    assert cluster.get("pods", "web", "default") is None
    (seen,) = [one for one in cluster.seen if one.path.endswith("/pods/web/eviction")]
    assert seen.body["deleteOptions"] == {"gracePeriodSeconds": 5, "preconditions": {"uid": "uid-1"}}
    assert kube.evict("default", "web") == ""


def test_a_pod_that_a_budget_keeps_stays_with_the_budgets_words(cluster: FakeCluster) -> None:
    cluster.add(pod("web", place="default"))
    cluster.keeps = lambda _pod: "Cannot evict pod as it would violate the pod's disruption budget."
    assert "disruption budget" in client(cluster.url).evict("default", "web")
    assert cluster.get("pods", "web", "default") is not None
