"""What holds for every scenario, on every kind of cluster."""

from __future__ import annotations

import subprocess

import pytest

from ciliumctl.connectivity.model import REFUSED, Probe, Scenario
from ciliumctl.connectivity.scenarios import all_of_them
from tests.unit.connectivity import beds

EVERY = pytest.mark.parametrize("scenario", all_of_them(), ids=lambda scenario: scenario.name)


def needs_a_name(scenario: Scenario) -> bool:
    return "--external NAME" in scenario.skipped(beds.world())


@EVERY
def test_with_every_feature_on_or_without_cilium_it_is_not_skipped(scenario: Scenario) -> None:
    worlds = [beds.world(), beds.world(external="example.com"), beds.world(cilium=False)]
    assert "" in [scenario.skipped(world) for world in worlds]


@EVERY
def test_it_has_probes_from_pods_of_the_bed_with_commands_that_a_shell_can_read(scenario: Scenario) -> None:
    bed = beds.bed(external="example.com") if needs_a_name(scenario) else beds.bed()
    probes = list(scenario.probes(bed))
    assert probes
    for probe in probes:
        assert probe.source in bed.pods
        done = subprocess.run(["sh", "-n", "-c", probe.command], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


@EVERY
def test_a_policy_scenario_denies_something_or_its_policy_would_prove_nothing(scenario: Scenario) -> None:
    if scenario.policies is None:
        return
    bed = beds.bed()
    assert any(probe.expect.denied for probe in scenario.probes(bed))
    for one in scenario.policies(bed):
        assert one.manifest["metadata"].get("namespace", bed.namespace) == bed.namespace


@EVERY
def test_one_node_and_one_family_are_enough_or_it_says_so(scenario: Scenario) -> None:
    single = {"nodes": beds.NODES[:1], "families": (4,)}
    if scenario.skipped(beds.world(**single)):
        return
    bed = beds.bed(**single)
    for probe in scenario.probes(bed):
        assert ":" not in probe.target.address, "an IPv6 address where pods have none"
        assert probe.target.node in {"", "one", "outside"}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("host-to-host", {"nodes": beds.NODES[:1]}, "there is only one node for it"),
        ("policy-deny-all-ingress", {"no_policies": "Flannel enforces no policies"}, "Flannel enforces no policies"),
        ("cilium-policy-deny-icmp", {"served": frozenset()}, "the cluster has no CiliumNetworkPolicy"),
        ("cilium-policy-http-path", {"config": {}}, "Cilium's L7 proxy is off"),
        ("pod-to-outside", {"external": ""}, "no host outside was named (`--external HOST`)"),
        (
            "policy-deny-egress-to-cidr",
            {"external": "example.com"},
            "no address outside was given (`--external ADDRESS`)",
        ),
        (
            "outside-to-node-port",
            {"outside": None},
            "no node is outside of the CNI's network (label `cilium.io/no-schedule=true`)",
        ),
        ("outside-to-node-port", {"privileged": False}, "pods in the host's network are not allowed here"),
        ("cilium-pod-to-pod-encryption", {"config": {}}, "encryption is off"),
        ("cilium-policy-deny-egress-by-port-range", {"version": (1, 15)}, "needs Cilium 1.16; this is 1.15"),
        (
            "pod-to-outside-masqueraded",
            {"config": {"enable-ipv4-masquerade": "true"}},
            "Cilium does not masquerade here (`enable-ipv6-masquerade` is off)",
        ),
        ("cilium-local-redirect-address", {"served": frozenset()}, "the cluster has no CiliumLocalRedirectPolicy"),
        (
            "cilium-local-redirect-address",
            {"config": {**beds.FEATURES, "kube-proxy-replacement": "false"}},
            "Cilium balances no load in sockets (`kubeProxyReplacement`)",
        ),
        (
            "cilium-local-redirect-address",
            {"config": {**beds.FEATURES, "bpf-lb-sock-hostns-only": "true"}, "version": (1, 16)},
            "Cilium balances load in the hosts' sockets only (`socketLB.hostNamespaceOnly`)",
        ),
        (
            "cilium-local-redirect-address",
            {"config": {**beds.FEATURES, "lrp-address-matcher-cidrs": "169.254.20.0/24, fd00::/8"}},
            "only some addresses may be redirected here (`lrp-address-matcher-cidrs`), 169.254.42.42 is none of them",
        ),
        (
            "cilium-ingress",
            {"config": {**beds.FEATURES, "ingress-hostnetwork-enabled": "true"}},
            "ingresses are served on the nodes' own ports (`ingressController.hostNetwork`)",
        ),
        ("cilium-ingress", {"config": {}}, "Cilium's ingress controller is off"),
        ("cilium-gateway", {"served": frozenset()}, "the cluster has no Gateway of gateway.networking.k8s.io/v1"),
        ("cilium-l7-load-balancing", {"cilium": False}, "Cilium is not installed"),
        (
            "cilium-l7-load-balancing",
            {"config": {}},
            "load balancing by Cilium's proxy is off (`loadBalancer.l7.backend`)",
        ),
        (
            "cilium-l7-load-balancing",
            {"config": {**beds.FEATURES, "loadbalancer-l7-ports": "80 443"}},
            "the proxy balances some ports only, not 8080",
        ),
        ("cilium-bgp", {"config": {}}, "Cilium's BGP is off"),
        ("cilium-cluster-mesh", {"config": {"cluster-id": "0"}}, "this cluster is in no mesh (`cluster-id` is 0)"),
        ("cilium-health", {"config": {"enable-health-checking": "false"}}, "Cilium's health checks are off"),
        ("cilium-ipsec-keys", {"version": (1, 18)}, "needs Cilium 1.19; this is 1.18"),
        ("cilium-bandwidth-limit", {"config": {}}, "Cilium's bandwidth manager is off"),
        ("cilium-host-firewall-ingress", {"config": {}}, "Cilium's host firewall is off"),
        ("cilium-egress-gateway", {"config": {}}, "Cilium's egress gateway is off"),
        ("cilium-egress-gateway", {"families": (6,)}, "pods or nodes have no IPv4 address"),
        (
            "cilium-policy-deny-egress-to-cidr-group",
            {"served": frozenset(one for one in beds.SERVED if one[1] != "CiliumCIDRGroup")},
            "the cluster has no CiliumCIDRGroup of cilium.io/v2 or cilium.io/v2alpha1",
        ),
        ("cilium-policy-tls-name-wildcard", {"version": (1, 17)}, "needs Cilium 1.18; this is 1.17"),
        (
            "cilium-policy-allow-egress-to-node-by-cidr",
            {"config": {}},
            "CIDRs do not select nodes here (`policyCIDRMatchMode`)",
        ),
        ("host-to-pod", {"privileged": False}, "pods in the host's network are not allowed here"),
        ("host-to-service", {"privileged": False}, "pods in the host's network are not allowed here"),
        ("host-to-node-port", {"privileged": False}, "pods in the host's network are not allowed here"),
    ],
)
def test_what_a_cluster_does_not_have_is_skipped_with_the_reason(
    name: str, change: dict[str, object], reason: str
) -> None:
    (scenario,) = [one for one in all_of_them() if one.name == name]
    assert scenario.skipped(beds.world()) == ""
    assert scenario.skipped(beds.world(**change)) == reason


def test_what_wants_pods_in_the_hosts_network_needs_the_right_to_them() -> None:
    wanting = [one for one in all_of_them() if {"hosts", "sniffers"} & set(one.groups)]
    assert wanting
    world = beds.world(privileged=False)
    assert [one.name for one in wanting if not one.skipped(world)] == []


def probes_of(name: str, **more: object) -> list[Probe]:
    return list(named(name).probes(beds.bed(**more)))


def named(name: str) -> Scenario:
    (scenario,) = [one for one in all_of_them() if one.name == name]
    return scenario


def test_a_closed_port_is_asked_beside_an_open_one_of_the_same_pod() -> None:
    probes = probes_of("pod-to-pod-closed-port")
    refused = {(probe.source, probe.target) for probe in probes if probe.expect is REFUSED}
    answered = {(probe.source, probe.target) for probe in probes if probe.expect is not REFUSED}
    assert refused == answered
    assert {":" in target.address for _source, target in refused} == {True, False}


def test_a_service_without_endpoints_must_refuse_in_words() -> None:
    assert {probe.expect for probe in probes_of("service-without-endpoints")} == {REFUSED}


def test_a_new_service_is_told_by_its_own_name_and_with_no_other_s_address() -> None:
    assert {str(probe.target) for probe in probes_of("new-service")} == {"service spare on one"}


@pytest.mark.parametrize("name", ["pod-to-node-port", "host-to-node-port", "outside-to-node-port"])
def test_who_answers_at_a_node_port_may_be_anywhere(name: str) -> None:
    assert all(probe.target.anywhere for probe in probes_of(name))
    assert not any(probe.target.anywhere for probe in probes_of("pod-to-local-node-port"))


@pytest.mark.parametrize("name", ["pod-to-outside", "policy-deny-egress-to-cidr"])
def test_any_answer_of_the_host_outside_counts(name: str) -> None:
    outside = [probe for probe in probes_of(name) if "outside" in probe.target.name]
    assert outside
    assert not [probe for probe in outside if "--fail" in probe.command]
