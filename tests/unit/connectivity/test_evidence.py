"""What is gathered after a failure, from an API server in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.connectivity import evidence
from ciliumctl.connectivity import result as results
from ciliumctl.connectivity.model import Scenario
from ciliumctl.connectivity.result import Probed
from ciliumctl.connectivity.scenarios import all_of_them
from tests.unit.connectivity import beds
from tests.world import objects
from tests.world.cluster import NETWORK_POLICIES, POLICIES, FakeCluster, Fault
from tests.world.execs import Answer, Call

AGENT = {"k8s-app": "cilium"}
CONFIG = {"enable-hubble": "true"}


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    """A client for a cluster with two nodes, their agents and the bed's pods."""
    cluster.kinds += [NETWORK_POLICIES, *POLICIES]
    cluster.add(objects.node("one"), objects.node("two", address="192.0.2.2"))
    cluster.add(_agent("cilium-a", "one"), _agent("cilium-b", "two"))
    for role, kind in (("client", "client"), ("far", "server"), ("near", "server")):
        cluster.add(objects.pod(role, place="lane", labels={"role": role, "kind": kind}))
    cluster.add(objects.namespace("lane"))
    cluster.program = answering
    options = ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path)))
    return connect(options, {})


def _agent(name: str, node: str, *, ready: bool = True) -> dict[str, Any]:
    pod = objects.pod(name, on=node, labels=AGENT)
    pod["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    return pod


def answering(call: Call) -> Answer:
    """An agent with a route, and a drop in Hubble."""
    route = "203.0.113.5 via 192.0.2.2 dev eth0 src 192.0.2.1"
    drop = "Nov 26 11:00:00.000: lane/client:40000 (ID:1) <> lane/far:8080 (ID:2) Policy denied DROPPED"
    pass_on = "Nov 26 11:00:00.000: lane/client:40000 (ID:1) -> lane/far:8080 (ID:2) to-overlay FORWARDED"
    said = f"@@0 0\n{route}\n@@1 0\n0: from all lookup local\n"
    if "hubble" in call.command[-1]:
        said += f"@@2 0\n{drop} on {call.pod}\n@@3 0\n{pass_on}\n{drop} on {call.pod}\n"
    return Answer(stdout=said)


def failed(*probes: Probed, seconds: float = 3.2) -> results.Tested:
    return results.Tested(name="x", about="y", category="pods", outcome="failed", seconds=seconds, probes=probes)


def probe(target: str = "pod far", address: str = "203.0.113.5", **more: str) -> Probed:
    given: dict[str, Any] = {
        "source": "client",
        "source_node": "one",
        "target_node": "two",
        "phase": "",
        "seen": "no",
        **more,
    }
    return Probed(name="HTTP", ok=False, target=target, address=address, expected="an answer", paste="kubectl", **given)


def scenario(name: str) -> Scenario:
    return next(one for one in all_of_them() if one.name == name)


def gathered(kube: Kube, *probes: Probed, of: str = "pod-to-pod", **world: Any) -> list[str]:
    return list(evidence.gather(kube, beds.bed(**{"config": CONFIG, **world}), failed(*probes), scenario(of)))


def test_both_pods_routes_and_flows_are_told_dropped_ones_first(kube: Kube, cluster: FakeCluster) -> None:
    drop = "Nov 26 11:00:00.000: lane/client:40000 (ID:1) <> lane/far:8080 (ID:2) Policy denied DROPPED"
    pass_on = "Nov 26 11:00:00.000: lane/client:40000 (ID:1) -> lane/far:8080 (ID:2) to-overlay FORWARDED"
    assert gathered(kube, probe(), probe()) == [
        "source: pod lane/client on one, 203.0.113.1, 2001:db8:1::1",
        "target: pod lane/far on two, 203.0.113.5, 2001:db8:1::5",
        "route on one to 203.0.113.5: via 192.0.2.2 dev eth0 src 192.0.2.1",
        "route on two to 203.0.113.1: via 192.0.2.2 dev eth0 src 192.0.2.1",
        f"flow seen on one: {drop} on cilium-a",
        f"flow seen on two: {drop} on cilium-b",
        f"flow seen on one: {pass_on}",
        f"flow seen on two: {pass_on}",
    ]
    assert sorted((call.pod, call.container) for call in cluster.calls) == [
        ("cilium-a", "cilium-agent"),
        ("cilium-b", "cilium-agent"),
    ]
    asked = cluster.calls[0].command[-1]
    assert "hubble observe --since 9s --last 8 -o compact --pod lane/client --pod lane/far --verdict DROPPED" in asked


def test_without_hubble_it_is_not_asked_and_without_cilium_nobody_is(kube: Kube, cluster: FakeCluster) -> None:
    lines = gathered(kube, probe(), config={"enable-hubble": "false"})
    assert not any("flow" in line for line in lines)
    assert "hubble" not in cluster.calls[0].command[-1]
    cluster.calls.clear()
    lines = gathered(kube, probe(), cilium=False)
    assert [line.partition(":")[0] for line in lines] == ["source", "target"]
    assert cluster.calls == []


def test_only_policies_that_select_the_pods_are_named(kube: Kube, cluster: FakeCluster) -> None:
    def policy(kind: str, name: str, place: str = "lane", **spec: Any) -> dict[str, Any]:
        version = "networking.k8s.io/v1" if kind == "NetworkPolicy" else "cilium.io/v2"
        namespace = {"namespace": place} if place else {}
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **namespace}, "spec": spec}

    server, nobody = {"matchLabels": {"kind": "server"}}, {"matchLabels": {"kind": "nobody"}}
    everywhere = {"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.team": "a"}}
    cluster.add({**objects.namespace("lane"), "metadata": {"name": "lane", "labels": {"team": "a"}}})
    cluster.add(
        policy("NetworkPolicy", "deny", podSelector=server),
        policy("NetworkPolicy", "other", podSelector=nobody),
        policy("NetworkPolicy", "elsewhere", place="shop", podSelector={}),
        policy("CiliumNetworkPolicy", "l7", endpointSelector=server, ingressDeny=[{}]),
        policy("CiliumClusterwideNetworkPolicy", "all", "", endpointSelector=everywhere, egress=[{}]),
        policy("CiliumClusterwideNetworkPolicy", "some", "", endpointSelector=nobody, egress=[{}]),
    )
    lines = [line for line in gathered(kube, probe()) if line.startswith("policy")]
    assert lines == [
        "policy: NetworkPolicy lane/deny (ingress) selects far",
        "policy: CiliumNetworkPolicy lane/l7 (ingress deny) selects far",
        "policy: CiliumClusterwideNetworkPolicy all (egress) selects client, far",
    ]


def test_the_test_s_own_policy_is_told_though_it_is_gone_by_then(kube: Kube) -> None:
    of = "policy-deny-all-ingress"
    under = [line for line in gathered(kube, probe(phase="under the policy"), of=of) if line.startswith("policy")]
    assert len(under) == 1
    assert under[0].startswith("policy: NetworkPolicy lane/")
    assert under[0].endswith(", while it was tested")
    without = gathered(kube, probe(phase="without the policy"), of=of)
    assert not [line for line in without if line.startswith("policy")]


def test_a_service_s_endpoints_are_told_with_node_and_state(kube: Kube, cluster: FakeCluster) -> None:
    cluster.add(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "all-1", "namespace": "lane", "labels": {"kubernetes.io/service-name": "all"}},
            "endpoints": [
                {"addresses": ["203.0.113.5"], "nodeName": "two", "conditions": {"ready": False}},
                {"addresses": ["203.0.113.3"], "nodeName": "one", "conditions": {"ready": True}},
            ],
        }
    )
    lines = gathered(kube, probe("service all", "198.51.100.2", target_node=""), probe("service new", "198.51.100.99"))
    assert [line for line in lines if line.startswith("service")] == [
        "service all at 198.51.100.2, 2001:db8:2::2: endpoints 203.0.113.3 on one, 203.0.113.5 on two (not ready)",
        "service new: it was the test's own, and its endpoints are gone with it",
    ]
    asked = next(call for call in cluster.calls if call.pod == "cilium-a").command[-1]
    for address in ("198.51.100.2", "203.0.113.3", "203.0.113.5"):
        assert f"route get {address}" in asked


def dns(cluster: FakeCluster, *endpoints: dict[str, Any]) -> None:
    """The name server's service, and what is behind it."""
    labels = {"k8s-app": "kube-dns"}
    meta = {"name": "dns", "namespace": "kube-system", "labels": labels}
    cluster.add({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIPs": ["198.51.100.10"]}})
    meta = {"name": "dns-1", "namespace": "kube-system", "labels": {"kubernetes.io/service-name": "dns"}}
    slices = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}
    cluster.add({**slices, "endpoints": list(endpoints)})


def name_server(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("name server")]


def test_when_names_fail_the_name_server_s_endpoints_are_told(kube: Kube, cluster: FakeCluster) -> None:
    dns(
        cluster,
        {"addresses": ["203.0.113.40"], "nodeName": "two", "conditions": {"ready": False}},
        {"addresses": ["203.0.113.30"], "nodeName": "one", "conditions": {"ready": True}},
    )
    at = "name server: service kube-system/dns at 198.51.100.10"
    said = [f"{at}: endpoints 203.0.113.30 on one, 203.0.113.40 on two (not ready)"]
    assert name_server(gathered(kube, probe(), of="dns-service")) == said
    for seen in (
        "exit code 28: curl: (28) Resolving timed out after 2000 milliseconds",
        "exit code 6: curl: (6) Could not resolve host: near",
        ";; no servers could be reached",
        "exit code 9: ;; communications error to 198.51.100.10#53: timed out",
    ):
        assert name_server(gathered(kube, probe(seen=seen), of="pod-to-api-server")) == said
    assert name_server(gathered(kube, probe(), of="pod-to-pod")) == []


def test_a_name_server_without_endpoints_or_without_a_service_is_told(kube: Kube, cluster: FakeCluster) -> None:
    assert name_server(gathered(kube, probe(), of="dns-service")) == [
        "name server: no service in kube-system has the label `k8s-app=kube-dns`"
    ]
    dns(cluster)
    assert name_server(gathered(kube, probe(), of="dns-service")) == [
        "name server: service kube-system/dns at 198.51.100.10: endpoints none"
    ]


def test_what_could_not_be_gathered_is_said_last_in_a_line_each(kube: Kube, cluster: FakeCluster) -> None:
    cluster.program = lambda call: (
        Answer(status=403, stderr="you may not") if call.pod == "cilium-a" else answering(call)
    )
    cluster.faults.append(Fault(pattern="/networkpolicies$", status=403, message="no policies for you"))
    lines = gathered(kube, probe())
    assert [line.split(": ")[0] for line in lines[-2:]] == [
        "could not read the policies",
        "could not ask the agent on one",
    ]
    assert "may not" in lines[-1]
    assert any(line.startswith("route on two") for line in lines)


def test_an_agent_that_hangs_costs_five_seconds_at_most(
    kube: Kube, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ciliumctl.connectivity.asking.PATIENCE", 0.2)
    cluster.program = lambda _call: Answer(delay=3.0)
    lines = gathered(kube, probe())
    assert len([line for line in lines if line.startswith("could not ask the agent on")]) == 2


def test_an_agent_that_hangs_half_way_is_heard_until_then(
    kube: Kube, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ciliumctl.connectivity.asking.PATIENCE", 1.0)
    route = "@@0 0\n203.0.113.5 dev eth0 src 192.0.2.1\n\n"
    cluster.program = lambda _call: Answer(stdout=route, delay_end=3.0)
    lines = gathered(kube, probe())
    assert "route on one to 203.0.113.5: dev eth0 src 192.0.2.1" in lines
    assert "could not ask Hubble on one: no answer in time" in lines


def test_agents_and_nodes_that_are_not_well_are_told(kube: Kube, cluster: FakeCluster) -> None:
    cluster.add(objects.node("two", ready=False), _agent("cilium-a", "one", ready=False))
    cluster.add(_agent("cilium-b", "three"))
    lines = gathered(kube, probe())
    assert any(line.startswith("node two: not Ready") for line in lines)
    assert "agent cilium-a on one: not ready" in lines
    assert "agent on two: there is none" in lines
