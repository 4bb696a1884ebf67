"""`ciliumctl connectivity perf` against an API server in this process, whose pods say what they are told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ciliumctl.connectivity.perf import bed
from tests.conftest import Command
from tests.docs.checker import violations
from tests.docs.test_schemas import schema
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault, Object
from tests.world.devices import device
from tests.world.execs import Answer, Call
from tests.world.pods import PodCluster, pod_cluster
from tests.world.run import Ran, quiet_environ, run

GBIT = {"client": 9.0, "host-client": 10.0}
_BOTH = ("203.0.113.0/24", "2001:db8:1::/64")
Perf = Callable[..., Ran]


def node(name: str, number: int, *ranges: str) -> Object:
    made = objects.node(name, address=f"192.0.2.{number}")
    made["spec"]["podCIDRs"] = list(ranges or _BOTH)
    if len(ranges or _BOTH) > 1:
        made["status"]["addresses"].append({"type": "InternalIP", "address": f"2001:db8::{number}"})
    return made


def iperf3(gbit: float) -> str:
    end = {"sum_sent": {"retransmits": 7}, "sum_received": {"bits_per_second": gbit * 1e9}}
    return json.dumps({"end": end})


def prober(pod: str) -> str:
    micros = 100 if pod == "client" else 80
    return json.dumps({"count": 40_000, "seconds": 4, "max": 9e6, "histogram": [[micros * 1000, 40_000]]})


def good(call: Call) -> Answer:
    assert call.command[:2] == ("timeout", "19")
    return Answer(stdout=iperf3(GBIT[call.pod]) if call.command[2] == "iperf3" else prober(call.pod))


@pytest.fixture
def world() -> Iterator[PodCluster]:
    with pod_cluster(good) as cluster:
        cluster.add(node("one", 1), node("two", 2))
        yield cluster


@pytest.fixture
def perf(world: PodCluster, tmp_path: Path) -> Perf:
    kubeconfig = world.kubeconfig(tmp_path)

    def call(*arguments: str, **more: str) -> Ran:
        return run("connectivity", "perf", *arguments, env=quiet_environ(tmp_path, KUBECONFIG=str(kubeconfig), **more))

    return call


def left(world: PodCluster) -> list[str]:
    return [one["metadata"]["name"] for plural in ("namespaces", "pods") for one in world.all(plural)]


TABLE = """\
TCP THROUGHPUT            ARRIVES                          OF HOST TO HOST   RETRANSMITS
pods, same node    IPv4   9.00 Gbit/s   ██████████████     90 %              7
pods, same node    IPv6   9.00 Gbit/s   ██████████████     90 %              7
pods, other node   IPv4   9.00 Gbit/s   ██████████████     90 %              7
pods, other node   IPv6   9.00 Gbit/s   ██████████████     90 %              7
host to host       IPv4   10.0 Gbit/s   ████████████████                     7
host to host       IPv6   10.0 Gbit/s   ████████████████                     7

TCP LATENCY               REQUESTS                         OF HOST TO HOST   P50      P90      P99      MAX
pods, same node    IPv4   10000 req/s   ████████████████   100 %             100 µs   100 µs   100 µs   9000 µs
pods, same node    IPv6   10000 req/s   ████████████████   100 %             100 µs   100 µs   100 µs   9000 µs
pods, other node   IPv4   10000 req/s   ████████████████   100 %             100 µs   100 µs   100 µs   9000 µs
pods, other node   IPv6   10000 req/s   ████████████████   100 %             100 µs   100 µs   100 µs   9000 µs
host to host       IPv4   10000 req/s   ████████████████                     80 µs    80 µs    80 µs    9000 µs
host to host       IPv6   10000 req/s   ████████████████                     80 µs    80 µs    80 µs    9000 µs

pod to pod on the other node over IPv4: 90 % of the throughput and 100 % of the request rate of host to host
pod to pod on the other node over IPv6: 90 % of the throughput and 100 % of the request rate of host to host
the network was measured: 12 measured, 0 failed, 0 skipped
one to two of prod, one connection, 4 s each; setup 0 s, measuring 0 s, cleanup 0 s
"""


def test_a_table_with_bars_says_what_was_measured(world: PodCluster, perf: Perf) -> None:
    ran = perf()
    assert ran.code == 0, ran.err
    # The pods are not there at once on a busy machine.
    assert re.sub(r"(setup|measuring|cleanup) \d+ s", r"\1 0 s", ran.out) == TABLE
    assert "✔ TCP throughput pod to pod on the other node, IPv6: 9.00 Gbit/s" in ran.err
    assert "✔ TCP latency host to host, IPv4: 10000 req/s, p50 80 µs, p99 80 µs" in ran.err
    assert left(world) == []


def test_bars_are_ascii_where_the_stream_has_nothing_else(world: PodCluster, tmp_path: Path) -> None:
    from tests.world.run import run_process

    env = quiet_environ(tmp_path, KUBECONFIG=str(world.kubeconfig(tmp_path)), PYTHONIOENCODING="ascii")
    ran = run_process("connectivity", "perf", "--single-node", env=env)
    assert ran.code == 0, ran.err
    assert "pods, same node   IPv4   9.00 Gbit/s   ################ " in ran.out
    assert "100 us" in ran.out
    assert "?" not in ran.out


def test_everything_is_asked_of_the_right_pod_once(world: PodCluster, perf: Perf) -> None:
    assert perf("--duration", "4s", "--streams", "3").code == 0
    asked = [(one.pod, list(one.command)) for one in world.calls]
    assert len(asked) == 12
    pods = {one["metadata"]["name"]: one for one in made(world, "pods")}
    assert set(pods) == {"client", "near", "far", "host-client", "host-far"}
    pod, command = asked[5]
    assert pod == "host-client"
    assert command == [
        *("timeout", "19", "iperf3", "--json", "--client", "2001:db8::2", "--port", "38201"),
        *("--connect-timeout", "5000", "--time", "4", "--parallel", "3", "--interval", "0"),
    ]
    pod, command = asked[6]
    assert (pod, command[2:5]) == ("client", list(bed.PROBER))
    assert command[5:] == ["ask", "203.0.113.4", "38202", "4"]
    assert len(" ".join(command)) < 200


def made(world: FakeCluster, plural: str) -> list[Object]:
    return [seen.body for seen in world.seen if seen.method == "POST" and seen.path.endswith(f"/{plural}")]


def test_namespaces_are_marked_for_the_cleanup_and_have_their_level(world: PodCluster, perf: Perf) -> None:
    assert perf().code == 0
    (first, hosts) = [one["metadata"] for one in made(world, "namespaces")]
    for metadata in (first, hosts):
        assert metadata["labels"]["ciliumctl.io/connectivity"]
        assert metadata["annotations"]["ciliumctl.io/expires"]
    level = "pod-security.kubernetes.io/enforce"
    assert (first["labels"][level], hosts["labels"][level]) == ("restricted", "privileged")


def test_json_says_the_same_and_fits_its_schema(perf: Perf, tmp_path: Path) -> None:
    report = tmp_path / "run.json"
    ran = perf("-o", "json", "--report", f"json={report}")
    assert ran.code == 0, ran.err
    wanted = schema("ConnectivityPerf")
    assert list(violations(ran.json, wanted, wanted)) == []
    data = ran.json["data"]
    assert json.loads(report.read_text())["data"]["measurements"] == data["measurements"]
    found = {one["name"]: one for one in data["measurements"]}
    assert found["throughput-other-node-ipv4"]["throughput"] == {"bits_per_second": 9e9, "retransmits": 7}
    assert found["throughput-other-node-ipv4"]["of_host"] == 90
    assert found["latency-host-to-host-ipv6"]["latency"]["p99"] == 80
    assert data["comparison"] is None


def slower(call: Call) -> Answer:
    throttled = call.command[2] == "iperf3" and "203.0.113.3" in call.command
    return Answer(stdout=iperf3(0.1)) if throttled else good(call)


def test_a_lost_report_is_told_beside_the_result_and_exits_7(world: PodCluster, perf: Perf, tmp_path: Path) -> None:
    second, full = tmp_path / "second.json", device(tmp_path, "full")
    reports = ("--report", f"junit={full}", "--report", f"json={second}")
    ran = perf("--single-node", *reports)
    assert ran.code == 7, ran.err
    assert "9.00 Gbit/s" in ran.out
    assert f"a report could not be written: `{full}` (No space left on device)" in ran.err
    assert json.loads(second.read_text())["ok"] is True
    ran = perf("--single-node", *reports, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert ran.json["data"]["measurements"]
    assert left(world) == []


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_made(world: PodCluster, perf: Perf) -> None:
    ran = perf("--report", "junit=/dev/null/x.xml")
    assert ran.code == 2
    assert "`/dev/null/x.xml` cannot be written: Not a directory" in ran.err
    assert world.seen == []


def test_what_is_worse_than_the_base_is_named_and_exits_1(world: PodCluster, perf: Perf, tmp_path: Path) -> None:
    base, junit = tmp_path / "base.json", tmp_path / "j.xml"
    base.write_text(perf("-o", "json").out)
    assert perf("--compare", str(base), "--fail-below", "100").code == 0
    world.program = slower
    assert perf("--compare", str(base), "-o", "name").code == 0
    ran = perf("--compare", str(base), "--fail-below", "90%", "--report", f"junit={junit}")
    assert ran.code == 1
    assert "✗    throughput-other-node-ipv4     throughput     9.00 Gbit/s   100 Mbit/s    1 %\n" in ran.out
    assert "✔    throughput-other-node-ipv6     throughput     9.00 Gbit/s   9.00 Gbit/s   100 %\n" in ran.out
    assert f"✗ 1 of 24 figures is below 90 % of {base}" in ran.out
    assert "the network is slower than it was" in ran.out
    assert perf("--compare", str(base), "--fail-below", "90", "-o", "name").out == "throughput-other-node-ipv4\n"
    root = ET.parse(junit).getroot()  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("12", "1")
    found = perf("--compare", str(base), "--fail-below", "90", "-o", "json").json
    assert found["ok"] is False
    assert [one["measurement"] for one in found["data"]["comparison"]["figures"] if one["below"]] == [
        "throughput-other-node-ipv4"
    ]
    wanted = schema("ConnectivityPerf")
    assert list(violations(found, wanted, wanted)) == []


def test_what_the_base_has_and_cannot_be_measured_now_exits_1(world: PodCluster, perf: Perf, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text(perf("-o", "json").out)
    limit = ("--compare", str(base), "--fail-below", "90%")
    assert perf(*limit, "--single-node").code == 0
    assert perf(*limit, "--ip-families", "ipv4").code == 0
    pattern = "POST /api/v1/namespaces/[^/]*-host/pods$"
    world.faults.append(Fault(pattern=pattern, status=403, message="hostNetwork is not allowed"))
    assert perf("--compare", str(base)).code == 0
    ran = perf(*limit)
    assert ran.code == 1, ran.err
    names = [f"{what}-host-to-host-ipv{family}" for what in ("throughput", "latency") for family in (4, 6)]
    assert f"✗ 4 measurements of {base} could not be made now: {', '.join(names)}\n" in ran.out
    assert "• not measured now" not in ran.out
    assert f"✔ all 16 figures that both have are at least 90 % of {base}\n" in ran.out
    assert "the network cannot be held against what it was: 8 measured, 0 failed, 4 skipped\n" in ran.out
    assert perf(*limit, "-o", "name").out.split() == names


def test_a_measurement_that_fails_is_told_and_the_others_go_on(world: PodCluster, perf: Perf, tmp_path: Path) -> None:
    def program(call: Call) -> Answer:
        if "203.0.113.3" in call.command:
            return Answer(stdout=json.dumps({"error": "no answer within 5 s"}), code=1)
        if "2001:db8:1::3" in call.command:
            return Answer(stdout="what", code=1, stderr="first\nlast words\n")
        if "192.0.2.2" in call.command:
            return Answer(stdout="", code=124)
        return good(call)

    world.program = program
    junit = tmp_path / "j.xml"
    ran = perf("--report", f"junit={junit}")
    assert ran.code == 1, ran.err
    where = "pod to pod on the other node"
    assert f"✗ TCP throughput {where}, IPv4, from one to 203.0.113.3 on two: no answer within 5 s\n" in ran.out
    assert (
        f"✗ TCP latency {where}, IPv6, from one to 2001:db8:1::3 on two: python3 ended with exit code 1: last words\n"
        in ran.out
    )
    assert (
        "✗ TCP throughput host to host, IPv4, from one to 192.0.2.2 on two: iperf3 did not come to its end within 19 s\n"
        in ran.out
    )
    assert "not everything could be measured: 6 measured, 6 failed, 0 skipped" in ran.out
    assert ET.parse(junit).getroot().get("errors") == "6"  # noqa: S314 - our own
    assert left(world) == []


def test_a_server_that_is_still_busy_is_asked_again(world: PodCluster, perf: Perf) -> None:
    busy = json.dumps({"error": "the server is busy running a test. try again later"})

    def program(call: Call) -> Answer:
        return Answer(stdout=busy) if len(world.calls) == 1 else good(call)

    world.program = program
    assert perf("--single-node", "--ip-families", "ipv4").code == 0
    assert len(world.calls) == 3


def test_a_program_that_the_image_lacks_ends_the_run(world: PodCluster, perf: Perf) -> None:
    world.program = lambda _call: Answer(code=127, stderr="timeout: failed to run command 'iperf3'")
    ran = perf("--image", "tools=mine:1")
    assert ran.code == 6
    assert "there is no `iperf3` in the image `mine:1`" in ran.err
    assert "`--image tools=REF`" in ran.err
    assert len(world.calls) == 1
    assert left(world) == []


def test_a_user_who_may_not_make_namespaces_is_told(world: PodCluster, perf: Perf) -> None:
    world.faults.append(Fault(pattern="POST /api/v1/namespaces$", status=403, message="no", times=1))
    ran = perf()
    assert ran.code == 5, ran.err
    assert world.calls == []
    assert left(world) == []


def test_without_pods_in_the_hosts_network_there_is_no_baseline(world: PodCluster, perf: Perf) -> None:
    pattern = "POST /api/v1/namespaces/[^/]*-host/pods$"
    world.faults.append(Fault(pattern=pattern, status=403, message="hostNetwork is not allowed"))
    ran = perf()
    assert ran.code == 0, ran.err
    assert "host to host is not measured, so there is no baseline" in ran.err
    assert "• skipped: pods in the host's network are not allowed here: throughput-host-to-host-ipv4" in ran.out
    assert "8 measured, 0 failed, 4 skipped" in ran.out
    assert "of host to host\n" not in ran.out
    assert left(world) == []


def test_one_node_without_ipv6_is_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    with pod_cluster(good) as world:
        world.add(node("one", 1, "203.0.113.0/24"))
        env = quiet_environ(tmp_path, KUBECONFIG=str(world.kubeconfig(tmp_path)))
        ran = run("connectivity", "perf", env=env)
    assert ran.code == 0, ran.err
    assert "2 measured, 0 failed, 10 skipped" in ran.out
    assert "• skipped: pods have no IPv6 address: throughput-same-node-ipv6, latency-same-node-ipv6\n" in ran.out
    assert "• skipped: there is only one node for it: throughput-other-node-ipv4, " in ran.out


def test_a_deadline_that_is_too_short_exits_4_with_what_there_is(world: PodCluster, perf: Perf) -> None:
    ran = perf("--timeout", "3s", "-o", "json")
    assert ran.code == 4, ran.err
    assert ran.json["error"]["code"] == "timeout"
    assert {one["reason"] for one in ran.json["data"]["measurements"]} == {"the time was up before it began"}
    assert left(world) == []


def test_a_lost_report_changes_nothing_where_the_time_was_up(world: PodCluster, perf: Perf, tmp_path: Path) -> None:
    full = device(tmp_path, "full")
    ran = perf("--timeout", "3s", "-o", "json", "--report", f"junit={full}")
    assert ran.code == 4, ran.err
    assert ran.json["error"]["code"] == "timeout"
    assert f"`{full}` (No space left on device)" in ran.err
    assert left(world) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fail-below", "90%"), "`--fail-below` needs something to compare with"),
        (("--fail-below", "90%%", "--compare", "x"), "`--fail-below 90%%` is no share of the base"),
        (("--compare", "/none.json"), "`/none.json` cannot be read"),
        (("--compare", str(Path(__file__))), "is no JSON"),
        (("--duration", "1.5s"), "`--duration` cannot be 1.5 s"),
        (("--duration", "0"), "`--duration` cannot be 0 s"),
        (("--duration", "10m"), "`--duration` cannot be 600 s"),
        (("--streams", "0"), "0"),
        (("--image", "other=x"), "no test uses an image `other`"),
        (("--ip-families", "ipv5"), "`ipv5` is no family of addresses"),
        (("--report", "html=x"), "`--report html=x` is not a report"),
        (("-o", "wide"), "this command has no `-o wide` output"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_made(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], words: str
) -> None:
    ran = command("connectivity", "perf", *arguments)
    assert ran.code == 2, ran.err
    assert words in ran.err
    assert cluster.seen == []


def test_simulated_nodes_are_refused_and_reports_are_written(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    from ciliumctl.lab.nodes import ANNOTATION

    cluster.add(objects.node("one", annotations={ANNOTATION: "fake"}))
    report = tmp_path / "run.json"
    ran = command("connectivity", "perf", "--report", f"json={report}")
    assert ran.code == 3, ran.err
    assert "the nodes are simulated: nothing runs there, and no traffic flows" in ran.err
    written = json.loads(report.read_text())
    assert (written["kind"], written["ok"], written["error"]["code"]) == ("ConnectivityPerf", False, "refused")
