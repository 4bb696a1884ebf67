"""What the engine makes of a probe's answer: whether it is what was expected, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.connectivity.commands import http, refused, service, tls
from ciliumctl.connectivity.engine import Engine
from ciliumctl.connectivity.model import DENIED, REFUSED, Probe, Target, says
from ciliumctl.connectivity.result import Probed
from tests.unit.connectivity import beds
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer

BED = beds.bed()
FAR = BED.pod("far").target(4)
#: curl's words of versions 7.88 and 8.14, and those of its C libraries.
CLOSED = """*   Trying 203.0.113.5:8089...
* connect to 203.0.113.5 port 8089 failed: Connection refused
* Failed to connect to 203.0.113.5 port 8089 after 0 ms: Couldn't connect to server
* Closing connection 0
curl: (7) Failed to connect to 203.0.113.5 port 8089 after 0 ms: Couldn't connect to server"""
CLOSED_8 = """*   Trying [2001:db8:1::5]:8089...
* connect to 2001:db8:1::5 port 8089 from 2001:db8:1::1 port 40000 failed: Connection refused
* Failed to connect to 2001:db8:1::5 port 8089 after 1 ms: Could not connect to server
* closing connection #0
curl: (7) Failed to connect to 2001:db8:1::5 port 8089 after 1 ms: Could not connect to server"""
NO_ROUTE = CLOSED.replace("connect to 203.0.113.5 port 8089 failed: Connection refused", "CAUSE", 1)


@pytest.fixture
def engine(cluster: FakeCluster, tmp_path: Path) -> Engine:
    return Engine(connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {}), context="prod")


def asked(engine: Engine, cluster: FakeCluster, probe: Probe, code: int, said: str) -> Probed:
    line = said.replace("\n", "\x1f")
    cluster.program = lambda _call: Answer(stdout=f"@0 {code} {line}\n")
    (found,) = engine.ask(BED, [probe])
    return found


@pytest.mark.parametrize("said", [CLOSED, CLOSED_8])
def test_a_closed_port_refuses(engine: Engine, cluster: FakeCluster, said: str) -> None:
    assert asked(engine, cluster, refused("client", FAR, port=8089), 7, said).ok


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("Immediate connect fail for 203.0.113.5: No route to host", "No route to host"),
        ("Immediate connect fail for 203.0.113.5: Network unreachable", "Network unreachable"),
        ("connect to 203.0.113.5 port 8089 from 203.0.113.1 port 4 failed: Host is unreachable", "Host is unreachable"),
    ],
)
def test_a_path_that_is_not_there_is_no_refusal_though_the_exit_code_is_the_same(
    engine: Engine, cluster: FakeCluster, cause: str, told: str
) -> None:
    found = asked(engine, cluster, refused("client", FAR, port=8089), 7, NO_ROUTE.replace("CAUSE", cause))
    assert not found.ok
    assert found.expected == "a refusal"
    assert found.seen == (
        "exit code 7: curl: (7) Failed to connect to 203.0.113.5 port 8089 after 0 ms: Couldn't connect to server"
        f" ({told})"
    )


def test_a_refusal_is_asked_for_with_the_words_that_tell_it() -> None:
    for probe in (refused("client", FAR, port=8089), refused("client", service(BED.services["nobody"], 6))):
        assert probe.expect is REFUSED
        assert " -v " in probe.command


@pytest.mark.parametrize(
    ("probe", "code", "said", "seen"),
    [
        (
            tls("client", FAR, port=443),
            28,
            "curl: (28) Resolving timed out after 2000 milliseconds\n000",
            "exit code 28: curl: (28) Resolving timed out after 2000 milliseconds",
        ),
        (
            http("client", FAR, expect=says("1.2.3.4")),
            0,
            ";; communications error to 10.96.0.10#53: timed out\n;; no servers could be reached\n",
            ";; no servers could be reached",
        ),
        (http("client", FAR, expect=says("far")), 0, ";; odd\nfar-away", ";; odd"),
        (http("client", FAR), 0, "curl: not an error\nfine", "fine"),
        (http("client", FAR), 1, "first\nlast", "exit code 1: last"),
        (http("client", FAR), 1, "", "exit code 1"),
        (http("client", FAR), 124, "000", "no end in time 000"),
        (http("client", FAR), 0, "", "nothing"),
    ],
)
def test_what_went_wrong_is_told_rather_than_what_was_said_last(
    engine: Engine, cluster: FakeCluster, probe: Probe, code: int, said: str, seen: str
) -> None:
    assert asked(engine, cluster, probe, code, said).seen == seen


def test_a_probe_s_outcome_says_whether_it_is_a_denial_and_whether_anybody_may_have_answered(
    engine: Engine, cluster: FakeCluster
) -> None:
    anybody = Target(name="a node port of one", address="192.0.2.1", node="one", anywhere=True)
    found = asked(engine, cluster, http("client", anybody, expect=DENIED), 28, "")
    assert (found.denied, found.anywhere, found.target_node) == (True, True, "one")
    found = asked(engine, cluster, http("client", FAR), 0, "far")
    assert (found.denied, found.anywhere) == (False, False)
