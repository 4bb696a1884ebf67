from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.helm import StubHelm
from tests.world.nodework import nodes_answer
from tests.world.run import HERE, Ran

CHART = ("--chart", str(HERE / "tests" / "charts" / "cilium"), "--only", "node-reports")
OPTIONS = "\n".join(f"CONFIG_{name}=y" for name in ("BPF", "BPF_SYSCALL"))
GOOD = {"release": "6.1.0", "kernel_config_file": "/proc/config.gz", "kernel_config": OPTIONS, "btf": "yes"}


@pytest.fixture
def preflight(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> Callable[..., Ran]:
    """Two nodes that answer, the second with something of Flannel's, and one that kwok plays."""
    cluster.version = "v1.29.4"
    cluster.add(
        objects.namespace("kube-system"),
        objects.node("one"),
        objects.node("two", address="192.0.2.2"),
        objects.node("three", address="192.0.2.3", annotations={"kwok.x-k8s.io/node": "fake"}),
    )
    stub_helm.answer(stdout="", values={})
    nodes_answer(cluster, {"one": GOOD, "two": {**GOOD, "links": "lo\nflannel.1"}})

    def call(*arguments: str) -> Ran:
        return command("preflight", *CHART, *arguments, "--helm", str(stub_helm.path))

    return call


def made(cluster: FakeCluster) -> list[str]:
    return [seen.path for seen in cluster.seen if seen.method == "POST" and "selfsubject" not in seen.path]


def test_without_the_option_nothing_is_made_and_the_option_is_named(
    cluster: FakeCluster, preflight: Callable[..., Ran]
) -> None:
    ran = preflight("-v")
    assert ran.code == 0, ran.err
    assert "CIL-HOST-001 every node can be looked at by a pod: add `--node-checks`" in ran.out
    assert made(cluster) == []


def test_every_node_is_looked_at_and_nothing_stays(cluster: FakeCluster, preflight: Callable[..., Ran]) -> None:
    ran = preflight("--node-checks", "--node-image", "example.org/tools:1", "-o", "json")
    checks = {check["id"]: check for check in ran.json["data"]["checks"]}
    assert ran.err.index("a privileged pod is run on every node") < ran.err.index("Looking at the nodes")
    assert checks["CIL-HOST-001"]["message"] == "2 nodes by a pod of example.org/tools:1"
    assert checks["CIL-HOST-001"]["evidence"] == ["three was left out: simulated by kwok: nothing runs there"]
    assert checks["CIL-HOST-003"]["outcome"] == "passed"
    assert [one["text"] for one in checks["CIL-HOST-008"]["findings"]] == ["two: Flannel left links flannel.1"]
    assert [item["metadata"]["name"] for item in cluster.all("namespaces")] == ["kube-system"]


def test_a_missing_kernel_option_fails_the_check(preflight: Callable[..., Ran]) -> None:
    ran = preflight("--node-checks", "--node-image", "example.org/tools:1")
    assert ran.code == 1
    assert "✗ CIL-HOST-002" in ran.out
    assert "one: CONFIG_CGROUP_BPF is off: needed for loading programs" in ran.out


def test_a_finding_of_one_node_can_be_suppressed(preflight: Callable[..., Ran]) -> None:
    ran = preflight(
        *("--node-checks", "--node-image", "example.org/tools:1", "--suppress", "CIL-HOST-008=Node/two", "-o", "json")
    )
    checks = {check["id"]: check for check in ran.json["data"]["checks"]}
    assert checks["CIL-HOST-008"]["outcome"] == "passed"


def test_who_may_not_make_the_pods_is_told_so(cluster: FakeCluster, preflight: Callable[..., Ran]) -> None:
    cluster.faults.append(Fault(pattern="POST /api/v1/namespaces$", status=403, message="may not create namespaces"))
    ran = preflight("--node-checks", "--node-image", "example.org/tools:1")
    assert ran.code == 1
    assert "✗ CIL-HOST-001" in ran.out


def test_an_image_without_node_checks_makes_no_sense(preflight: Callable[..., Ran]) -> None:
    ran = preflight("--node-image", "example.org/tools:1")
    assert ran.code == 2
    assert "add `--node-checks`" in ran.err


def test_nothing_is_made_when_no_check_of_nodes_is_asked_for(
    cluster: FakeCluster, preflight: Callable[..., Ran]
) -> None:
    ran = preflight("--node-checks", "--skip", "node-reports")
    assert ran.code == 2, ran.err
    assert made(cluster) == []
    assert "privileged pod" not in ran.err
