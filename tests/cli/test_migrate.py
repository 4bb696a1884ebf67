"""`migrate` on an API server in this process, whose nodes and controllers do what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ciliumctl.migration import state
from tests.conftest import Command
from tests.world import migration, objects
from tests.world.cluster import MIGRATION, FakeCluster, Fault, Object
from tests.world.helm import StubHelm
from tests.world.nodework import nodes_answer
from tests.world.run import Ran

NAME = "ciliumctl-migration"


def changes(cluster: FakeCluster) -> list[str]:
    return [f"{seen.method} {seen.path}" for seen in cluster.seen if seen.method in {"PUT", "PATCH", "DELETE"}]


def marks(cluster: FakeCluster, name: str) -> tuple[str, bool, bool]:
    """A node's phase, whether it is labelled and whether it is cordoned."""
    found = cluster.get("nodes", name)
    assert found is not None
    phase = (found["metadata"].get("annotations") or {}).get(state.PHASE, "")
    return phase, migration.labelled(cluster, name), bool(found["spec"].get("unschedulable"))


# plan


def test_the_plan_names_both_networks_the_nodes_in_order_and_the_steps(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    ran = command("migrate", "plan")
    assert ran.code == 0, ran.err
    assert "from: Flannel, back-end vxlan, UDP port 8472; pods 10.244.0.0/16" in ran.out
    assert "to:   Cilium, VXLAN on UDP port 8473; pods 10.245.0.0/16, /24 a node" in ran.out
    rows = [line.split()[0] for line in ran.out.splitlines() if " waiting " in line]
    assert rows == ["one", "two", "master"]
    assert "4. `ciliumctl migrate finish`" in ran.out
    assert "tried by ciliumctl's own tests on real nodes, to a stand-in for Cilium" in ran.out
    assert not [seen for seen in cluster.seen if seen.method != "GET"]


def test_the_plan_counts_what_moves_and_names_what_keeps_it(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    cluster.add(migration.budget(0), migration.pod("bare", "one", "10.244.2.7", owner=""))
    cluster.add(migration.pod("cache", "two", "10.244.3.7", volumes=[{"name": "scratch", "emptyDir": {}}]))
    data = command("migrate", "plan", "-o", "json").json["data"]
    one, two, _master = data["nodes"]
    assert (one["node"], one["moved"], one["restarted"]) == ("one", 2, 1)
    assert any("kept by PodDisruptionBudget default/web: 1 healthy, 1 needed" in line for line in one["blockers"])
    assert any("default/bare would not come back" in line and "--force" in line for line in one["blockers"])
    assert any("emptyDir scratch" in line and "--delete-emptydir-data" in line for line in two["blockers"])
    allowed = command("migrate", "plan", "--force", "--delete-emptydir-data", "-o", "json").json["data"]["nodes"]
    assert not any("--force" in line or "emptyDir" in line for node in allowed for line in node["blockers"])


def test_the_plan_says_what_breaks(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    port = [{"name": "web", "ports": [{"hostPort": 8080}]}]
    cluster.add(migration.pod("edge", "two", "10.244.3.8", containers=port))
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}}
    cluster.add(policy)
    ran = command("migrate", "plan")
    assert "1 NetworkPolicies are not enforced on moved nodes" in ran.out
    assert "1 pods have host ports, which do not answer on moved nodes: default/edge (8080)" in ran.out
    assert "no kube-proxy is seen" in ran.out


def test_the_plan_warns_of_a_back_end_that_was_never_tried(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster, "wireguard")
    ran = command("migrate", "plan")
    assert "a migration from Flannel with back-end wireguard was never tried on real nodes" in ran.out
    assert "stand-in" not in ran.out


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--set", "kubeProxyReplacement=true"), "`kubeProxyReplacement: True` does not go with a migration"),
        (("--set", "eni.enabled=true"), "`eni.enabled: True` does not go with a migration"),
    ],
)
def test_values_that_take_the_cluster_over_at_once_are_refused(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm, flags: tuple[str, str], why: str
) -> None:
    migration.before(cluster)
    key = flags[1].partition("=")[0]
    outer, _dot, inner = key.partition(".")
    stub_helm.answer(values={outer: {inner: True} if inner else True}, stdout="v3.22.0")
    ran = command("migrate", "plan", *flags, "--helm", str(stub_helm.path))
    assert ran.code == 1
    assert why in ran.out


def test_a_cilium_that_is_there_already_is_in_the_way(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    cluster.add(*(item for item in objects.healthy_cilium() if item["kind"] != "Node"))
    ran = command("migrate", "plan", "-o", "json")
    assert ran.code == 1
    assert "is installed already, and not beside another CNI" in json.dumps(ran.json["data"]["findings"])


def test_a_range_that_somebody_has_is_refused(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    ran = command("migrate", "plan", "--pod-cidr", "10.244.0.0/20", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "refused")


def test_without_another_cni_there_is_nothing_to_plan(cluster: FakeCluster, command: Command) -> None:
    cluster.kinds += MIGRATION
    cluster.add(objects.node("one"))
    ran = command("migrate", "plan")
    assert ran.code == 5
    assert "no other CNI is in charge here" in ran.err


def test_what_is_no_range_is_said_before_any_cluster_is_asked(cluster: FakeCluster, command: Command) -> None:
    ran = command("migrate", "plan", "--pod-cidr", "nonsense")
    assert ran.code == 2
    assert "`--pod-cidr nonsense` is no range of addresses" in ran.err
    assert not cluster.seen


def test_a_user_who_may_not_look_is_told_which_right_is_missing(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    said = 'User "nobody" cannot list resource "pods" in API group "" at the cluster scope'
    cluster.faults.append(Fault(pattern="GET /api/v1/pods$", status=403, message=said))
    ran = command("migrate", "plan", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "forbidden")


# start


def lease() -> Object:
    """The lock of somebody who is at work."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    times = {"leaseDurationSeconds": 60, "acquireTime": now, "renewTime": now}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ciliumctl", "namespace": "kube-system"},
        "spec": {"holderIdentity": "jane@far-away", **times},
    }


@pytest.fixture
def values() -> dict[str, Any]:
    """What Helm makes of the migration's values."""
    return {
        "operator": {"unmanagedPodWatcher": {"restart": False}},
        "cni": {"customConf": True, "uninstall": False},
        "ipam": {
            "mode": "cluster-pool",
            "operator": {"clusterPoolIPv4PodCIDRList": ["10.245.0.0/16"], "clusterPoolIPv4MaskSize": 24},
        },
        "policyEnforcementMode": "never",
        "bpf": {"hostLegacyRouting": True},
        "routingMode": "tunnel",
        "tunnelProtocol": "vxlan",
        "autoDirectNodeRoutes": False,
        "kubeProxyReplacement": False,
        "tunnelPort": 8473,
        "ipv6": {"enabled": False},
    }


@pytest.fixture
def start(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> Any:
    migration.before(cluster)

    def call(*arguments: str, values: dict[str, Any]) -> Ran:
        stub_helm.answer(values=values, stdout="v3.22.0")
        chart = "tests/charts/cilium"
        return command("migrate", "start", "--helm", str(stub_helm.path), "--chart", chart, *arguments)

    return call


def test_a_dry_run_shows_the_values_and_changes_nothing(
    start: Any, cluster: FakeCluster, values: dict[str, Any], stub_helm: StubHelm
) -> None:
    ran = start("--dry-run", "-o", "json", values=values)
    assert ran.code == 0, ran.err
    assert ran.json["data"]["values"]["cni"]["customConf"] is True
    assert not changes(cluster)
    flags = [word for one in stub_helm.calls for word in one.argv if "=" in word]
    assert "ipam.operator.clusterPoolIPv4PodCIDRList={10.245.0.0/16}" in flags
    assert "policyEnforcementMode=never" in flags


def test_nothing_begins_off_a_terminal_without_yes(start: Any, cluster: FakeCluster, values: dict[str, Any]) -> None:
    ran = start(values=values)
    assert ran.code == 3
    assert "add `--yes`" in ran.err
    assert "from: Flannel" in ran.err
    assert not changes(cluster)


def test_a_value_that_wins_over_the_migrations_is_refused(start: Any, values: dict[str, Any]) -> None:
    ran = start(
        "--dry-run",
        "--set-string",
        "policyEnforcementMode=always",
        values={**values, "policyEnforcementMode": "always"},
    )
    assert ran.code == 2
    assert "`policyEnforcementMode` must be never during a migration" in ran.err


def recorded(cluster: FakeCluster) -> list[str]:
    """The ranges of the record."""
    found = cluster.get("configmaps", NAME, "kube-system")
    ranges: list[str] = json.loads(found["data"]["state"])["new"]["ranges"] if found is not None else []
    return ranges


def test_the_record_is_written_under_the_lock_alone(start: Any, cluster: FakeCluster, values: dict[str, Any]) -> None:
    cluster.add(migration.record(ranges=("10.99.0.0/16",)), lease())
    ran = start("--yes", "--skip-preflight", "all", values=values)
    assert (ran.code, "jane@far-away has been running" in ran.err) == (3, True), ran.err
    assert recorded(cluster) == ["10.99.0.0/16"]


def test_the_record_is_written_before_the_release(start: Any, cluster: FakeCluster, values: dict[str, Any]) -> None:
    cluster.add(migration.record(ranges=("10.99.0.0/16",)))
    start("--yes", "--skip-preflight", "all", values=values)
    assert recorded(cluster) == ["10.245.0.0/16"]


# status


def test_without_a_migration_the_status_says_so(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    ran = command("migrate", "status")
    assert ran.code == 0
    assert "no migration has begun on prod" in ran.out


def test_the_status_counts_pods_by_their_network_without_reading_one(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    cluster.add(migration.pod("new", "two", "10.245.1.4"))
    ran = command("migrate", "status", "-o", "json")
    by_name = {one["node"]: (one["phase"], one["old"], one["cilium"]) for one in ran.json["data"]["nodes"]}
    assert by_name == {"one": ("waiting", 2, 0), "two": ("waiting", 0, 1), "master": ("waiting", 0, 0)}
    pods = [seen for seen in cluster.seen if seen.path.endswith("/pods")]
    assert all("as=Table" in seen.headers["Accept"] for seen in pods)


def test_a_node_that_was_labelled_by_hand_is_half_way(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    cluster.add(migration.node("one", 2, labels={state.LABEL: "true"}))
    ran = command("migrate", "status")
    assert ran.code == 1
    assert "`ciliumctl migrate node one` goes on" in ran.out


# node


def test_a_node_is_emptied_handed_over_made_anew_and_opened(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    ran = command("migrate", "node", "one", "--yes", "--no-test", "-o", "json")
    assert ran.code == 0, ran.err
    (one,) = ran.json["data"]["nodes"]
    assert (one["outcome"], one["evicted"], one["restarted"]) == ("migrated", 1, 1)
    assert marks(cluster, "one") == ("migrated", True, False)
    assert cluster.get("pods", "web", "default") is None
    assert cluster.get("pods", "cilium-onex", "kube-system") is not None
    assert ran.json["data"]["left"] == ["two", "master"]
    journal = cluster.get("configmaps", "ciliumctl-journal", "kube-system")
    assert journal is not None
    assert "migrate node one" in json.dumps(journal["data"])


def test_a_second_run_finds_nothing_to_do(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    before = len(cluster.seen)
    ran = command("migrate", "node", "one", "-o", "json")
    assert (ran.code, ran.json["data"]["nodes"][0]["outcome"]) == (0, "unchanged")
    assert not [seen for seen in cluster.seen[before:] if "eviction" in seen.path or "/nodes/" in seen.path]


def test_all_nodes_go_one_by_one_with_control_planes_last(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    ran = command("migrate", "node", "--all", "--yes", "--no-test", "-o", "json")
    assert ran.code == 0, ran.err
    assert [one["node"] for one in ran.json["data"]["nodes"]] == ["one", "two", "master"]
    assert ran.json["data"]["left"] == []


def test_a_node_that_was_cordoned_before_stays_cordoned(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    one = migration.node("one", 2)
    one["spec"]["unschedulable"] = True
    cluster.add(one)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    assert marks(cluster, "one") == ("migrated", True, True)


def test_a_budget_is_waited_for_and_named_when_the_time_is_up(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    why = "Cannot evict pod as it would violate the pod's disruption budget."
    cluster.keeps = lambda _pod: why
    ran = command("migrate", "node", "one", "--yes", "--no-test", "--drain-timeout", "1s", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (4, "timeout")
    assert f"pod default/web: {why}" in ran.err
    assert ran.json["data"]["nodes"][0]["outcome"] == "stopped"
    assert marks(cluster, "one") == ("moving", False, True)
    cluster.keeps = lambda _pod: ""
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    assert marks(cluster, "one") == ("migrated", True, False)


@pytest.mark.parametrize(
    ("pod", "flag"),
    [
        (migration.pod("bare", "one", "10.244.2.7", owner=""), "--force"),
        (
            migration.pod("cache", "one", "10.244.2.7", volumes=[{"name": "x", "emptyDir": {}}]),
            "--delete-emptydir-data",
        ),
    ],
)
def test_a_pod_that_would_be_lost_is_only_moved_when_that_was_said(
    cluster: FakeCluster, command: Command, pod: Object, flag: str
) -> None:
    migration.begun(cluster)
    cluster.add(pod)
    ran = command("migrate", "node", "one", "--yes", "--no-test")
    assert ran.code == 3
    assert flag in ran.err
    assert "it was not begun" in ran.out
    assert cluster.get("pods", "web", "default") is not None
    assert marks(cluster, "one") == ("", False, False)
    assert command("migrate", "node", "one", "--yes", "--no-test", flag).code == 0


def test_a_pod_that_came_in_spite_of_the_cordon_is_evicted_and_one_without_an_address_not_waited_for(
    cluster: FakeCluster, command: Command
) -> None:
    migration.begun(cluster)
    stuck = migration.pod("stuck", "one", "", owner="DaemonSet")
    stuck["metadata"]["ownerReferences"][0]["name"] = "broken"
    stuck["status"] |= {"podIPs": [], "phase": "Pending"}
    cluster.add(stuck)
    then = cluster.on_delete

    def deleted(item: Object) -> None:
        then(item)
        if item["metadata"]["name"] == "web":
            cluster.add(migration.pod("late", "one", "10.244.2.8"))

    cluster.on_delete = deleted
    ran = command("migrate", "node", "one", "--yes", "--no-test", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["nodes"][0]["restarted"] == 2
    assert cluster.get("pods", "late", "default") is None
    assert cluster.get("pods", "stuck", "default") is not None
    asked = [seen.path for seen in cluster.seen if "/pods/late" in seen.path]
    assert asked
    assert all(path.endswith("/eviction") for path in asked)


def test_another_node_is_not_begun_while_one_is_half_way(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    cluster.add(migration.node("one", 2, annotations={state.PHASE: "moving"}))
    ran = command("migrate", "node", "two", "--yes", "--no-test")
    assert ran.code == 3
    assert "`ciliumctl migrate undo one` goes back" in ran.err


def once_locked(cluster: FakeCluster, change: Callable[[], None], *, time: int = 1) -> None:
    """What somebody else did meanwhile: `change` the cluster when the lock is taken, for the first or a later time."""
    taken: list[Object] = []

    def created(item: Object) -> None:
        taken.extend([item] if item["kind"] == "Lease" else [])
        if item["kind"] == "Lease" and len(taken) == time:
            change()

    cluster.on_create = created


def test_what_somebody_did_while_the_user_was_asked_counts(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    once_locked(cluster, lambda: cluster.add(migration.node("two", 3, annotations={state.PHASE: "moving"})))
    ran = command("migrate", "node", "one", "--yes", "--no-test")
    assert (ran.code, "node `two` is half-way" in ran.err) == (3, True), ran.err
    assert marks(cluster, "one") == ("", False, False)


def test_a_record_that_is_not_about_the_release_stops_the_turn(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    pool = {"ipam": {"operator": {"clusterPoolIPv4PodCIDRList": ["10.245.0.0/16"]}}}
    cluster.add(objects.release(config=pool))
    once_locked(cluster, lambda: cluster.add(migration.record(ranges=("10.99.0.0/16",))))
    ran = command("migrate", "node", "one", "--yes", "--no-test")
    assert (ran.code, "Cilium has 10.99.0.0/16, and the release has 10.245.0.0/16" in ran.err) == (3, True), ran.err
    assert marks(cluster, "one") == ("", False, False)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 3
    cluster.add(migration.record())
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("node",), 2, "name the nodes, or say `--all`"),
        (("node", "one", "--all"), 2, "name the nodes, or say `--all`"),
        (("node", "nope", "--yes"), 5, "there is no node `nope` that takes part"),
        (("node", "one"), 3, "add `--yes`"),
        (("undo", "one"), 0, ""),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_changed(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], code: int, why: str
) -> None:
    migration.begun(cluster)
    ran = command("migrate", *arguments)
    assert ran.code == code, ran.err
    assert why in ran.err
    assert not [line for line in changes(cluster) if "/nodes/" in line]


def test_a_node_that_is_not_ready_is_not_begun(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    cluster.add(migration.node("two", 3, ready=False))
    ran = command("migrate", "node", "two", "--yes")
    assert ran.code == 3
    assert "node `two` is not ready" in ran.err


def test_without_a_migration_no_node_is_touched(cluster: FakeCluster, command: Command) -> None:
    migration.before(cluster)
    ran = command("migrate", "node", "one", "--yes")
    assert ran.code == 5
    assert "`ciliumctl migrate start` begins it" in ran.err


def test_a_red_test_leaves_the_node_cordoned_and_says_both_ways_on(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    # The test's pods cannot even be made.
    cluster.faults.append(Fault(pattern="POST /api/v1/namespaces$", status=409, message="no more namespaces"))
    ran = command("migrate", "node", "one", "--yes")
    assert ran.code == 1, ran.err
    assert "its test is red: with two" in ran.out
    assert "`ciliumctl migrate undo one` goes back" in ran.out
    assert marks(cluster, "one") == ("moving", True, True)


@pytest.mark.parametrize(
    ("options", "right"), [(("--no-test",), ("patch", "nodes")), ((), ("create", "namespaces"))], ids=["turn", "test"]
)
def test_a_missing_right_is_named_before_a_node_is_touched(
    cluster: FakeCluster, command: Command, options: tuple[str, ...], right: tuple[str, str]
) -> None:
    migration.begun(cluster)
    cluster.denied.add(right)
    ran = command("migrate", "node", "one", "--yes", *options, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "forbidden")
    assert " `".join(right) in ran.err
    assert not [line for line in changes(cluster) if "selfsubject" not in line]


# undo


def test_a_node_that_stopped_on_its_way_back_is_not_said_to_go_the_other_way(
    cluster: FakeCluster, command: Command
) -> None:
    migration.begun(cluster)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    nodes_answer(cluster, {"one": {"removed": "/etc/cni/net.d/05-cilium.conflist", "left": ""}})
    cluster.faults.append(Fault(pattern="POST /api/v1/namespaces$", status=409, message="no more namespaces"))
    ran = command("migrate", "undo", "one", "--yes")
    assert ran.code == 5, ran.err
    assert "`ciliumctl migrate undo one` goes on" in ran.out
    assert "migrate node" not in ran.out
    for arguments in (("status",), ("node", "two", "--yes")):
        said = command("migrate", *arguments)
        assert "`ciliumctl migrate undo one` ends its way back" in said.out + said.err
        assert "migrate node one" not in said.out + said.err


def test_a_node_goes_back_with_its_files_and_its_pods(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    nodes_answer(cluster, {"one": {"removed": "/etc/cni/net.d/05-cilium.conflist", "left": ""}})
    ran = command("migrate", "undo", "one", "--yes", "--no-test", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["nodes"][0]["outcome"] == "undone"
    assert marks(cluster, "one") == ("", False, False)
    script = [
        seen.body["spec"]["template"]["spec"]["initContainers"][0]
        for seen in cluster.seen
        if seen.method == "POST" and seen.path.endswith("/daemonsets")
    ]
    env = {one["name"]: one.get("value", "") for one in script[0]["env"]}
    assert env["OLD"] == "*flannel.conf *flannel.conflist"


def test_files_that_could_not_be_put_back_stop_the_node(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    assert command("migrate", "node", "one", "--yes", "--no-test").code == 0
    nodes_answer(cluster, {"one": {"removed": "", "left": "/etc/cni/net.d/05-cilium.conflist"}})
    ran = command("migrate", "undo", "one", "--yes", "--no-test")
    assert ran.code == 6
    assert "still there: /etc/cni/net.d/05-cilium.conflist" in ran.err
    assert marks(cluster, "one")[0] == "undoing"


# finish


@pytest.fixture
def finish(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> Any:
    """All nodes are done, no pod has an old address, helm says that it changed the release."""
    migration.begun(cluster)
    for name in ("web", "logs"):
        cluster.add(migration.pod(name, "one", "10.245.0.4"))
    for number, name in enumerate(("master", "one", "two"), 1):
        labels, notes = {state.LABEL: "true"}, {state.PHASE: "migrated", "flannel.alpha.coreos.com/public-ip": "x"}
        cluster.add(migration.node(name, number, labels=labels, annotations=notes))
    config = {"cni": {"customConf": True}, "policyEnforcementMode": "never", "tunnelPort": 8473}
    cluster.add(objects.release(config=config))
    cluster.add(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {"name": "cilium-default", "namespace": "kube-system"},
        }
    )
    stub_helm.answer_release(version=2, config={"tunnelPort": 8473})

    def call(*arguments: str) -> Ran:
        return command("migrate", "finish", "--helm", str(stub_helm.path), *arguments)

    return call


CLEAN = {"removed": "link flannel.1\nlink cni0", "left": ""}


def test_the_end_wants_the_contexts_name_and_shows_what_goes(finish: Any, cluster: FakeCluster) -> None:
    ran = finish("--yes")
    assert ran.code == 3
    assert "--confirm prod" in ran.err
    assert "DaemonSet `kube-flannel/kube-flannel-ds`" in ran.err
    assert "cni.customConf" in ran.err
    assert cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel") is not None


def test_a_dry_run_of_the_end_changes_nothing(finish: Any, cluster: FakeCluster) -> None:
    ran = finish("--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["values"] == ["cni.customConf", "policyEnforcementMode"]
    assert not changes(cluster)


def test_the_end_retires_the_old_cni_and_takes_every_mark_away(finish: Any, cluster: FakeCluster) -> None:
    nodes_answer(cluster, dict.fromkeys(("one", "two", "master"), CLEAN))
    ran = finish("--confirm", "prod", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["outcome"] == "finished"
    assert {one["node"] for one in ran.json["data"]["nodes"]} == {"one", "two", "master"}
    for plural, name, place in (
        ("daemonsets", "kube-flannel-ds", "kube-flannel"),
        ("configmaps", "kube-flannel-cfg", "kube-flannel"),
        ("clusterroles", "flannel", ""),
        ("namespaces", "kube-flannel", ""),
        ("ciliumnodeconfigs", "cilium-default", "kube-system"),
        ("configmaps", NAME, "kube-system"),
    ):
        assert cluster.get(plural, name, place) is None, name
    one = cluster.get("nodes", "one")
    assert one is not None
    assert (one["metadata"]["labels"], one["metadata"]["annotations"]) == ({}, {})
    scripts = [
        seen.body["spec"]["template"]["spec"]["initContainers"][0]
        for seen in cluster.seen
        if seen.method == "POST" and seen.path.endswith("/daemonsets")
    ]
    env = {one["name"]: one.get("value", "") for one in scripts[-1]["env"]}
    assert (env["RANGES"], env["EMPTIED"]) == ("10.244.0.0/16", "")
    assert sorted(env["NODES"].split()) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_a_right_that_the_end_needs_is_missed_before_anything_is_changed(finish: Any, cluster: FakeCluster) -> None:
    cluster.denied.add(("delete", "clusterroles"))
    ran = finish("--confirm", "prod", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "forbidden")
    assert "delete `clusterroles.rbac.authorization.k8s.io`" in ran.err
    assert changes(cluster) == []
    assert finish("--dry-run").code == 0


def test_a_second_end_finds_nothing_to_do_and_one_before_the_beginning_is_refused(
    finish: Any, cluster: FakeCluster
) -> None:
    nodes_answer(cluster, dict.fromkeys(("one", "two", "master"), CLEAN))
    assert finish("--confirm", "prod").code == 0
    # The stand-in for helm keeps no release: this is what it would have kept.
    cluster.add(objects.release(revision=2, config={"tunnelPort": 8473}))
    ran = finish("-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")
    cluster.add(*migration.flannel("vxlan"))
    ran = finish("--confirm", "prod")
    assert (ran.code, "no migration has begun" in ran.err) == (5, True)


def test_a_namespace_in_which_somebody_else_has_something_stays(finish: Any, cluster: FakeCluster) -> None:
    cluster.add(objects.config_map("mine", {}, "kube-flannel"))
    nodes_answer(cluster, dict.fromkeys(("one", "two", "master"), CLEAN))
    ran = finish("--confirm", "prod")
    assert ran.code == 0, ran.err
    assert "left:   Namespace `kube-flannel`: ConfigMap/mine is in it" in ran.out
    assert cluster.get("namespaces", "kube-flannel") is not None


def test_what_is_left_on_a_node_is_partial_and_the_marks_stay(finish: Any, cluster: FakeCluster) -> None:
    nodes_answer(cluster, {"one": CLEAN, "two": {**CLEAN, "left": "link flannel.1"}, "master": CLEAN})
    ran = finish("--confirm", "prod", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert "node `two`: link flannel.1" in ran.err
    assert cluster.get("configmaps", NAME, "kube-system") is not None
    nodes_answer(cluster, dict.fromkeys(("one", "two", "master"), CLEAN))
    assert finish("--confirm", "prod").code == 0
    assert cluster.get("configmaps", NAME, "kube-system") is None


def test_a_pod_with_an_old_address_keeps_the_end_from_coming(finish: Any, cluster: FakeCluster) -> None:
    cluster.add(migration.pod("late", "one", "10.244.2.9"))
    ran = finish("--confirm", "prod")
    assert ran.code == 3
    assert "1 pods still have an address of Flannel: default/late" in ran.err


def test_a_node_that_takes_no_part_and_runs_the_old_cni_is_named_and_keeps_the_end_from_coming(
    finish: Any, cluster: FakeCluster, command: Command
) -> None:
    cluster.add(migration.node("apart", 4, labels={"cilium.io/no-schedule": "true"}))
    assert finish("--dry-run").code == 0
    own = objects.pod("kube-flannel-ds-x", place="kube-flannel", on="apart")
    own["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "kube-flannel-ds", "controller": True}]
    cluster.add(own)
    ran = finish("--confirm", "prod")
    assert (ran.code, "1 nodes that take no part run Flannel" in ran.err) == (3, True), ran.err
    assert ": apart" in ran.err
    assert cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel") is not None
    assert "1 nodes take no part and run Flannel" in command("migrate", "plan").out


def test_a_windows_node_whose_pods_have_old_addresses_counts_too(finish: Any, cluster: FakeCluster) -> None:
    cluster.add(migration.node("win", 4, labels={"kubernetes.io/os": "windows"}))
    cluster.add(migration.pod("site", "win", "10.244.4.9"))
    ran = finish("--confirm", "prod")
    assert (ran.code, "take no part run Flannel, and would lose their network: win" in ran.err) == (3, True), ran.err


def test_a_node_that_is_not_done_keeps_the_end_from_coming(finish: Any, cluster: FakeCluster) -> None:
    cluster.add(migration.node("two", 3))
    ran = finish("--confirm", "prod")
    assert ran.code == 3
    assert "1 of 3 nodes are not migrated: two" in ran.err


@pytest.mark.parametrize("time", [1, 2], ids=["before the values", "before the retiring"])
def test_a_node_that_went_back_meanwhile_keeps_the_end_from_coming(
    finish: Any, cluster: FakeCluster, time: int
) -> None:
    once_locked(cluster, lambda: cluster.add(migration.node("two", 3)), time=time)
    ran = finish("--confirm", "prod")
    assert (ran.code, "1 of 3 nodes are not migrated: two" in ran.err) == (3, True), ran.err
    assert cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel") is not None
    assert cluster.get("ciliumnodeconfigs", "cilium-default", "kube-system") is not None


def test_a_flannel_that_helm_installed_is_helms_to_remove(finish: Any, cluster: FakeCluster) -> None:
    found = cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel")
    assert found is not None
    marks_ = {"meta.helm.sh/release-name": "flannel", "meta.helm.sh/release-namespace": "kube-flannel"}
    cluster.add({**found, "metadata": {**found["metadata"], "annotations": marks_}})
    ran = finish("--confirm", "prod")
    assert ran.code == 3
    assert "`helm uninstall -n kube-flannel flannel`" in ran.err


@pytest.mark.parametrize(
    ("marks_", "way"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-flannel/kube-flannel-ds"}},
            "`argocd app delete net`",
        ),
        (
            {"labels": {f"kustomize.toolkit.fluxcd.io/{key}": "net" for key in ("name", "namespace")}},
            "take it out of git: the Kustomization prunes it",
        ),
    ],
    ids=["argo", "flux"],
)
def test_a_flannel_that_gitops_would_make_anew_is_not_deleted(
    finish: Any, cluster: FakeCluster, marks_: Object, way: str
) -> None:
    found = cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel")
    assert found is not None
    cluster.add({**found, "metadata": {**found["metadata"], **marks_}})
    ran = finish("--confirm", "prod")
    assert (ran.code, way in ran.err, "which would make it anew" in ran.err) == (3, True, True), ran.err
    assert not changes(cluster)


def test_a_role_that_only_has_the_same_name_stays(finish: Any, cluster: FakeCluster) -> None:
    cluster.add(migration.binding("monitoring"))
    nodes_answer(cluster, dict.fromkeys(("one", "two", "master"), CLEAN))
    ran = finish("--confirm", "prod")
    assert ran.code == 0, ran.err
    assert "ClusterRole `flannel`: nothing says that it is Flannel's" in ran.out
    assert cluster.get("clusterroles", "flannel") is not None
    assert cluster.get("clusterrolebindings", "flannel") is not None
    assert cluster.get("daemonsets", "kube-flannel-ds", "kube-flannel") is None


def test_what_a_removed_cilium_left_of_a_migration_does_not_bind_the_next_one(
    cluster: FakeCluster, command: Command
) -> None:
    migration.before(cluster)
    cluster.add(migration.record())
    data = command("migrate", "plan", "--pod-cidr", "10.99.0.0/16", "-o", "json").json["data"]
    assert (data["new"]["ranges"], data["begun"]) == (["10.99.0.0/16"], False)


def test_a_migration_under_way_keeps_its_networks(cluster: FakeCluster, command: Command) -> None:
    migration.begun(cluster)
    ran = command("migrate", "plan", "--pod-cidr", "10.99.0.0/16")
    assert ran.code == 3
    assert "the migration has begun with 10.245.0.0/16, not with `--pod-cidr 10.99.0.0/16`" in ran.err
    assert command("migrate", "plan", "-o", "json").json["data"]["begun"] is True
