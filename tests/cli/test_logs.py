"""`ciliumctl logs`: many pods, one order; what is wanted of them; what happens when some cannot be read."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ciliumctl import logs
from ciliumctl.clients.kube import PODS, ConnectOptions, connect
from ciliumctl.report import Event, Reporter
from ciliumctl.wait import Deadline
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.logs import Kubelets
from tests.world.run import quiet_environ, run

AGENT, OTHER, OPERATOR = "cilium-aaaaa", "cilium-bbbbb", "cilium-operator-5d8b9485f-ccccc"


@pytest.fixture
def kubelets(cluster: FakeCluster) -> Iterator[Kubelets]:
    """Two agents and an operator whose lines alternate."""
    agent = {**objects.PART_OF, "k8s-app": "cilium"}
    cluster.add(
        objects.pod(AGENT, on="one", labels=agent),
        objects.pod(OTHER, on="two", labels=agent, restarts=1),
        objects.pod(OPERATOR, on="one"),
        objects.pod("cilium-node-init-zzzzz", on="one"),
    )
    made = Kubelets(cluster)
    made.write(AGENT, "cilium-agent", "2026-01-02T03:00:01Z", 'level=info msg="first" subsys=daemon')
    made.write(OTHER, "cilium-agent", "2026-01-02T03:00:02Z", "level=warning msg=second")
    # The other node's clock shows another zone.
    made.write(AGENT, "cilium-agent", "2026-01-02T05:00:03+02:00", "level=error msg=third")
    made.write(OPERATOR, "cilium-operator", "2026-01-02T03:00:04Z", '{"level":"info","msg":"fourth"}')
    yield made
    made.close()


def test_lines_of_all_pods_come_in_the_order_of_their_times(
    command: Command, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    ran = command("logs")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f'[one {AGENT}] level=info msg="first" subsys=daemon',
        f"[two {OTHER}] level=warning msg=second",
        f"[one {AGENT}] level=error msg=third",
        f'[one {OPERATOR}] {{"level":"info","msg":"fourth"}}',
    ]
    assert len(cluster.seen) == 4, "one for the pods, one a log"
    assert {seen.query["tailLines"] for seen in cluster.seen[1:]} == {"10"}
    assert kubelets.open == 0


def test_json_is_an_envelope_a_line_with_level_and_message(command: Command, kubelets: Kubelets) -> None:
    ran = command("logs", "-o", "json")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["data"]["message"] for one in found] == ["first", "second", "third", "fourth"]
    assert [one["data"]["level"] for one in found] == ["info", "warning", "error", "info"]
    assert found[2]["data"]["time"] == "2026-01-02T03:00:03.000000000Z"
    assert found[3] == {
        "apiVersion": "ciliumctl/v1",
        "kind": "LogLine",
        "ok": True,
        "data": {
            "time": "2026-01-02T03:00:04.000000000Z",
            "node": "one",
            "component": "operator",
            "pod": OPERATOR,
            "container": "cilium-operator",
            "level": "info",
            "message": "fourth",
            "line": '{"level":"info","msg":"fourth"}',
        },
        "error": None,
    }
    assert kubelets.most >= 1


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--level", "warning"), ["second", "third"]),
        (("--grep", "t[h]ird|first"), ["first", "third"]),
        (("operator",), ["fourth"]),
        (("agent", "--node", "two"), ["second"]),
        (("--pod", AGENT), ["first", "third"]),
        (("--previous",), ["second"]),
        (("--since-time", "2026-01-02T04:00:03+01:00"), ["third", "fourth"]),
    ],
)
def test_what_is_asked_for_is_shown(
    command: Command, kubelets: Kubelets, cluster: FakeCluster, arguments: tuple[str, ...], wanted: list[str]
) -> None:
    ran = command("logs", *arguments, "-o", "json")
    assert ran.code == 0, ran.err
    assert [json.loads(line)["data"]["message"] for line in ran.out.splitlines()] == wanted
    asked = [seen.query for seen in cluster.seen if seen.path.endswith("/log")]
    assert all(("tailLines" in query) is (arguments == ("operator",) or "--node" in arguments) for query in asked)
    assert kubelets.open == 0


def test_one_log_has_no_prefix_and_times_are_shown_when_asked_for(command: Command, kubelets: Kubelets) -> None:
    ran = command("logs", "operator", "--timestamps")
    assert ran.out == '2026-01-02T03:00:04.000000000Z {"level":"info","msg":"fourth"}\n'
    ran = command("logs", "operator", "--prefix")
    assert ran.out == f'[one {OPERATOR}] {{"level":"info","msg":"fourth"}}\n'
    assert kubelets.open == 0


def test_a_node_has_a_color_and_what_a_log_says_moves_no_cursor(command: Command, kubelets: Kubelets) -> None:
    kubelets.write(OTHER, "cilium-agent", "2026-01-02T03:00:05Z", "\x1b[31mred\x1b[0m \x1b[2J gone")
    ran = command("logs", "agent", "--color", "always")
    first, second, third, fourth = ran.out.splitlines()
    assert first.startswith(f"\x1b[36m[one {AGENT}]\x1b[0m level=info")
    assert second == f"\x1b[35m[two {OTHER}]\x1b[0m \x1b[33mlevel=warning msg=second\x1b[0m"
    assert third.startswith("\x1b[36m")
    assert fourth.endswith("\x1b[33mred \\x1b[2J gone\x1b[0m")
    assert "\x1b" not in command("logs").out


def test_a_log_that_cannot_be_read_stops_no_other(command: Command, kubelets: Kubelets, cluster: FakeCluster) -> None:
    cluster.faults.append(Fault(pattern=f"{OTHER}/log$", status=500, message="dial tcp 192.0.2.7:10250: no route"))
    ran = command("logs", "agent", "-o", "json")
    assert ran.code == 7
    lines = ran.out.split("\n{\n")[0].splitlines()
    assert [json.loads(line)["data"]["message"] for line in lines] == ["first", "third"]
    assert json.loads("{" + ran.out.split("\n{\n")[1])["error"]["code"] == "partial"
    assert f"{OTHER}/cilium-agent on two: dial tcp 192.0.2.7:10250: no route" in ran.err
    assert "1 of 2 logs could not be read" in ran.err
    assert kubelets.open == 0


def test_a_cause_that_all_have_in_common_is_the_error(
    command: Command, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    cluster.faults.append(Fault(pattern="/log$", status=403, message="no"))
    ran = command("logs", "agent", "-o", "json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (5, "forbidden")
    assert kubelets.open == 0


def test_other_containers_are_found_in_a_pod_of_the_component(
    command: Command, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    for pod in (AGENT, OTHER):
        found = cluster.get("pods", pod, "kube-system")
        assert found
        found["spec"] |= {"initContainers": [{"name": "config"}], "containers": [{"name": "cilium-agent"}]}
        kubelets.write(pod, "config", "2026-01-02T03:00:00Z", f"of {pod}")
    ran = command("logs", "-c", "config")
    assert ran.out.splitlines() == [f"[one {AGENT}/config] of {AGENT}", f"[two {OTHER}/config] of {OTHER}"]
    ran = command("logs", "agent", "--all-containers")
    assert len(ran.out.splitlines()) == 5
    ran = command("logs", "-c", "nope")
    assert ran.code == 2
    assert "hint: they have config, cilium-agent, main" in ran.err


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ("nope",), "there is no component `nope`"),
        (2, ("--grep", "("), "no regular expression"),
        (2, ("--level", "loud"), "loud"),
        (2, ("--follow", "--previous"), "cannot be followed"),
        (2, ("--since", "1h", "--since-time", "2026-01-02T00:00:00Z"), "two beginnings"),
        (2, ("--since-time", "yesterday"), "is no moment"),
        (2, ("--follow", "--max-log-requests", "2"), "3 logs would be followed"),
        (5, ("ui",), "there is no pod of ui"),
        (5, ("--pod", "cilium-zzzzz"), "cilium-zzzzz"),
        (5, ("--node", "three"), "on node `three`"),
    ],
)
def test_a_question_without_an_answer_is_told_so(
    command: Command, kubelets: Kubelets, code: int, arguments: tuple[str, ...], said: str
) -> None:
    ran = command("logs", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "hint: " in ran.err
    assert kubelets.open == 0


def test_nothing_was_restarted_so_there_is_no_run_before(command: Command, kubelets: Kubelets) -> None:
    ran = command("logs", "operator", "--previous")
    assert (ran.code, ran.out) == (0, "")
    assert "no container that was asked for has been restarted" in ran.err
    assert kubelets.open == 0


def test_a_thousand_logs_are_read_in_bounded_memory(cluster: FakeCluster, tmp_path: Path) -> None:
    """1,000 logs of 60 kB are 60 MB; what is held is a block of 8 kB of each, its next line, and a batch."""
    text = "level=info msg=" + "x" * 1985
    for number in range(1000):
        cluster.add(objects.pod(f"cilium-{number:05}", on=f"node-{number}"))

    def answer(number: int) -> Iterator[bytes]:
        lines = [f"2026-01-02T03:00:{second:02}.{number:09}Z {text} id={number}\n" for second in range(30)]
        yield from ("".join(lines[start : start + 10]).encode() for start in range(0, 30, 10))

    cluster.log = lambda seen: answer(int(seen.path.split("/")[-2].removeprefix("cilium-")))
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    sources = logs.choose(kube, logs.Wanted(namespace="kube-system"))
    failures: list[logs.Failure] = []
    report = Reporter(lambda _event: None)
    tracemalloc.start()
    lines, last = 0, ""
    for batch in logs.read(kube, sources, logs.Part(), logs.Sieve(), report, parallel=16, failures=failures):
        assert all(before.time <= after.time for before, after in pairwise(batch))
        assert last <= batch[0].time
        lines, last = lines + len(batch), batch[-1].time
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (lines, failures, kube.requests) == (1000 * 30, [], 1001)
    assert peak < 30_000_000, f"{peak} bytes"


class Following:
    """A follower at work on a thread, and what it has given so far."""

    def __init__(self, cluster: FakeCluster, folder: Path, wanted: logs.Wanted, part: logs.Part) -> None:
        self.kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})
        self.kube.deadline = Deadline.after(20.0)
        self.said: list[Event] = []
        self.lines: list[str] = []
        self.follower = logs.Follower(self.kube, wanted, logs.Sieve(), Reporter(self.said.append), most=10)
        sources = logs.choose(self.kube, wanted)
        self._thread = threading.Thread(target=self._run, args=(sources, part))
        self._thread.start()

    def _run(self, sources: tuple[logs.Source, ...], part: logs.Part) -> None:
        for batch in self.follower.follow(sources, part):
            self.lines += [line.message for line in batch]

    def until(self, good: Callable[[], bool]) -> None:
        deadline = Deadline.after(15.0)
        while not good() and not deadline.passed:
            time.sleep(0.02)
        assert good(), (self.lines, self.said)

    def end(self) -> None:
        self.kube.deadline = Deadline.after(1e-9)
        self._thread.join(10.0)


@pytest.fixture
def following(cluster: FakeCluster, kubelets: Kubelets, tmp_path: Path) -> Iterator[Following]:
    started = Following(cluster, tmp_path, logs.Wanted(namespace="kube-system"), logs.Part(tail=10))
    yield started
    kubelets.close()
    started.end()


def test_what_comes_is_shown_in_order_after_what_was_there(following: Following, kubelets: Kubelets) -> None:
    following.until(lambda: len(following.lines) == 4)
    assert following.lines == ["first", "second", "third", "fourth"]
    # The later line arrives first.
    kubelets.write(AGENT, "cilium-agent", "2026-01-02T03:00:07Z", "level=info msg=sixth")
    kubelets.write(OTHER, "cilium-agent", "2026-01-02T03:00:06Z", "level=info msg=fifth")
    following.until(lambda: len(following.lines) == 6)
    assert following.lines[4:] == ["fifth", "sixth"]


def test_a_followed_log_that_is_cut_goes_on_without_a_repeat(following: Following, kubelets: Kubelets) -> None:
    kubelets.of(AGENT, "cilium-agent").cuts = [1]
    following.until(lambda: len(following.lines) >= 4)
    kubelets.write(AGENT, "cilium-agent", "2026-01-02T03:00:07Z", "level=info msg=sixth")
    following.until(lambda: "sixth" in following.lines)
    assert sorted(following.lines) == ["first", "fourth", "second", "sixth", "third"]


def test_a_pod_that_is_replaced_is_followed_in_its_successor(
    following: Following, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    following.until(lambda: len(following.lines) == 4)
    kube = following.kube
    successor = "cilium-ddddd"
    kubelets.write(successor, "cilium-agent", "2026-01-02T03:00:09Z", "level=info msg=reborn")
    cluster.add(objects.pod(successor, on="two"))

    assert kube.delete(PODS, OTHER, "kube-system")
    kubelets.end(OTHER, "cilium-agent")
    following.until(lambda: "reborn" in following.lines)
    said = [getattr(event, "text", "") for event in following.said]
    assert said == [
        f"pod `{OTHER}` is gone; looking for its successor",
        f"following `{successor}/cilium-agent` on two now",
    ]


def test_a_pod_that_ended_and_is_still_listed_is_read_once(
    following: Following, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    following.until(lambda: len(following.lines) == 4)
    found = cluster.get("pods", OPERATOR, "kube-system")
    assert found
    found["status"] = {"phase": "Failed", "reason": "Evicted"}
    kubelets.end(OPERATOR, "cilium-operator")
    successor = "cilium-operator-5d8b9485f-ddddd"
    kubelets.write(successor, "cilium-operator", "2026-01-02T03:00:09Z", '{"level":"info","msg":"next"}')
    cluster.add(objects.pod(successor, on="two"))
    following.until(lambda: "next" in following.lines)
    # The look that found the successor saw the one that ended, too.
    assert following.lines.count("fourth") == 1
    assert sum(seen.path.endswith(f"{OPERATOR}/log") for seen in cluster.seen) == 1

    # Another pod of the same name is another log.
    found["metadata"]["uid"] = "another"
    found["status"] = {"phase": "Running"}
    kubelets.of(OPERATOR, "cilium-operator").lines.clear()
    kubelets.of(OPERATOR, "cilium-operator").ended = False
    kubelets.write(OPERATOR, "cilium-operator", "2026-01-02T03:00:10Z", '{"level":"info","msg":"again"}')
    following.until(lambda: "again" in following.lines)


def test_a_log_that_fails_for_a_while_is_taken_up_again(
    following: Following, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    following.until(lambda: len(following.lines) == 4)
    cluster.faults.append(Fault(pattern=f"{OTHER}/log$", status=500, message="no route", times=2))
    kubelets.of(OTHER, "cilium-agent").cuts = [1]
    kubelets.end(OTHER, "cilium-agent")
    following.until(lambda: len(following.said) >= 1)
    assert [str(failure.source) for failure in following.follower.failures] == [f"{OTHER}/cilium-agent"]
    kubelets.of(OTHER, "cilium-agent").ended = False
    kubelets.write(OTHER, "cilium-agent", "2026-01-02T03:00:09Z", "level=info msg=back")
    following.until(lambda: "back" in following.lines)
    assert "no route" in getattr(following.said[0], "text", "")
    assert following.follower.failures == []


def test_a_log_that_its_node_does_not_know_for_a_while_is_taken_up_again(
    following: Following, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    following.until(lambda: len(following.lines) == 4)
    cluster.faults.append(Fault(pattern=f"{OTHER}/log$", status=404, message='nodes "two" not found', times=2))
    kubelets.of(OTHER, "cilium-agent").cuts = [1]
    kubelets.write(OTHER, "cilium-agent", "2026-01-02T03:00:09Z", "level=info msg=back")
    kubelets.end(OTHER, "cilium-agent")
    following.until(lambda: len(following.said) >= 1)
    kubelets.of(OTHER, "cilium-agent").ended = False
    kubelets.write(OTHER, "cilium-agent", "2026-01-02T03:00:10Z", "level=info msg=later")
    following.until(lambda: "later" in following.lines)
    assert sorted(following.lines) == sorted(set(following.lines)), "no line comes twice"


def test_following_a_named_pod_ends_with_it(cluster: FakeCluster, kubelets: Kubelets, tmp_path: Path) -> None:
    env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    kubelets.end(AGENT, "cilium-agent")
    found = cluster.get("pods", AGENT, "kube-system")
    assert found
    found["status"]["phase"] = "Succeeded"
    ran = run("logs", "--follow", "--pod", AGENT, env=env)
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 2


def test_who_may_not_read_logs_is_told_at_once(command: Command, kubelets: Kubelets, cluster: FakeCluster) -> None:
    cluster.faults.append(Fault(pattern="/log$", status=403, message="no"))
    ran = command("logs", "--follow")
    assert ran.code == 5
    assert kubelets.open == 0
