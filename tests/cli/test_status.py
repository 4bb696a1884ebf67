from __future__ import annotations

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import CILIUM_ENDPOINTS, FakeCluster, Fault


def test_status_of_a_healthy_cilium_is_a_table_and_exit_0(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    ran = command("status")
    assert ran.code == 0
    assert ran.err == ""
    assert (
        ran.out
        == """\
Cilium 1.15.6 in namespace kube-system of prod: healthy

COMPONENT      STATE      READY   UPDATED   RESTARTS   VERSION
agent          healthy    2/2     2/2       0          v1.15.6
envoy          disabled
operator       healthy    1/1     1/1       0          v1.15.6
hubble relay   disabled
hubble ui      disabled
cluster mesh   disabled

Helm release             cilium revision 1, deployed
IPAM                     cluster-pool 10.0.0.0/8 by /24
Routing                  tunnel vxlan
Families                 ipv4
kube-proxy replacement   off
Encryption               off
Hubble                   on
Cluster                  default (id 0)
Nodes                    2 of 2 with a ready agent
"""
    )


def test_json_says_the_same_as_the_table(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    ran = command("status", "-o", "json")
    assert ran.code == 0
    data = ran.json["data"]
    assert (ran.json["kind"], ran.json["ok"], ran.json["error"]) == ("Status", True, None)
    assert data["version"] == "1.15.6"
    assert data["components"][0]["versions"] == {"v1.15.6": 2}
    assert [node["agent"] for node in data["nodes"]] == ["cilium-aaaaa", "cilium-bbbbb"]


def test_names_are_the_workloads_that_are_there(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    assert command("status", "-o", "name").out == "daemonset/cilium\ndeployment/cilium-operator\n"


def test_wide_has_a_line_for_each_node(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    out = command("status", "-o", "wide").out
    assert "one    Ready   cilium-aaaaa   Ready" in out
    assert "two    Ready   cilium-bbbbb   Ready" in out


@pytest.mark.parametrize("output", ["table", "json", "yaml", "name"])
def test_an_unhealthy_cilium_is_exit_1_whatever_the_format(cluster: FakeCluster, command: Command, output: str) -> None:
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.daemon_set(ready=1))
    assert command("status", "-o", output).code == 1


def test_a_crashing_agent_is_told_with_its_last_end_its_last_event_and_a_hint(
    cluster: FakeCluster, command: Command
) -> None:
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.daemon_set(ready=1))
    ended = {"exitCode": 1, "reason": "Error", "message": "level=fatal msg=oh-no"}
    broken = objects.pod(
        "cilium-bbbbb",
        on="two",
        ready=False,
        waiting="CrashLoopBackOff",
        message="back-off 40s",
        restarts=5,
        last_end=ended,
    )
    broken["metadata"]["uid"] = "agent-b"
    cluster.add(broken, objects.event("agent-b", "Unhealthy", "Liveness probe failed"))
    ran = command("status")
    assert ran.code == 1
    assert "✗ agent: 1 of 2 not ready (1 CrashLoopBackOff)" in ran.out
    assert (
        "cilium-bbbbb on two: CrashLoopBackOff: back-off 40s; last run: container `main` ended with Error, exit code 1, 5 restarts: level=fatal msg=oh-no; last event: Unhealthy: Liveness probe failed"
        in ran.out
    )
    assert "hint: `kubectl logs -n kube-system cilium-bbbbb -c main --previous` says why it ended" in ran.out


def test_nothing_installed_says_where_else_it_is(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium(place="cilium"))
    ran = command("status")
    assert ran.code == 1
    assert "not installed in namespace `kube-system`, but in `cilium`" in ran.out
    assert "add `-n cilium`" in ran.out
    assert command("status", "-n", "cilium").code == 0
    assert command("-n", "cilium", "status").code == 0


def test_without_a_helm_release_the_version_comes_from_the_images(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*[item for item in objects.healthy_cilium() if item["kind"] != "Secret"])
    ran = command("status", "-o", "json")
    assert ran.code == 0
    assert ran.json["data"]["version"] == "1.15.6"
    assert ran.json["data"]["release"] == ""
    assert "Cilium belongs to" in ran.json["data"]["notes"][0]


def test_pods_without_a_cilium_endpoint_are_counted_and_named(cluster: FakeCluster, command: Command) -> None:
    cluster.kinds.append(CILIUM_ENDPOINTS)
    cluster.add(*objects.healthy_cilium())
    for name, address in (("web", "10.0.0.5"), ("old", "10.0.0.6")):
        cluster.add(objects.pod(name, place="default", host_network=False, address=address, labels={}))
    endpoint = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": {"name": "web", "namespace": "default"},
    }
    cluster.add({**endpoint, "x-ipv4": "10.0.0.5"})
    data = command("status", "-o", "json").json["data"]
    assert (data["networked_pods"], data["unmanaged_pods"]) == (2, 1)
    assert data["problems"][0]["details"] == ["old"]


def test_before_kubernetes_1_28_host_network_pods_are_known_by_their_address(
    cluster: FakeCluster, command: Command
) -> None:
    cluster.kinds.append(CILIUM_ENDPOINTS)
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.pod("web", place="default", host_network=False, address="10.0.0.5", labels={}))
    cluster.faults.append(Fault(r"GET /api/v1/pods$", status=400, message="field label not supported", times=1))
    data = command("status", "-o", "json").json["data"]
    assert (data["networked_pods"], data["unmanaged_pods"]) == (1, 1)


def test_versions_of_a_rollout_under_way_are_counted(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    agents = objects.daemon_set(desired=2)
    agents["metadata"]["uid"] = "ds"
    agents["status"]["updatedNumberScheduled"] = 1
    old = {"spec": {"template": {"spec": {"containers": [{"image": "quay.io/cilium/cilium:v1.15.5"}]}}}}
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": "cilium-1",
            "namespace": "kube-system",
            "labels": {"controller-revision-hash": "old"},
            "ownerReferences": [{"uid": "ds"}],
        },
        "data": old,
    }
    labels = {**objects.PART_OF, "controller-revision-hash": "old"}
    cluster.add(agents, revision, objects.pod("cilium-bbbbb", on="two", labels=labels))
    ran = command("status", "-o", "json")
    assert ran.code == 1
    assert ran.json["data"]["components"][0]["versions"] == {"v1.15.6": 1, "v1.15.5": 1}


def test_a_user_who_may_not_read_secrets_still_gets_a_status(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    text = 'secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "kube-system"'
    cluster.faults.append(Fault(r"/secrets", status=403, message=text))
    ran = command("status")
    assert ran.code == 0
    assert "release: user `jane` may not list `secrets` in namespace `kube-system`" in ran.out


def test_a_user_who_may_not_read_workloads_is_exit_5_with_the_missing_right(
    cluster: FakeCluster, command: Command
) -> None:
    text = 'daemonsets.apps is forbidden: User "jane" cannot list resource "daemonsets" in API group "apps" in the namespace "kube-system"'
    cluster.faults.append(Fault(r"/daemonsets", status=403, message=text))
    ran = command("status", "-o", "json")
    assert ran.code == 5
    assert ran.json["error"]["code"] == "forbidden"
    assert "may not list `daemonsets.apps`" in ran.err


def test_no_cluster_is_exit_5_and_json_is_complete_all_the_same(command: Command) -> None:
    ran = command("status", "-o", "json", "--kubeconfig", "/no/such/file")
    assert ran.code == 5
    assert ran.json["kind"] == "Status"
    assert ran.json["data"] is None
    assert ran.json["error"]["code"] == "no-kubeconfig"


def test_waiting_for_a_healthy_cilium_ends_at_once(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    ran = command("status", "--wait")
    assert ran.code == 0
    assert "✔ Waiting for Cilium: healthy" in ran.err


def test_waiting_for_nothing_ends_at_once_too(command: Command) -> None:
    ran = command("status", "--wait")
    assert ran.code == 1
    assert "not installed" in ran.out


def test_a_wait_that_runs_out_is_exit_4_with_what_was_missing_and_the_last_log_lines(
    cluster: FakeCluster, command: Command
) -> None:
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.daemon_set(ready=1))
    cluster.add(
        objects.pod(
            "cilium-bbbbb",
            on="two",
            ready=False,
            waiting="ContainerCreating",
            message="no network",
            log="line 1\nline 2\n",
        )
    )
    ran = command("status", "--wait", "--wait-duration", "1s", "-o", "json")
    assert ran.code == 4
    assert ran.json["error"]["code"] == "timeout"
    details = ran.json["data"]["problems"][0]["details"]
    assert details[0].startswith("cilium-bbbbb on two: ContainerCreating")
    assert details[-3:] == ["last log lines of cilium-bbbbb:", "  line 1", "  line 2"]


def test_the_number_of_requests_does_not_grow_with_the_cluster(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    command("status")
    few = len(cluster.seen)
    for number in range(200):
        cluster.add(objects.node(f"node-{number}"), objects.pod(f"cilium-{number:05}", on=f"node-{number}"))
    cluster.seen.clear()
    command("status")
    assert len(cluster.seen) == few <= 12


def test_nothing_is_run_in_any_pod(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    command("status", "-o", "wide")
    assert not [seen for seen in cluster.seen if seen.path.endswith("/exec")]
    assert {seen.method for seen in cluster.seen} == {"GET"}


@pytest.mark.parametrize("arguments", [["--no-such"], ["--wait-duration", "soon"], ["-o", "xml"], ["extra"]])
def test_wrong_arguments_are_exit_2_with_the_help_command(command: Command, arguments: list[str]) -> None:
    ran = command("status", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "ciliumctl status --help" in ran.err
