"""What holds for every scenario, on every kind of cluster."""

from __future__ import annotations

import subprocess

import pytest

from ciliumctl.connectivity.model import Scenario
from ciliumctl.connectivity.scenarios import all_of_them
from tests.unit.connectivity import beds

EVERY = pytest.mark.parametrize("scenario", all_of_them(), ids=lambda scenario: scenario.name)


@EVERY
def test_it_has_probes_from_pods_of_the_bed_with_commands_that_a_shell_can_read(scenario: Scenario) -> None:
    bed = beds.bed(external="example.com") if "name" in scenario.name else beds.bed()
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
        ("cilium-policy-deny-icmp", {"kinds": frozenset()}, "the cluster has no CiliumNetworkPolicy"),
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
        ("host-to-pod", {"privileged": False}, "pods in the host's network are not allowed here"),
    ],
)
def test_what_a_cluster_does_not_have_is_skipped_with_the_reason(
    name: str, change: dict[str, object], reason: str
) -> None:
    (scenario,) = [one for one in all_of_them() if one.name == name]
    assert scenario.skipped(beds.world()) == ""
    assert scenario.skipped(beds.world(**change)) == reason
