"""`ciliumctl cni metrics`: exporters of CNIs, recognised and read."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster

# As the VPC CNI writes it (github.com/aws/amazon-vpc-cni-k8s, utils/prometheusmetrics).
AWS = """\
# HELP awscni_eni_allocated The number of ENIs allocated
# TYPE awscni_eni_allocated gauge
awscni_eni_allocated 2
awscni_eni_max 4
awscni_total_ip_addresses 28
awscni_assigned_ip_addresses 11
awscni_no_available_ip_addresses {none}
awscni_aws_api_error_count{{api="AssignPrivateIpAddresses",error="InsufficientFreeAddressesInSubnet"}} {errors}
"""


def exporter(cluster: FakeCluster, name: str, label: str, *, port: str = "", place: str = "kube-system") -> None:
    key, _equals, value = label.partition("=")
    annotations = {"prometheus.io/port": port} if port else {}
    workload = objects.daemon_set(name, place=place)
    workload["spec"]["selector"] = {"matchLabels": {key: value}}
    workload["spec"]["template"]["metadata"] = {"labels": {key: value}, "annotations": annotations}
    cluster.add(workload, objects.pod(f"{name}-aaaaa", place=place, on="one", labels={key: value}))


def aws() -> Callable[[], str]:
    count = itertools.count(100, 10)
    return lambda: AWS.format(none=0, errors=next(count))


def test_the_aws_cni_says_what_it_holds_and_which_errors_grow(cluster: FakeCluster, command: Command) -> None:
    exporter(cluster, "aws-node", "k8s-app=aws-node")
    cluster.served["aws-node-aaaaa", 61678] = aws()
    ran = command("cni", "metrics", "--interval", "20ms")
    assert ran.code == 0, ran.err
    assert "AWS VPC CNI (aws-node)  kube-system/aws-node, port 61678: 1 of 1 pods answer, 6 series" in ran.out
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["28", "one"] in lines
    assert any(line[-3:] == ["AssignPrivateIpAddresses", "InsufficientFreeAddressesInSubnet", "one"] for line in lines)
    assert "at 0: no-address" in ran.out


def test_kubeskoop_is_read_at_the_port_that_its_pods_name(cluster: FakeCluster, command: Command) -> None:
    exporter(cluster, "agent", "app=kubeskoop-agent", port="9222", place="kubeskoop")
    lost = 'kubeskoop_packetloss_total{k8s_node="one",k8s_namespace="shop",k8s_pod="web-0"} 7'
    cluster.served["agent-aaaaa", 9222] = lost
    ran = command("cni", "metrics", "--interval", "0", "-o", "json")
    (found,) = ran.json["data"]["exporters"]
    assert (ran.code, found["name"], found["workload"], found["port"]) == (0, "kubeskoop", "kubeskoop/agent", 9222)
    assert found["topics"][0]["rows"][0]["labels"] == {"k8s_namespace": "shop", "k8s_pod": "web-0"}


def test_an_exporter_that_is_off_is_a_no_with_the_command_that_switches_it_on(
    cluster: FakeCluster, command: Command
) -> None:
    exporter(cluster, "calico-node", "k8s-app=calico-node", place="calico-system")
    ran = command("cni", "metrics", "--interval", "0")
    assert ran.code == 1
    assert "✗ nothing listens at port 9091 of pod `calico-node-aaaaa`" in ran.out
    assert "prometheusMetricsEnabled" in ran.out


def test_a_cni_without_metrics_is_named(cluster: FakeCluster, command: Command) -> None:
    exporter(cluster, "kube-flannel-ds", "app=flannel", place="kube-flannel")
    ran = command("cni", "metrics")
    assert ran.code == 0
    assert "Flannel: has no metrics of its own" in ran.out


def test_a_cluster_without_any_says_where_to_look(cluster: FakeCluster, command: Command) -> None:
    assert not cluster.all("daemonsets")
    ran = command("cni", "metrics")
    assert ran.code == 0
    assert "no exporter of a CNI is known to be in this cluster" in ran.out
    assert "`ciliumctl detect`" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--nodes", "three"), "no pod that serves metrics runs on a node `three`"), (("-o", "name"), "-o name")],
)
def test_what_makes_no_sense_is_refused(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], says: str
) -> None:
    exporter(cluster, "aws-node", "k8s-app=aws-node")
    ran = command("cni", "metrics", *arguments)
    assert ran.code == 2
    assert says in ran.err
