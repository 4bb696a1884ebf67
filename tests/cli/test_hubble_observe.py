"""`hubble observe` as a user runs it: against an API server in this process, whose agents have seen flows."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.cli.commands.hubble._flows import MOST, stream
from ciliumctl.hubble.flow import Flow, read
from ciliumctl.hubble.observing import Flows
from tests.conftest import Command
from tests.world import flows, objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer, Call
from tests.world.forwards import endpoints, service
from tests.world.spdy import Conversation

REPLY = flows.flow(
    1.5,
    source="shop/db-1",
    destination="shop/web-1",
    is_reply=True,
    l4={"TCP": {"source_port": 5432, "destination_port": 40000}},
)


def seen(cluster: FakeCluster) -> None:
    """Two nodes: the second saw what lies between the flows of the first."""
    flows.agents(
        cluster,
        {
            "one": [flows.flow(1), flows.flow(3, destination="shop/cache-1", port=6379)],
            "two": [flows.dropped(2, source="shop/job-1", node="two"), REPLY | {"time": flows.when(4)}],
        },
    )
    for name, node in (("web-1", "one"), ("db-1", "two"), ("job-1", "one")):
        cluster.add(objects.pod(name, place="shop", on=node))


def asked(cluster: FakeCluster) -> dict[str, tuple[str, ...]]:
    return {call.pod: call.command for call in cluster.calls}


def test_flows_of_all_nodes_are_shown_in_the_order_of_time_as_hubble_shows_them(
    cluster: FakeCluster, command: Command
) -> None:
    seen(cluster)
    ran = command("hubble", "observe")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        (
            "Jan  2 03:00:01.000: shop/web-1:40000 (ID:4711) -> shop/db-1:5432 (ID:4712) to-stack FORWARDED "
            "(TCP Flags: SYN)"
        ),
        (
            "Jan  2 03:00:02.000: shop/job-1:40000 (ID:4711) -> shop/db-1:5432 (ID:4712) Policy denied DROPPED "
            "(TCP Flags: SYN)"
        ),
        (
            "Jan  2 03:00:03.000: shop/web-1:40000 (ID:4711) -> shop/cache-1:6379 (ID:4712) to-stack FORWARDED "
            "(TCP Flags: SYN)"
        ),
        (
            "Jan  2 03:00:04.000: shop/web-1:40000 (ID:4712) <- shop/db-1:5432 (ID:4711) to-stack FORWARDED "
            "(TCP Flags: SYN)"
        ),
    ]
    assert asked(cluster) == {
        f"cilium-{node}": ("hubble", "observe", "-o", "jsonpb", "--last=20") for node in ("one", "two")
    }


def test_the_last_n_are_those_of_all_nodes_together(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command("hubble", "observe", "--last", "2", "-o", "jsonpb")
    times = [json.loads(line)["flow"]["time"] for line in ran.out.splitlines()]
    assert times == [flows.when(3), flows.when(4)]
    assert {call.command[-1] for call in cluster.calls} == {"--last=2"}
    ran = command("hubble", "observe", "--first", "1", "-o", "jsonpb")
    assert [json.loads(line)["flow"]["time"] for line in ran.out.splitlines()] == [flows.when(1)]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (("--since", "1h", "--last", "2"), ("--since=1h",)),
        (("--until", "1h", "--last", "2"), ("--until=1h",)),
        (("--since", "1h", "--first", "2"), ("--since=1h", "--first=2")),
    ],
)
def test_the_last_n_of_a_time_are_its_newest_whatever_an_agent_takes_that_for(
    cluster: FakeCluster, command: Command, window: tuple[str, ...], words: tuple[str, ...]
) -> None:
    # With `--since` an agent's `--last` is the first N since then; with `--until` it counts from now.
    seen(cluster)
    ran = command("hubble", "observe", *window, "-o", "jsonpb")
    assert ran.code == 0, ran.err
    times = (1, 2) if "--first" in window else (3, 4)
    assert [json.loads(line)["flow"]["time"] for line in ran.out.splitlines()] == [flows.when(at) for at in times]
    assert {call.command[4:] for call in cluster.calls} == {words}


def test_jsonpb_is_hubble_s_own_line_and_json_an_envelope_around_its_objects(
    cluster: FakeCluster, command: Command
) -> None:
    flows.agents(cluster, {"one": [flows.flow(1)]})
    assert command("hubble", "observe", "-o", "jsonpb").out == flows.lines(flows.flow(1))
    data = command("hubble", "observe", "-o", "json").json
    assert (data["kind"], data["ok"], data["error"]) == ("HubbleFlows", True, None)
    assert data["data"] == {"flows": [flows.flow(1)], "nodes": ["one"], "unanswered": [], "lost": {}}


@pytest.mark.parametrize(
    ("output", "first", "count"),
    [("table", "TIMESTAMP", 2), ("dict", "  TIMESTAMP: Jan  2 03:00:01.000", 6), ("yaml", "apiVersion: ", 1)],
)
def test_flows_have_other_forms_too(
    cluster: FakeCluster, command: Command, output: str, first: str, count: int
) -> None:
    flows.agents(cluster, {"one": [flows.flow(1)]})
    ran = command("hubble", "observe", "-o", output)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(first)
    assert len(ran.out.splitlines()) >= count
    assert "shop/db-1:5432" in ran.out or output == "yaml"


def test_the_envelope_is_written_as_flows_come(
    cluster: FakeCluster, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    seen(cluster)
    ran = command("hubble", "observe", "-o", "json")
    assert ran.out == json.dumps(ran.json, indent=2) + "\n", "as if it were written at once"
    assert len(ran.json["data"]["flows"]) == 4
    ran = command("hubble", "observe", "--protocol", "sctp", "-o", "json")
    assert ran.out == json.dumps(ran.json, indent=2) + "\n"

    def come() -> Iterator[Flow]:
        for second in range(3):
            one = read(json.dumps(flows.flow(second)))
            assert isinstance(one, Flow)
            yield one
            assert flows.when(second) in capsys.readouterr().out, "it is out before the next is asked for"

    stream(Flows(flows=(), nodes=("one",)), come(), None)
    assert capsys.readouterr().out.startswith("\n    ]")


@pytest.mark.parametrize("output", ["table", "yaml", "json"])
def test_more_flows_than_fit_into_memory_are_refused(command: Command, tmp_path: Path, output: str) -> None:
    line = json.dumps({"flow": {"time": flows.when(1), "verdict": "FORWARDED"}})
    path = tmp_path / "flows.json"
    path.write_text(f"{line}\n" * (MOST + 1), encoding="utf-8")
    ran = command("hubble", "observe", "--input-file", str(path), "-o", output)
    assert (ran.code, "`-o jsonpb` writes them as they come" in ran.err) == (2, True), ran.err[-2000:]


def test_times_names_and_nodes_are_shown_as_asked(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": [flows.flow(1.25)]})
    ran = command("hubble", "observe", "--time-format", "RFC3339Milli", "--numeric", "--print-node-name")
    assert ran.out.startswith("2026-01-02T03:00:01.25Z [one]: 10.0.0.1:40000 (ID:4711) -> 10.0.1.1:5432 (ID:4712) ")


def test_filters_reach_the_agents_as_arguments_with_their_namespaces(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command(
        *("hubble", "observe", "-n", "shop", "--pod", "web", "--to-port", "5432", "--since", "90"),
        *("--verdict", "dropped", "--not", "--protocol", "DNS", "--identity", "reserved:world"),
    )
    assert ran.code == 0, ran.err
    assert asked(cluster)["cilium-one"][4:] == (
        *("--since=90s", "--pod=shop/web", "--identity=2", "--to-port=5432", "--verdict=DROPPED"),
        *("--not", "--protocol=dns"),
    )


def test_a_filter_without_a_value_never_takes_the_next_word_for_one(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command(
        *("hubble", "observe", "--since", "Fri, 02 Jan 2026 03:00:00 +0000", "--encrypted", "--not", "--unencrypted"),
        *("--ip-trace-id", "7", "-4"),
    )
    assert ran.code == 0, ran.err
    assert asked(cluster)["cilium-one"][4:] == (
        *("--since=Fri, 02 Jan 2026 03:00:00 +0000", "--ipv4", "--ip-trace-id=7", "--encrypted=true"),
        *("--not", "--unencrypted=true"),
    )


def test_what_looks_like_shell_or_an_option_stays_one_value(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command("hubble", "observe", "--http-path", "$(id); --all", "--label", "-x")
    assert ran.code == 0, ran.err
    assert asked(cluster)["cilium-one"][-2:] == ("--label=-x", "--http-path=$(id); --all")


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        (("--pod", "shop/web"), {"one"}),
        (("-n", "shop", "--pod", "db"), {"two"}),
        (("--from-pod", "shop/web", "--to-pod", "shop/db"), {"one", "two"}),
        (("--pod", "shop/web", "--all-nodes"), {"one", "two"}),
        (("--pod", "shop/web", "--verdict", "DROPPED"), {"one", "two"}),
        (("--node-name", "tw*"), {"two"}),
        (("--label", "app=web"), {"one", "two"}),
        (("--max-nodes", "1"), {"one"}),
    ],
)
def test_only_agents_that_can_have_seen_it_are_asked(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], nodes: set[str]
) -> None:
    seen(cluster)
    ran = command("hubble", "observe", *arguments)
    assert ran.code == 0, ran.err
    assert {call.pod.removeprefix("cilium-") for call in cluster.calls} == nodes


def test_who_is_not_asked_is_said(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    assert "asking 1 of 2 nodes: the nodes of shop/web" in command("hubble", "observe", "--pod", "shop/web").err
    assert "`--max-nodes` leaves out 1 of 2 nodes" in command("hubble", "observe", "--max-nodes", "1").err


def test_explain_asks_no_agent_and_shows_filter_nodes_and_command(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    arguments = ("hubble", "observe", "--pod", "shop/web", "--not", "--port", "53", "--explain")
    ran = command(*arguments)
    assert ran.code == 0, ran.err
    assert cluster.calls == []
    assert ran.out.splitlines() == [
        " a flow fits when: source_pod is `shop/web`",
        "               or: destination_pod is `shop/web`",
        "     and not when: source_port is `53`",
        "               or: destination_port is `53`",
        "            nodes: 1 of 2 (the nodes of shop/web): one",
        "    in each agent: hubble observe -o jsonpb --last=20 --pod=shop/web --not --port=53",
        "         requests: an exec for each of 1, 32 at a time",
    ]
    data = command(*arguments, "-o", "json").json
    assert data["kind"] == "HubbleQuestion"
    assert data["data"]["allow"] == [{"source_pod": ["shop/web"]}, {"destination_pod": ["shop/web"]}]


def test_a_node_that_does_not_answer_is_told_and_the_others_are_shown(cluster: FakeCluster, command: Command) -> None:
    flows.agents(
        cluster,
        {
            "one": [flows.flow(1)],
            "two": Answer(code=1, stderr="failed to connect to 'unix:///var/run/cilium/hubble.sock': refused\n"),
        },
    )
    ran = command("hubble", "observe")
    assert ran.code == 7
    assert "shop/web-1:40000" in ran.out
    assert "node `two`: Hubble's server does not answer in the agent on node `two`" in ran.err
    assert "1 of 2 nodes did not answer: two" in ran.err
    ran = command("hubble", "observe", "-o", "json")
    assert (ran.code, ran.json["ok"], ran.json["error"]["code"]) == (7, False, "partial")
    assert len(ran.json["data"]["flows"]) == 1
    assert ran.json["data"]["unanswered"][0]["node"] == "two"


def test_an_agent_that_is_not_ready_makes_the_answer_partial(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    cluster.add(objects.pod("cilium-two", on="two", ready=False, labels={"k8s-app": "cilium"}))
    ran = command("hubble", "observe")
    assert ran.code == 7
    assert "node `two` is not asked: its agent `cilium-two` is" in ran.err


def test_when_nobody_answers_the_reason_is_the_error(cluster: FakeCluster, command: Command) -> None:
    off = Answer(code=1, stderr="dial unix /var/run/cilium/hubble.sock: connect: no such file\n")
    flows.agents(cluster, {"one": off, "two": off})
    ran = command("hubble", "observe")
    assert (ran.code, ran.out) == (5, "")
    assert "Hubble's server does not answer" in ran.err
    assert "`ciliumctl hubble enable`" in ran.err


def test_a_filter_that_the_agent_does_not_know_is_named(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": Answer(code=1, stderr="Error: unknown flag: --interface\nUsage: …\n")})
    ran = command("hubble", "observe", "--interface", "eth0", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (2, "unknown-filter")
    assert "does not know `--interface`" in ran.json["error"]["message"]
    assert "--input-file -" in ran.json["error"]["hint"]


def test_what_is_no_flow_is_no_answer(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": Answer(stdout="hello\n")})
    ran = command("hubble", "observe")
    assert ran.code == 5
    assert "printed what is no flow: hello" in ran.err


def test_events_that_an_agent_lost_are_told(cluster: FakeCluster, command: Command) -> None:
    lost = json.dumps({"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "12"}}) + "\n"
    flows.agents(cluster, {"one": Answer(stdout=lost + flows.lines(flows.flow(1)))})
    ran = command("hubble", "observe")
    assert ran.code == 0
    assert "lost events before they were asked (one 12)" in ran.err


def test_an_escape_sequence_in_a_flow_is_spelled_out(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": [flows.flow(1, Summary="\x1b[2J[bold]")]})
    assert "(\\x1b[2J[bold])" in command("hubble", "observe").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--verdict", "gone"), "not known"),
        (("--port", "http"), "not a port"),
        (("--ip", "example.org"), "not an address"),
        (("--tcp-flags", "SYN,NO"), "`NO` is no TCP flag"),
        (("--type", "noise"), "no type of event"),
        (("--http-path", "("), "not a regular expression"),
        (("--since", "yesterday"), "is no time"),
        (("--pod", "a", "--from-pod", "b"), "cannot be combined"),
        (("-n", "shop", "--pod", "other/web"), "is in namespace `other`"),
        (("--last", "1", "--first", "1"), "cannot be combined"),
        (("--encrypted", "--unencrypted"), "cannot be combined"),
        (("--ip-trace-id", "0"), "not a number above 0"),
        (("--not",), "nothing follows `--not`"),
        (("--not", "--not", "--pod", "a"), "stands twice"),
        (("-f", "-o", "table"), "has to wait for the last flow"),
        (("--allowlist", "{"), "no FlowFilter in JSON"),
        (("-o", "wide"), "no `-o wide` output"),
    ],
)
def test_a_request_that_makes_no_sense_asks_nobody(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    seen(cluster)
    ran = command("hubble", "observe", *arguments)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert cluster.seen == []


def test_places_that_do_not_exist_are_named(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    for arguments, said in (
        (("--pod", "shop/nothing"), "no pod that runs begins with `shop/nothing`"),
        (("--node-name", "three"), "no node with an agent fits `--node-name three`"),
    ):
        ran = command("hubble", "observe", *arguments)
        assert (ran.code, cluster.calls) == (5, [])
        assert said in ran.err
    ran = command("-n", "elsewhere", "hubble", "observe")
    assert ran.code == 5
    assert "no agent of Cilium runs in namespace `elsewhere`" in ran.err


def test_a_user_without_the_right_to_exec_hears_of_it(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    cluster.program = lambda _call: Answer(status=403, stderr="pods/exec is forbidden")
    ran = command("hubble", "observe")
    assert ran.code == 5
    cluster.faults.append(Fault(pattern="GET .*/pods$", status=403, message="no"))
    assert command("hubble", "observe").code == 5


def test_flows_of_a_file_are_filtered_here(cluster: FakeCluster, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "flows.json"
    file.write_text(flows.lines(flows.flow(1), flows.dropped(2), REPLY))
    for arguments, count in (
        ((), 3),
        (("--verdict", "DROPPED"), 1),
        (("--not", "--verdict", "DROPPED"), 2),
        (("--from-pod", "shop/web"), 2),
        (("--last", "1"), 1),
        (("-t", "trace:to-stack", "-4"), 2),
    ):
        ran = command("hubble", "observe", "--input-file", str(file), *arguments)
        assert (ran.code, len(ran.out.splitlines())) == (0, count), (arguments, ran.err)
    ran = command("hubble", "observe", "--input-file", "-", "-o", "jsonpb", stdin=file.read_text())
    assert ran.out == file.read_text()
    assert cluster.seen == []


def test_a_file_that_is_none_of_flows_is_refused_with_the_line(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "flows.json"
    file.write_text(flows.lines(flows.flow(1)) + "not this\n")
    ran = command("hubble", "observe", "--input-file", str(file))
    assert ran.code == 2
    assert "line 2 of" in ran.err
    assert command("hubble", "observe", "--input-file", str(tmp_path / "none")).code == 2
    assert command("hubble", "observe", "--input-file", str(file), "--cel-expression", "true").code == 2


def test_without_a_flow_that_fits_standard_output_is_empty(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": []})
    ran = command("hubble", "observe")
    assert (ran.code, ran.out) == (0, "")
    assert "no flow fits" in ran.err


def test_following_takes_up_an_agent_that_was_replaced_from_the_last_flow_on(
    cluster: FakeCluster, command: Command
) -> None:
    seen(cluster)
    calls: list[Call] = []

    def program(call: Call) -> Answer:
        calls.append(call)
        if call.pod == "cilium-one" and len(calls) > 2:
            return Answer(stdout=flows.lines(flows.flow(1), flows.flow(5)), delay_end=30)
        if call.pod == "cilium-one":
            return Answer(stdout=flows.lines(flows.flow(1)), code=1, stderr="the agent stops\n")
        return Answer(stdout=flows.lines(flows.flow(2, node="two")), delay_end=30)

    cluster.program = program
    ran = command("hubble", "observe", "-f", "--timeout", "2.5s", "-o", "jsonpb")
    assert ran.code == 0, ran.err
    times = [json.loads(line)["flow"]["time"] for line in ran.out.splitlines()]
    assert times == [flows.when(1), flows.when(2), flows.when(5)]
    assert "node `one` is silent" in ran.err
    assert "node `one` is heard again" in ran.err
    again = next(call.command for call in calls[2:] if call.pod == "cilium-one")
    assert again[:3] == ("sh", "-c", again[2])
    assert f"--since={flows.when(1)}" in again
    assert "--follow" in again


def test_following_that_ends_with_a_silent_node_is_partial(cluster: FakeCluster, command: Command) -> None:
    gone = Answer(code=1, stderr="gone\n")
    flows.agents(cluster, {"one": Answer(stdout=flows.lines(flows.flow(1)), delay_end=30), "two": gone})
    ran = command("hubble", "observe", "-f", "--timeout", "1s")
    assert ran.code == 7
    assert "1 of 2 nodes were silent at the end: two" in ran.err
    assert "shop/web-1" in ran.out


def test_following_very_many_nodes_wants_to_be_asked_for(cluster: FakeCluster, command: Command) -> None:
    found: dict[str, Any] = {f"n{number}": [] for number in range(101)}
    flows.agents(cluster, found)
    ran = command("hubble", "observe", "-f")
    assert ran.code == 2
    assert "`--max-nodes 101`" in ran.err or "--max-nodes 101" in ran.err
    assert cluster.calls == []


# Not gRPC: it sends the relay its arguments, and hands on what comes back, one object with its stream a line.
HUBBLE = """#!{python}
import json, socket, sys
server = next(word for word in sys.argv if word.startswith("--server=")).partition("=")[2]
host, _colon, port = server.rpartition(":")
with socket.create_connection((host, int(port))) as relay:
    relay.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    for line in relay.makefile():
        said = json.loads(line)
        if "exit" in said:
            sys.exit(said["exit"])
        stream = sys.stderr if "err" in said else sys.stdout
        print(said.get("err", said.get("out")), file=stream, flush=True)
"""


class Relay:
    """A relay behind its service, and the program that speaks to it."""

    def __init__(self, cluster: FakeCluster, folder: Path) -> None:
        self.asked: list[list[str]] = []
        self.says: list[dict[str, Any]] = []
        self.stays = threading.Event()
        self.stays.set()
        cluster.add(service("hubble-relay"), endpoints("hubble-relay", ("relay-1", True)))
        cluster.forwarded["relay-1"] = self._talk
        self.path = hubble_in(folder)

    def _talk(self, conversation: Conversation) -> None:
        question = b""
        while not question.endswith(b"\n"):
            question += conversation.data.read() or b"\n"
        self.asked.append(json.loads(question))
        for one in self.says:
            conversation.data.send(json.dumps(one).encode() + b"\n")
        self.stays.wait(30)


def hubble_in(folder: Path) -> str:
    """A `PATH` with the program on it."""
    program = folder / "bin" / "hubble"
    program.parent.mkdir()
    program.write_text(HUBBLE.format(python=sys.executable))
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def out(*found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"out": line} for line in flows.lines(*found).splitlines()]


def test_the_relay_needs_the_hubble_program_and_a_relay(command: Command, tmp_path: Path) -> None:
    ran = command("hubble", "observe", "--via", "relay")
    assert ran.code == 8
    assert "`ciliumctl tools install hubble`" in ran.err
    ran = command("hubble", "observe", "--via", "relay", PATH=hubble_in(tmp_path))
    assert ran.code == 5
    assert "`ciliumctl hubble enable`" in ran.err


def test_the_relay_is_asked_through_a_forwarded_port_and_its_flows_come_in_order(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    relay = Relay(cluster, tmp_path)
    relay.says = out(flows.flow(3), flows.flow(1), flows.flow(2, node="two"))
    arguments = ("hubble", "observe", "--via", "relay", "--last", "2", "-n", "shop", "--not", "--pod", "web")
    ran = command(*arguments, "-o", "jsonpb", PATH=relay.path)
    assert ran.code == 0, ran.err
    assert [json.loads(line)["flow"]["time"] for line in ran.out.splitlines()] == [flows.when(2), flows.when(3)]
    ((program, *words),) = relay.asked
    assert (program, words[:2]) == ("observe", ["-o", "jsonpb"])
    assert words[2].startswith("--server=127.0.0.1:")
    assert words[3:] == ["--last=2", "--namespace=shop", "--not", "--pod=default/web"]
    ran = command(*arguments, "-o", "json", PATH=relay.path)
    assert [one["time"] for one in ran.json["data"]["flows"]] == [flows.when(2), flows.when(3)]
    assert "shop/web-1:40000" in command("hubble", "observe", "--via", "relay", PATH=relay.path).out
    assert cluster.calls == [], "no agent was asked"


def test_nodes_that_the_relay_has_no_flows_of_make_the_answer_partial(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    relay = Relay(cluster, tmp_path)
    status = {"state_change": "NODE_ERROR", "node_names": ["two", "three"], "message": "connection refused"}
    gone = {"state_change": "NODE_CONNECTED", "node_names": ["one"]}
    lost = {"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "7"}, "node_name": "one"}
    relay.says = [{"err": json.dumps({"node_status": one, "node_name": "relay"})} for one in (status, gone)]
    relay.says += [{"out": json.dumps(lost)}, *out(flows.flow(1))]
    ran = command("hubble", "observe", "--via", "relay", "-o", "json", PATH=relay.path)
    assert ran.code == 7
    assert [one["node"] for one in ran.json["data"]["unanswered"]] == ["two", "three"]
    assert (len(ran.json["data"]["flows"]), ran.json["data"]["lost"]) == (1, {"one": 7})
    assert "the relay has no flows of two, three: connection refused" in ran.err
    assert ran.json["error"]["message"] == "the relay has no flows of two, three"
    ran = command("hubble", "observe", "--via", "relay", PATH=relay.path)
    assert (ran.code, len(ran.out.splitlines())) == (7, 1)


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        (
            [{"err": "failed to connect: tls: first record"}, {"exit": 1}],
            6,
            "hubble ended with 1 behind the relay: fail",
        ),
        ([{"err": "Error: unknown flag: --uuid"}, {"exit": 1}], 2, "does not know `--uuid`"),
        ([{"out": "Hello"}], 5, "hubble behind the relay printed what is no flow: Hello"),
    ],
)
def test_what_goes_wrong_behind_the_relay_is_told(
    cluster: FakeCluster, command: Command, tmp_path: Path, says: list[dict[str, Any]], code: int, words: str
) -> None:
    relay = Relay(cluster, tmp_path)
    relay.says = says
    ran = command("hubble", "observe", "--via", "relay", "--uuid", "x", PATH=relay.path)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert words in ran.err


def test_the_relay_s_flows_are_followed_until_the_time_is_up(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    relay = Relay(cluster, tmp_path)
    relay.says = out(flows.flow(2), flows.flow(1))
    relay.stays.clear()
    ran = command("hubble", "observe", "--via", "relay", "-f", "--timeout", "1s", "-o", "jsonpb", PATH=relay.path)
    relay.stays.set()
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 2
    assert "--follow" in relay.asked[0]
    # Who hears only a little of it in time is told, and gets what there was not at all: it would be in no order.
    relay.stays.clear()
    ran = command("hubble", "observe", "--via", "relay", "--timeout", "1s", PATH=relay.path)
    relay.stays.set()
    assert (ran.code, ran.out) == (4, "")
