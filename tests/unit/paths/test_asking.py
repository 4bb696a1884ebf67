"""What agents say of a path, in the words of Cilium's own programs."""

from __future__ import annotations

import json
import subprocess

from ciliumctl.agents import Agent
from ciliumctl.paths.asking import Question, commands, read, row
from ciliumctl.paths.facts import Entry

AGENT = Agent(node="one", namespace="kube-system", pod="cilium-1", ready=True, state="Running")
EVERYTHING = Question(
    agent=AGENT, endpoint=11, other="192.0.2.20", frontend="192.0.2.100:80", peer="two", peer_address="192.0.2.2"
)
POLICY = """POLICY   DIRECTION   IDENTITY   PORT/PROTO     PROXY PORT   AUTH TYPE   BYTES   PACKETS   PREFIX   COOKIE
Allow    Ingress     0          ANY            NONE         disabled    0       0         0        0
Allow    Egress      7          8080/TCP       NONE         disabled    0       0         24       0
Deny     Egress      2          80-90/UDP      NONE         disabled    0       0         20       0
"""
SERVICES = """192.0.2.100:80/TCP (0)    0.0.0.0:0 (3) (0) [ClusterIP, non-routable]
192.0.2.100:80/TCP (1)    192.0.2.20:8080/TCP (3) (1)
192.0.2.100:80/TCP (2)    backend 9 not found
"""


def test_every_part_is_read() -> None:
    health = {"nodes": [{"name": "two", "host": {"primary-address": {"icmp": {"status": "timeout"}}}}]}
    said = {
        "policy": POLICY,
        "ipcache": "192.0.2.20 maps to identity identity=7 encryptkey=0 tunnelendpoint=192.0.2.2 flags=<none>",
        "frontend": SERVICES,
        "peer": f"level=warning msg=x\n{json.dumps(health)}",
        "mtu": "1500",
    }
    assert list(commands(EVERYTHING)) == list(said)
    facts = read(EVERYTHING, list(said), [(0, text.splitlines()) for text in said.values()])
    assert (facts.identity, facts.tunnel, facts.frontend, facts.mtu) == (7, "192.0.2.2", 1, 1500)
    assert facts.peer == "ICMP to the node: timeout"
    assert facts.policy is not None
    assert facts.policy[1] == Entry(allows=True, direction="egress", identity=7, port=8080, last=8080, protocol="TCP")
    assert facts.lacking == ()


def test_rows_of_the_policy_map_are_read_in_all_their_forms() -> None:
    assert row(POLICY.splitlines()[0]) is None
    assert row("Deny     Egress      2          80-90/UDP      NONE") == Entry(
        allows=False, direction="egress", identity=2, port=80, last=90, protocol="UDP"
    )
    assert row("Allow    Ingress     0          ANY            NONE") == Entry(
        allows=True, direction="ingress", identity=0, port=0, last=0, protocol="ANY"
    )
    assert row("Allow    Ingress     0          ANY/TCP        NONE") == Entry(
        allows=True, direction="ingress", identity=0, port=0, last=0, protocol="TCP"
    )


def test_what_an_agent_does_not_know_is_lacking_and_stops_nothing() -> None:
    parts = list(commands(EVERYTHING))
    facts = read(
        EVERYTHING,
        parts,
        [(1, ["no such command"]), (1, ["192.0.2.20 does not map to any identity"]), None, (127, []), (0, ["x"])],
    )
    assert facts.identity == 0
    assert facts.lacking == (
        "policy map: no such command",
        "service table: no answer in time",
        "health probes: the agent's image has no such program",
        "MTU: x",
    )


def test_only_lines_of_the_service_come_back() -> None:
    """The filter is run by a real shell, with a stand-in for the agent's program."""
    other = "192.0.2.100:8080/TCP (1)    192.0.2.21:8080/TCP (4) (1)\n"
    command = commands(EVERYTHING)["frontend"]
    script = command[2].replace("$c bpf lb list", 'printf "%s" "$said_it"')
    done = subprocess.run(
        [*command[:2], script, *command[3:]],
        env={"PATH": "/usr/bin:/bin", "said_it": other + SERVICES},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == SERVICES.splitlines()
