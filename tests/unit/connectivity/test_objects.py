"""The objects that scenarios bring: well formed, in their lane or found by `cleanup`, and harmless to others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ciliumctl.connectivity import bed as made
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.cleaning import OUTSIDE_OF_NAMESPACES
from ciliumctl.connectivity.model import Applied, Bed, Scenario
from ciliumctl.connectivity.scenarios import all_of_them
from ciliumctl.connectivity.session import LABEL, new
from tests.unit.connectivity import beds


def objects(scenario: Scenario, bed: Bed) -> list[Applied]:
    given = [scenario.objects, scenario.changes, *([scenario.policies] if scenario.policies else [])]
    return [one for each in given for one in each(bed)]


WITH_OBJECTS = [scenario for scenario in all_of_them() if objects(scenario, beds.bed())]
EVERY = pytest.mark.parametrize("scenario", WITH_OBJECTS, ids=lambda scenario: scenario.name)


def plural(kind: str) -> str:
    """As the API has it."""
    if re.search("[^aeiou]y$", kind):
        return kind[:-1] + "ies"
    return kind + ("es" if kind.endswith("s") else "s")


@EVERY
def test_each_object_is_of_the_kind_that_it_is_sent_as(scenario: Scenario) -> None:
    for one in objects(scenario, beds.bed()):
        manifest = one.manifest
        assert manifest["apiVersion"] == one.resource.api_version
        assert one.resource.plural == plural(manifest["kind"].lower())
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", manifest["metadata"]["name"])
        assert manifest.get("spec") or manifest["kind"] == "EndpointSlice"


@EVERY
def test_each_object_is_in_its_lane_or_known_to_cleanup(scenario: Scenario) -> None:
    bed = beds.bed()
    for one in objects(scenario, bed):
        meta = one.manifest["metadata"]
        if one.resource.namespaced:
            assert meta["namespace"] == bed.namespace
        else:
            assert one.resource in OUTSIDE_OF_NAMESPACES
            assert LABEL in meta["labels"]
            assert meta["name"].startswith(f"{bed.namespace}-")


@EVERY
def test_two_lanes_do_not_bring_the_same_object(scenario: Scenario) -> None:
    here, there = beds.bed(), beds.bed()
    other = Bed(namespace="lane-2", world=there.world, pods=there.pods, services=there.services, lane=1)

    def keys(bed: Bed) -> set[tuple[object, ...]]:
        listed = objects(scenario, bed)
        return {
            (one.resource, one.manifest["metadata"].get("namespace"), one.manifest["metadata"]["name"])
            for one in listed
        }

    assert not keys(here) & keys(other)


def rules(manifest: dict[str, Any], section: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["spec"].get(section, [])
    return found


def test_a_policy_for_nodes_allows_everything_but_one_port_of_the_test_s_own() -> None:
    firewall = [
        one
        for scenario in WITH_OBJECTS
        for one in objects(scenario, beds.bed())
        if "nodeSelector" in one.manifest.get("spec", {})
    ]
    assert len(firewall) == 2
    for one in firewall:
        manifest = dict(one.manifest)
        for way, peers in (("ingress", "from"), ("egress", "to")):
            denied = rules(manifest, f"{way}Deny")
            if way not in manifest["spec"]:
                assert not denied
                continue
            assert rules(manifest, way) == [{f"{peers}Entities": ["all"]}]
            (rule,) = denied
            (peer,) = rule[f"{peers}Endpoints"]
            assert peer["matchLabels"]["k8s:io.kubernetes.pod.namespace"] == "lane"
            assert peer["matchLabels"]["role"] in {"client", "far"}
            (ports,) = rule["toPorts"]
            assert [port["port"] for port in ports["ports"]] in (["38080"], ["8090"])
        # Cilium keeps such labels from the host's endpoint: a selector with one selects nothing.
        assert not manifest["spec"]["nodeSelector"]


def test_a_redirect_takes_no_address_that_somebody_may_use() -> None:
    taken = {
        "169.254.169.254",
        "169.254.169.253",
        "169.254.20.10",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.169.123",
    }
    matchers = [
        one.manifest["spec"]["redirectFrontend"].get("addressMatcher", {})
        for scenario in WITH_OBJECTS
        for one in objects(scenario, beds.bed())
        if one.manifest["kind"] == "CiliumLocalRedirectPolicy"
    ]
    addresses = [matcher["ip"] for matcher in matchers if matcher]
    assert len(addresses) == 2
    assert not taken & set(addresses)


def test_an_egress_gateway_is_named_by_its_label_and_its_own_address() -> None:
    (scenario,) = [one for one in WITH_OBJECTS if one.name == "cilium-egress-gateway"]
    (one,) = objects(scenario, beds.bed())
    assert one.manifest["spec"]["egressGateway"] == {
        "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "two.test"}},
        "egressIP": "192.0.2.2",
    }
    assert one.manifest["spec"]["destinationCIDRs"] == ["192.0.2.9/32"]


@pytest.mark.parametrize("version", ["cilium.io/v2", "cilium.io/v2alpha1"])
def test_a_group_of_cidrs_has_the_version_that_is_served(version: str) -> None:
    (scenario,) = [one for one in WITH_OBJECTS if one.name == "cilium-policy-deny-egress-to-cidr-group"]
    group, policy = objects(scenario, beds.bed(served=frozenset({(version, "CiliumCIDRGroup")})))
    assert group.manifest["apiVersion"] == group.resource.api_version == version
    assert policy.manifest["spec"]["egressDeny"] == [
        {"toCIDRSet": [{"cidrGroupRef": group.manifest["metadata"]["name"]}]}
    ]


def test_the_tls_server_has_the_image_s_certificate_and_asks_itself_over_tls() -> None:
    pod = made.tls_pod("two", new("somebody", ""), Settings())
    (container,) = pod["spec"]["containers"]
    assert container["args"][0:2] == ["netexec", "--http-port=8443"]
    assert container["args"][-2:] == ["--tls-cert-file=/localhost.crt", "--tls-private-key-file=/localhost.key"]
    assert container["startupProbe"]["exec"]["command"][-1] == "https://127.0.0.1:8443/healthz"
