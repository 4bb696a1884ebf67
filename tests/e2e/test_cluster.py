"""The ground that the other tests stand on: it carries traffic, obeys policies, and leaves no trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import DEPLOYMENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES, dig
from ciliumctl.wait import Deadline, poll
from tests.cluster import cluster as real
from tests.cluster import images, leftovers
from tests.cluster.enforcer import KINDS
from tests.cluster.policy_filter import TABLE
from tests.e2e.conftest import Nodes
from tests.world.run import HERE

SPACE = "ground"
KILLED = "e2e-killed"
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str, node: str, *command: str) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": images.PROBE,
        "command": list(command),
        "ports": [{"name": "web", "containerPort": 8080}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 0,
        "securityContext": RESTRICTED,
        "containers": [container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE, "labels": {"app": name}},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def ground(cluster: Nodes) -> Iterator[Nodes]:
    """A server on one node, a client on the same and one on the other."""
    kube = cluster.cluster.kube
    first, second = cluster.cluster.nodes
    kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    pods = [
        pod("server", first, "python3", "-m", "http.server", "--bind", "::", "8080"),
        pod("near", first, "sleep", "infinity"),
        pod("far", second, "sleep", "infinity"),
    ]
    poll(lambda: kube.find(SERVICE_ACCOUNTS, "default", SPACE), bool, deadline=Deadline.after(20), interval=0.2)
    for one in pods:
        kube.create(PODS, one, SPACE)
    spec = {
        "ipFamilyPolicy": "PreferDualStack",
        "selector": {"app": "server"},
        "ports": [{"port": 80, "targetPort": "web"}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": SPACE}, "spec": spec}
    kube.create(SERVICES, service, SPACE)

    def ready() -> bool:
        return all(dig(one, "status", "containerStatuses", 0, "ready") for one in kube.objects(PODS, SPACE))

    assert poll(ready, bool, deadline=Deadline.after(60), interval=0.3), "the pods did not get ready"
    # The server listens a moment after its start.
    poll(
        lambda: said(cluster, "far", get("http://server")).startswith("200"),
        bool,
        deadline=Deadline.after(20),
        interval=0.3,
    )
    yield cluster
    kube.delete(NAMESPACES, SPACE)


def get(url: str, *more: str) -> list[str]:
    return ["curl", "-gsS", "-m", "2", *more, "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}", url]


def said(nodes: Nodes, pod_name: str, command: list[str]) -> str:
    done = nodes.cluster.kube.exec(SPACE, pod_name, command)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("client", ["near", "far"])
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_pods_reach_a_service_by_name_on_both_families(ground: Nodes, client: str, family: str) -> None:
    answer = said(ground, client, get("http://server", family))
    assert answer.startswith("200 ")
    assert (":" in answer) == (family == "-6")


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_pods_reach_the_outside_world_with_their_nodes_address(ground: Nodes, family: str) -> None:
    answer = said(ground, "far", ["curl", "-gsS", "-m", "2", family, "http://www.outside.test"])
    node = ground.cluster.segment.node(2)
    assert answer == f"outside world (a stand-in): {node.v6 if family == '-6' else node.v4}\n"


def test_nothing_outside_is_asked_about_names(ground: Nodes) -> None:
    answer = said(ground, "near", ["dig", "+time=1", "+tries=1", "www.example.com"])
    assert "status: NXDOMAIN" in answer


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_a_pod_without_any_capability_can_ping(ground: Nodes, family: str) -> None:
    node = ground.cluster.segment.node(1)
    answer = said(ground, "far", ["ping", "-c1", "-W2", node.v6 if family == "-6" else node.v4])
    assert " 0% packet loss" in answer


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "-c", "import http.server, socket, json, ssl"],
        ["iperf3", "--version"],
        ["tcpdump", "--version"],
        ["jq", "-n", "1"],
        ["socat", "-V"],
        ["sh", "-c", "exec dash -c true"],
        ["bash", "-c", "timeout 5 true"],
        ["dig", "-v"],
    ],
    ids=lambda command: str(command[0]),
)
def test_the_probe_image_has_the_tools(ground: Nodes, command: list[str]) -> None:
    done = ground.cluster.kube.exec(SPACE, "near", command)
    assert done.code == 0, done.stderr


def test_a_policy_stops_who_it_does_not_name_and_its_end_brings_traffic_back(ground: Nodes) -> None:
    resource = KINDS["NetworkPolicy"]
    peer = {"podSelector": {"matchLabels": {"app": "near"}}}
    policy = {
        "apiVersion": resource.api_version,
        "kind": "NetworkPolicy",
        "metadata": {"name": "near-only", "namespace": SPACE},
        "spec": {
            "podSelector": {"matchLabels": {"app": "server"}},
            "ingress": [{"from": [peer], "ports": [{"port": "web"}]}],
        },
    }
    ground.cluster.kube.create(resource, policy, SPACE)
    ground.enforcer.settle()
    assert said(ground, "near", get("http://server")).startswith("200")
    assert "timed out" in said(ground, "far", get("http://server"))
    ground.cluster.kube.delete(resource, "near-only", SPACE)
    ground.enforcer.settle()
    assert said(ground, "far", get("http://server")).startswith("200")


def test_a_cilium_policy_lets_a_pod_out_to_the_world_only(ground: Nodes) -> None:
    resource = KINDS["CiliumNetworkPolicy"]
    names = {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}
    policy = {
        "apiVersion": resource.api_version,
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "world-only", "namespace": SPACE},
        "spec": {
            "endpointSelector": {"matchLabels": {"app": "far"}},
            "egress": [{"toEntities": ["world"]}, {"toEndpoints": [{"matchLabels": names}]}],
        },
    }
    ground.cluster.kube.create(resource, policy, SPACE)
    ground.enforcer.settle()
    assert said(ground, "far", get("http://www.outside.test")).startswith("200")
    assert "timed out" in said(ground, "far", get("http://server"))
    ground.cluster.kube.delete(resource, "world-only", SPACE)
    ground.enforcer.settle()
    assert said(ground, "far", get("http://server")).startswith("200")


def test_the_enforcer_denies_everything_when_told_to(ground: Nodes) -> None:
    ground.enforcer.deny_all()
    try:
        assert "timed out" in said(ground, "far", get("http://server"))
    finally:
        ground.enforcer.enforce()
    assert said(ground, "far", get("http://server")).startswith("200")
    for node in ground.cluster.nodes:
        assert TABLE not in ground.cluster.inside(node, "nft", "list", "tables")


@pytest.mark.parametrize("program", ["kubelet", "kube-proxy", "containerd"])
def test_a_nodes_programs_can_be_found_to_be_disturbed(cluster: Nodes, program: str) -> None:
    found = [process for node in cluster.cluster.nodes for process in cluster.cluster.running(node, program)]
    assert len({process.pid for process in found if process.alive}) >= len(cluster.cluster.nodes)


def test_hubble_with_its_page_gets_healthy(cluster: Nodes) -> None:
    ran = cluster.run("hubble", "enable", "--ui", "--yes")
    assert ran.code == 0, ran.err
    for name in ("hubble-relay", "hubble-ui"):
        assert dig(cluster.cluster.kube.get(DEPLOYMENTS, name, "kube-system"), "status", "readyReplicas") == 1


def test_a_start_that_is_killed_leaves_nothing_after_down(machine_for_nodes: None, tmp_path: Path) -> None:
    del machine_for_nodes
    folder = real.folder_of(KILLED)
    with (tmp_path / "log").open("w") as log:
        starting = start(log.fileno())
        # Half-way: the control plane runs, a node has begun.
        half = poll(lambda: len(processes(folder)) >= 6, bool, deadline=Deadline.after(120), interval=0.05)
        starting.send_signal(signal.SIGKILL)
        starting.wait()
    assert half, (tmp_path / "log").read_text()
    assert leftovers.traces(KILLED, folder)
    real.down(KILLED, folder)
    assert leftovers.traces(KILLED, folder) == []


def test_a_cluster_whose_file_is_lost_is_gone_after_the_next_start(machine_for_nodes: None, tmp_path: Path) -> None:
    del machine_for_nodes
    folder = real.folder_of(KILLED)
    with (tmp_path / "log").open("w") as log:
        assert start(log.fileno()).wait() == 0, (tmp_path / "log").read_text()
    running = real.load(folder)
    containers = started_container(running)
    (folder / "cluster.json").unlink()
    with (tmp_path / "log").open("w") as log:
        assert start(log.fileno()).wait() == 0, (tmp_path / "log").read_text()
    assert [process for process in running.processes if process.alive] == []
    assert [group for group in containers if group.exists()] == []
    real.down(KILLED, folder)
    assert leftovers.traces(KILLED, folder) == []


def started_container(running: real.Cluster) -> list[Path]:
    """Run a container that needs no CNI; returns its control groups."""
    manifest = pod("host", running.nodes[0], "sleep", "infinity")
    manifest["metadata"]["namespace"] = "default"
    manifest["spec"] |= {"hostNetwork": True, "tolerations": [{"operator": "Exists"}]}
    running.kube.create(PODS, manifest, "default")

    def phase() -> str:
        found: str = dig(running.kube.get(PODS, "host", "default"), "status", "phase", default="")
        return found

    assert poll(phase, lambda now: now == "Running", deadline=Deadline.after(60), interval=0.3) == "Running"
    groups = leftovers.cgroups(running.folder)
    assert groups
    return groups


def start(output: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.cluster", "up", "--name", KILLED]
    return subprocess.Popen(argv, cwd=HERE, stdout=output, stderr=output, env={**os.environ, "PYTHONPATH": str(HERE)})


def processes(folder: Path) -> list[Any]:
    try:
        found: list[Any] = json.loads((folder / "cluster.json").read_text())["processes"]
    except (FileNotFoundError, ValueError):
        return []
    return found
