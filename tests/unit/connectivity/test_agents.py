"""What is read of the agents' answers, by a real shell, with programs that answer as Cilium's do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ciliumctl.connectivity.model import Probe
from ciliumctl.connectivity.scenarios import all_of_them
from tests.unit.connectivity import beds

HEALTHY = """{
  "local": {"name": "kind/one"},
  "nodes": [
    {
      "endpoint": {},
      "health-endpoint": {"primary-address": {"http": {"latency": 414000}, "icmp": {"latency": 311000}, "ip": "10.0.0.7"}},
      "host": {"primary-address": {"http": {"latency": 304000}, "icmp": {"latency": 111000}, "ip": "192.0.2.1"}},
      "name": "kind/one"
    },
    {
      "endpoint": {},
      "health-endpoint": {"primary-address": {"http": {"latency": 414000}, "icmp": {"latency": 311000}, "ip": "10.0.1.7"}},
      "host": {"primary-address": {"http": {"latency": 304000}, "icmp": {"latency": 111000}, "ip": "192.0.2.2"}},
      "name": "kind/two"
    }
  ],
  "timestamp": "2026-01-01T00:00:00Z"
}"""
ILL = HEALTHY.replace('"http": {"latency": 304000}', '"http": {"status": "context deadline exceeded"}')
PEERS = """[
  {
    "families": [{"advertised": 2, "afi": "ipv4", "safi": "unicast"}],
    "local-asn": 65001,
    "peer-address": "192.0.2.200",
    "peer-asn": 65000,
    "session-state": "established"
  },
  {
    "local-asn": 65001,
    "peer-address": "192.0.2.201",
    "peer-asn": 65000,
    "session-state": "STATE"
  }
]"""
ROUTE = '[{"neighbor": "192.0.2.200", "paths": [{"best": true}], "prefix": "10.0.0.0/24", "router-asn": 65001}]'
STATUS = """KVStore:                 Disabled
Kubernetes:              Ok         1.34 (v1.34.4) [linux/amd64]
Cilium:                  Ok   1.18.4 (v1.18.4-0)
ClusterMesh:             LINE
IPAM:                    IPv4: 4/254 allocated from 10.0.0.0/24,
"""
IPSEC = """Encryption: IPsec
Decryption interface(s): eth0
Keys in use: 2
Max Seq. Number: 0x2a/0xffffffff
Errors: 0
"""
STATES = """src 192.0.2.1 dst 192.0.2.2
	proto esp spi 0x00000003 reqid 1 mode tunnel
src 192.0.2.2 dst 192.0.2.1
	proto esp spi 0x00000003 reqid 1 mode tunnel
"""
EGRESS = """Source IP     Destination CIDR   Egress IP   Gateway IP
203.0.113.4   192.0.2.0/24       0.0.0.0     192.0.2.1
203.0.113.4   192.0.2.9/32       0.0.0.0     Excluded CIDR
"""


def asked(scenario: str, name: str) -> Probe:
    (found,) = [one for one in all_of_them() if one.name == scenario]
    return next(probe for probe in found.probes(beds.bed()) if probe.source.startswith("agent-") and probe.name == name)


def answer(probe: Probe, folder: Path, **programs: str) -> tuple[bool, str]:
    """Run a probe with these programs before all others; each prints what it is given, by its first two words."""
    for name, script in programs.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        ["sh", "-c", probe.command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environ,
        text=True,
        check=False,
    )
    return probe.expect.met(done.returncode, done.stdout), done.stdout.strip()


def says(text: str) -> str:
    return f"cat <<'END'\n{text}\nEND"


@pytest.mark.parametrize(
    ("said", "good"),
    [(HEALTHY, True), (ILL, False), (HEALTHY.replace("kind/two", "kind/three"), False), ("connection refused", False)],
)
def test_health_is_every_node_with_no_word_of_trouble(tmp_path: Path, *, said: str, good: bool) -> None:
    probe = asked("cilium-health", "the health of all nodes")
    met, words = answer(probe, tmp_path, cilium_health=says(said), sleep="exit 0")
    assert met is good, words
    if said is ILL:
        assert "context deadline exceeded" in words


@pytest.mark.parametrize(
    ("state", "routes", "good", "words"),
    [
        ("established", ROUTE, True, "all 2 sessions established"),
        ("active", ROUTE, False, "1 of 2 sessions established"),
        ("established", "[]", False, "2 sessions, and no route is advertised"),
    ],
)
def test_bgp_is_all_sessions_and_a_route(tmp_path: Path, *, state: str, routes: str, good: bool, words: str) -> None:
    script = f'[ "$2" = peers ] && {{ {says(PEERS.replace("STATE", state))}\n}} || {{ {says(routes)}\n}}'
    assert answer(asked("cilium-bgp", "the BGP sessions of a node"), tmp_path, cilium_dbg=script) == (good, words)


def test_a_node_without_bgp_sessions_is_no_success_and_an_old_agent_s_program_is_found(tmp_path: Path) -> None:
    met, words = answer(asked("cilium-bgp", "the BGP sessions of a node"), tmp_path, cilium=says("[]"))
    assert (met, words) == (False, "no BGP session on this node")


ALONE = "\n".join(line for line in STATUS.splitlines() if "Mesh" not in line)


def mesh(folder: Path, *clusters: str) -> Probe:
    """The probe of an agent that is told of these clusters, as Cilium's chart does it."""
    place = folder / "cluster mesh"
    place.mkdir()
    (place / "common-etcd-client-ca.crt").write_text("a certificate")
    for cluster in clusters:
        (place / cluster).write_text("endpoints:\n- https://192.0.2.40:2379\n")
        (place / f"{cluster}.etcd-client.key").write_text("a key")
    config = {**beds.world().config, "clustermesh-config": str(place), "cluster-name": "here"}
    probes = next(one for one in all_of_them() if one.name == "cilium-cluster-mesh").probes(beds.bed(config=config))
    return next(probe for probe in probes if probe.name == "the other clusters of the mesh")


@pytest.mark.parametrize(
    ("line", "clusters", "good", "words"),
    [
        ("2/2 remote clusters ready, 3 global-services", ("a", "b"), True, "2/2"),
        ("1/1 clusters ready, 0 global-services", ("a", "here"), True, "1/1"),
        ("0/0 remote clusters ready, 0 global-services", (), True, "no other cluster is configured"),
        ("0/0 remote clusters ready, 0 global-services", ("a",), False, "0/0 ready, and 1 are configured"),
        ("1/2 remote clusters ready, 3 global-services", ("a", "b"), False, "1/2"),
        ("1/1 remote clusters ready, 3 global-services", ("a", "b"), False, "1/1 ready, and 2 are configured"),
        ("all 2 clusters are fine", ("a", "b"), False, "the agent says nothing of 2 other clusters"),
    ],
)
def test_a_mesh_is_all_the_clusters_that_the_agent_is_told_of(
    tmp_path: Path, *, line: str, clusters: tuple[str, ...], good: bool, words: str
) -> None:
    probe = mesh(tmp_path, *clusters)
    assert answer(probe, tmp_path, cilium_dbg=says(STATUS.replace("LINE", line))) == (good, words)


def test_a_mesh_of_one_has_no_such_line_and_a_silent_agent_fails(tmp_path: Path) -> None:
    probe = mesh(tmp_path)
    assert answer(probe, tmp_path, cilium_dbg=says(ALONE)) == (True, "no other cluster is configured")
    assert answer(probe, tmp_path, cilium_dbg="echo 'Is the agent running?'; exit 1") == (
        False,
        "Is the agent running?",
    )


@pytest.mark.parametrize(
    ("status", "states", "words"),
    [
        (IPSEC, STATES, "both directions"),
        (
            IPSEC,
            STATES.replace("src 192.0.2.2 dst 192.0.2.1", "src 192.0.2.3 dst 192.0.2.1"),
            "only 192.0.2.1 to 192.0.2.2",
        ),
        (IPSEC, "", "no key is in the kernel"),
        (IPSEC.replace("use: 2", "use: 0"), STATES, "no key is in use"),
        ("Encryption: Wireguard\nInterface: cilium_wg0", STATES, "Encryption: Wireguard"),
    ],
)
def test_ipsec_has_keys_for_both_directions(tmp_path: Path, status: str, states: str, words: str) -> None:
    met, said = answer(asked("cilium-ipsec-keys", "IPsec's keys"), tmp_path, cilium_dbg=says(status), ip=says(states))
    assert met is (words == "both directions"), said
    assert said.splitlines()[0] == words


def test_an_exclusion_is_in_the_agent_s_table(tmp_path: Path) -> None:
    probe = asked("cilium-egress-gateway-excluded", "the exclusion in the agent's table")
    assert answer(probe, tmp_path, cilium_dbg=says(EGRESS))[0]
    assert not answer(probe, tmp_path, cilium_dbg=says(EGRESS.replace("Excluded CIDR", "192.0.2.1")))[0]
    assert not answer(probe, tmp_path, cilium_dbg="exit 0")[0]


@pytest.mark.parametrize(
    ("source", "speed", "good"),
    [
        ("limited", "1180000", True),
        ("limited", "1180000.125", True),
        ("limited", "90000000", False),
        ("limited", "600000", False),
        ("client", "90000000", True),
        ("client", "1180000", False),
    ],
)
def test_how_fast_a_pod_sends_is_held_against_its_limit(tmp_path: Path, *, source: str, speed: str, good: bool) -> None:
    (scenario,) = [one for one in all_of_them() if one.name == "cilium-bandwidth-limit"]
    (probe,) = [one for one in scenario.probes(beds.bed()) if one.source == source]
    met, words = answer(probe, tmp_path, curl=f"cat >/dev/null; printf {speed}")
    assert met is good, words
