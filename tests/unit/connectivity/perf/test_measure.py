"""What is run, and what programs print, taken apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.perf import bed as beds
from ciliumctl.connectivity.perf.bed import Bed
from ciliumctl.connectivity.perf.measure import latency, placed, planned, throughput, understood
from ciliumctl.connectivity.perf.result import Latency, Throughput
from ciliumctl.connectivity.session import new
from tests.unit.connectivity import beds as worlds

#: What iperf3 3.12 prints with two streams, without what nobody reads.
IPERF3: dict[str, Any] = {
    "start": {"version": "iperf 3.12"},
    "intervals": [],
    "end": {
        "streams": [],
        "sum_sent": {"bytes": 1483735040, "bits_per_second": 11868491706.47, "retransmits": 2},
        "sum_received": {"bytes": 1474297856, "bits_per_second": 11790114826.43},
    },
}
PROBER = {
    "count": 1000,
    "seconds": 0.5,
    "max": 9_000_000,
    "histogram": [[20_000, 500], [40_000, 400], [90_000, 90], [1_000_000, 10]],
}


def test_what_arrived_counts_not_what_was_sent() -> None:
    found = understood(json.dumps(IPERF3), throughput)
    assert found == Throughput(bits_per_second=11790114826.43, retransmits=2)


def test_a_histogram_becomes_percentiles_in_microseconds() -> None:
    found = understood(json.dumps(PROBER), latency)
    assert found == Latency(requests_per_second=2000, p50=20, p90=40, p99=90, max=9000)


@pytest.mark.parametrize("read", [throughput, latency])
def test_a_program_s_own_error_is_told(read: Any) -> None:
    said = json.dumps({"start": {}, "end": {}, "error": "error - unable to connect to server: Connection refused"})
    assert understood(said, read) == "unable to connect to server: Connection refused"


@pytest.mark.parametrize("text", ["", "{", "5", "null", "[]", "{}", '{"end": {}}', '{"histogram": [1]}'])
@pytest.mark.parametrize("read", [throughput, latency])
def test_anything_else_is_not_understood(text: str, read: Any) -> None:
    assert understood(text, read) == ""


def test_every_path_is_planned_in_every_family_once() -> None:
    names = [one.name for one in planned([4, 6])]
    assert len(names) == len(set(names)) == 12
    assert names[:3] == ["throughput-same-node-ipv4", "throughput-same-node-ipv6", "throughput-other-node-ipv4"]
    assert [one.family for one in planned([6])] == [6] * 6


def bed(**more: str) -> Bed:
    """The suite's bed, under this one's names."""
    pods = worlds.bed().pods
    names = {"client": "client", "near": "near", "far": "far", "host-client": "host-1", "host-far": "host-2"}
    return Bed(pods={role: pods[name] for role, name in names.items()}, **more)


def reasons(where: Bed, **world: Any) -> dict[str, str]:
    found = [placed(one, where, worlds.world(**world)) for one in planned([4, 6]) if one.quantity == "latency"]
    return {f"{one.path}-{one.family}": one.reason for one in found if one.reason}


def test_what_can_be_measured_knows_its_nodes_and_goes_to_the_right_address() -> None:
    where = bed()
    assert reasons(where) == {}
    found = {one.name: placed(one, where, worlds.world()) for one in planned([4, 6])}
    other = found["latency-other-node-ipv6"]
    assert (other.source_node, other.target_node) == ("one", "two")
    assert other.address == where.pods["far"].addresses[6]
    assert found["latency-host-to-host-ipv4"].address == "192.0.2.2"


def test_what_cannot_be_measured_says_why() -> None:
    one_node = reasons(bed(), nodes=worlds.NODES[:1])
    assert {path.rpartition("-")[0] for path in one_node} == {"other-node", "host-to-host"}
    assert set(one_node.values()) == {"there is only one node for it"}
    assert reasons(bed(no_hosts="not allowed")) == dict.fromkeys(("host-to-host-4", "host-to-host-6"), "not allowed")


def test_pods_are_restricted_and_those_of_the_hosts_are_in_their_network() -> None:
    run, world = new("somebody", ""), worlds.world()
    settings = Settings(images={"tools": "mine"}, pull_secret="key", tolerations=[{"key": "a"}])
    for role, node in beds.roles(world).items():
        spec = beds.pod(role, node, run, settings)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in spec
        assert (spec["imagePullSecrets"], spec["tolerations"]) == ([{"name": "key"}], [{"key": "a"}])
        for container in spec["containers"]:
            assert container["image"] == "mine"
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]
    for role, node in beds.host_roles(world).items():
        assert beds.host_pod(role, node, run, settings)["spec"]["hostNetwork"] is True


def test_the_prober_s_text_has_nothing_that_kubernetes_would_expand() -> None:
    assert "$(" not in beds.source()
