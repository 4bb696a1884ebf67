"""`ciliumctl capture` against an API server in this process: files, streams, filters, and what is made and taken away."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.docs.checker import violations
from tests.unit.capture.captures import frame, head, record
from tests.world import guests
from tests.world.captures import Tcpdump, captures
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call
from tests.world.objects import Object, namespace, node, pod
from tests.world.run import HERE, quiet_environ

WEB = head() + record(1, frame(b"one")) + record(30, frame(b"three"))
DB = head() + record(20, frame(b"two"))
FLOW = json.dumps({"flow": {"verdict": "FORWARDED"}, "time": "2023-11-14T22:13:20Z"})


def one(name: str, *, on: str = "one", address: str = "192.0.2.1") -> Object:
    made = pod(name, place="shop", on=on, host_network=False, labels={"app": name})
    made["status"]["podIPs"] = [{"ip": address}]
    made["status"]["containerStatuses"][0]["containerID"] = f"containerd://{name}0123456789"
    return made


@pytest.fixture
def tcpdump(cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tcpdump:
    """Two pods on two nodes, with packets; no tcpdump on this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    guests.shop(cluster)
    cluster.add(node("two"), one("web"), one("db", on="two", address="192.0.2.2"))
    for name, on in (("cilium-aaaaa", "one"), ("cilium-bbbbb", "two")):
        cluster.add(pod(name, on=on, labels={"k8s-app": "cilium"}))
    return captures(cluster, web=WEB, db=DB)


def test_a_pod_is_captured_byte_for_byte_and_the_guest_has_gone(
    cluster: FakeCluster, tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    ran = command("capture", "pod/shop/web", "tcp", "port", "80", "-w", "web.pcap", "-o", "json")
    assert ran.code == 0, ran.err
    path = tmp_path / "web.pcap"
    assert path.read_bytes() == WEB
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    schema = json.loads((HERE / "docs" / "reference" / "schemas" / "Capture.json").read_text(encoding="utf-8"))
    assert list(violations(ran.json, schema, schema)) == []
    (target,) = ran.json["data"]["targets"]
    assert (target["packets"], target["bytes"], target["received"], target["dropped"]) == (2, len(WEB), 7, 0)
    assert (target["method"], target["ended"], target["file"]) == ("pod", "duration", "web.pcap")
    assert "creates an ephemeral container in the pod, as root with NET_ADMIN and NET_RAW" in ran.err
    (begin,) = [words for words in tcpdump.works if words[1] == "begin"]
    assert begin[-2:] == ("--", "tcp port 80"), "the filter is one argument, and never an option"
    assert cluster.calls[-1].command[:2] == ("sh", "-c"), "the guest was told to end"
    assert [seen.path for seen in cluster.seen if seen.method == "DELETE"] == []


def test_flows_of_the_same_time_come_beside_the_packets(tcpdump: Tcpdump, command: Command, tmp_path: Path) -> None:
    tcpdump.flows = f"{FLOW}\n"
    ran = command("capture", "pod/web", "-n", "shop", "-w", "web.pcap")
    assert ran.code == 0, ran.err
    assert (tmp_path / "web.pcap.hubble.json").read_text() == f"{FLOW}\n"
    assert "flows: web.pcap.hubble.json (1)" in ran.out
    (asked,) = [words for words in tcpdump.works if "hubble" in words]
    assert asked[asked.index("--since") + 1] == "2023-11-14T22:13:19.000Z", "a second before the first packet"
    assert asked[-2:] == ("--pod", "shop/web")


def test_flows_that_are_missing_are_told_and_exit_7_only_when_they_were_asked_for(
    tcpdump: Tcpdump, command: Command
) -> None:
    ran = command("capture", "pod/shop/web", "-w", "a.pcap")
    assert (ran.code, "no flows: Hubble did not answer: connection refused" in ran.out) == (0, True)
    ran = command("capture", "pod/shop/web", "-w", "b.pcap", "--flows")
    assert ran.code == 7
    tcpdump.works.clear()
    assert command("capture", "pod/shop/web", "-w", "c.pcap", "--no-flows").code == 0
    assert not [words for words in tcpdump.works if "hubble" in words]


def test_several_targets_go_into_a_folder_or_by_time_into_one_file(
    tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    del tcpdump
    ran = command("capture", "pod/shop/web", "pod/shop/db", "-w", "all/")
    assert ran.code == 0, ran.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()} == {
        "pod_shop_web.pcap": WEB,
        "pod_shop_db.pcap": DB,
    }
    ran = command("capture", "pod/shop/web", "pod/shop/db", "--merge", "-w", "all.pcapng", "-o", "name")
    assert (ran.code, ran.out) == (0, "all.pcapng\n")
    merged = (tmp_path / "all.pcapng").read_bytes()
    assert merged.index(b"one") < merged.index(b"two") < merged.index(b"three")
    assert b"pod/shop/db on node two" in merged
    ran = command("capture", "pod/shop/web", "pod/shop/db", "-w", "one.pcap")
    assert (ran.code, "`--merge`" in ran.err) == (2, True)


def test_a_stream_has_packets_alone_on_standard_output(cluster: FakeCluster, tcpdump: Tcpdump, tmp_path: Path) -> None:
    del tcpdump
    environ = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    argv = [sys.executable, "-m", "ciliumctl", "capture", "-w", "-", "pod/shop/web"]
    ran = subprocess.run(argv, env=environ, capture_output=True, check=False, stdin=subprocess.DEVNULL, cwd=HERE)
    assert (ran.returncode, ran.stdout) == (0, WEB)
    assert b"pod/shop/web   one    pod   2" in ran.stderr
    ran = subprocess.run([*argv, "pod/shop/db"], env=environ, capture_output=True, check=True, cwd=HERE)
    assert ran.stdout[:4] == b"\x0a\x0d\x0d\x0a", "several targets are pcapng"
    assert ran.stdout.index(b"one") < ran.stdout.index(b"three")
    assert b"two" in ran.stdout, "in which place depends on when it comes: `test_merging` has the order"


def test_many_targets_are_streamed_at_the_same_time(cluster: FakeCluster, tcpdump: Tcpdump, tmp_path: Path) -> None:
    names = [f"web-{number}" for number in range(18)]
    for name in names:
        cluster.add(one(name))
        tcpdump.files[name] = head() + record(1, frame(name.encode()))
    tcpdump.meeting = threading.Barrier(len(names))
    environ = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    argv = [sys.executable, "-m", "ciliumctl", "capture", "-w", "-", *(f"pod/shop/{name}" for name in names)]
    ran = subprocess.run(argv, env=environ, capture_output=True, check=True, stdin=subprocess.DEVNULL, cwd=HERE)
    assert [name for name in names if frame(name.encode()) not in ran.stdout] == []


def test_a_reader_that_has_gone_had_enough(cluster: FakeCluster, tcpdump: Tcpdump, tmp_path: Path) -> None:
    del tcpdump
    environ = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    argv = [sys.executable, "-m", "ciliumctl", "capture", "-w", "-", "pod/shop/web"]
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run(argv, env=environ, stdout=writes, stderr=subprocess.PIPE, check=False, cwd=HERE)
    os.close(writes)
    assert ran.returncode == 0, ran.stderr
    assert b"reader gone" in ran.stderr
    assert b"BrokenPipe" not in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no `/dev/full`: run it on Linux")
def test_packets_that_cannot_be_written_are_exit_6(cluster: FakeCluster, tcpdump: Tcpdump, tmp_path: Path) -> None:
    del tcpdump
    environ = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    argv = [sys.executable, "-m", "ciliumctl", "capture", "-w", "-", "pod/shop/web"]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(argv, env=environ, stdout=full, stderr=subprocess.PIPE, check=False, cwd=HERE)
    assert ran.returncode == 6, ran.stderr
    assert b"the packets cannot be written: No space left on device" in ran.stderr
    assert cluster.calls[-1].command[:2] == ("sh", "-c"), "the guest was told to end"


def test_a_folder_that_cannot_be_made_is_exit_2_and_nothing_stays(
    cluster: FakeCluster, tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    def program(call: Call) -> Answer:
        # Something came to be there while packets were captured.
        (tmp_path / "all").touch()
        return tcpdump(call)

    cluster.program = program
    ran = command("capture", "pod/shop/web", "-w", "all/")
    assert ran.code == 2, ran.err
    assert "`all` cannot be written: File exists" in ran.err
    assert "Traceback" not in ran.err


def test_a_filter_is_refused_with_tcpdump_s_words_before_anything_is_captured(
    tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    tcpdump.refuses = "can't parse filter expression: syntax error"
    ran = command("capture", "pod/shop/web", "port 80 nonsense", "-w", "x.pcap", "-o", "json")
    assert ran.code == 2
    assert "does not take the filter `port 80 nonsense`: can't parse filter expression" in ran.json["error"]["message"]
    assert not (tmp_path / "x.pcap").exists()
    assert not [words for words in tcpdump.works if words[1] == "begin"]


def test_an_interface_that_is_not_there_is_exit_2(tcpdump: Tcpdump, command: Command) -> None:
    tcpdump.refuses = "eth9: No such device exists"
    ran = command("capture", "pod/shop/web", "-i", "eth9")
    assert (ran.code, "has no interface `eth9`" in ran.err) == (2, True)


def test_the_agent_captures_where_the_namespace_refuses_and_says_why(
    cluster: FakeCluster, tcpdump: Tcpdump, command: Command
) -> None:
    guests.refuses(cluster)
    tcpdump.files["cilium-aaaaa"] = WEB
    ran = command("capture", "pod/shop/web", "-w", "a.pcap", "-o", "json")
    assert ran.code == 0, ran.err
    (target,) = ran.json["data"]["targets"]
    assert (target["method"], target["interface"], target["makes"]) == ("agent", "lxc1234", "")
    assert "violates PodSecurity" in target["passed_over"][0]
    assert {words[1] for words in tcpdump.works} >= {"end", "forget"}, "nothing stays in the agent"


def test_a_pod_on_the_node_is_the_last_way_and_is_deleted(
    cluster: FakeCluster, tcpdump: Tcpdump, command: Command
) -> None:
    guests.refuses(cluster)
    tcpdump.agents = False
    ran = command("capture", "pod/shop/web", "-w", "a.pcap", "-o", "json")
    assert ran.code == 0, ran.err
    (target,) = ran.json["data"]["targets"]
    assert (target["method"], len(target["passed_over"])) == ("node", 2)
    (begin,) = [words for words in tcpdump.works if words[1] == "begin"]
    assert begin[4:8] == ("nsenter", "-t", "4711", "-n")
    made = [seen.path for seen in cluster.seen if seen.method == "POST" and "dryRun" not in seen.query]
    gone = [seen.path for seen in cluster.seen if seen.method == "DELETE"]
    assert (len(made), len(gone)) == (1, 1)


def test_a_dry_run_makes_nothing(cluster: FakeCluster, tcpdump: Tcpdump, command: Command) -> None:
    del tcpdump
    ran = command("capture", "pod/shop/web", "--dry-run")
    assert ran.code == 0, ran.err
    assert "an ephemeral container in the pod" in ran.out
    assert all("dryRun" in seen.query for seen in cluster.seen if seen.method != "GET")


def test_a_connection_that_is_cut_while_it_is_read_loses_nothing(
    tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    tcpdump.cuts = 2
    ran = command("capture", "pod/shop/web", "-w", "web.pcap")
    assert ran.code == 0, ran.err
    assert (tmp_path / "web.pcap").read_bytes() == WEB


def test_an_api_server_that_starts_again_is_waited_for(tcpdump: Tcpdump, command: Command, tmp_path: Path) -> None:
    tcpdump.down, tcpdump.cuts = 5, 1
    ran = command("capture", "pod/shop/web", "-w", "web.pcap")
    assert ran.code == 0, ran.err
    assert (tmp_path / "web.pcap").read_bytes() == WEB


def test_a_capture_whose_end_was_not_seen_is_read(tcpdump: Tcpdump, command: Command, tmp_path: Path) -> None:
    tcpdump.blind = True
    ran = command("capture", "pod/shop/web", "-w", "web.pcap", "-o", "json")
    assert ran.code == 7, ran.err
    (target,) = ran.json["data"]["targets"]
    assert (target["packets"], target["ended"]) == (2, "lost")
    assert target["reason"].startswith("its end was not seen: ")
    assert (tmp_path / "web.pcap").read_bytes() == WEB


def test_packets_that_could_not_be_read_stay_where_they_are(
    cluster: FakeCluster, tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    def program(call: Call) -> Answer:
        # Something came to be there while packets were captured.
        if "watch" in call.command:
            (tmp_path / "web.pcap").touch()
        return tcpdump(call)

    cluster.program = program
    ran = command("capture", "pod/shop/web", "-w", "web.pcap")
    assert ran.code == 3, ran.err
    assert "the packets of pod/shop/web are kept for ten minutes: `/tmp/ciliumctl-capture-" in ran.err
    assert "hint: `kubectl exec -n shop web -c ciliumctl-capture" in ran.err
    assert tcpdump.works[-1][1] != "forget"
    assert "ciliumctl-capture" in cluster.calls[-1].command, "the guest was not told to end"


def test_pods_for_nodes_are_made_where_cilium_is(cluster: FakeCluster, tcpdump: Tcpdump, command: Command) -> None:
    del tcpdump
    cluster.add(namespace("network"))
    ran = command("capture", "pod/web", "-n", "shop", "--where", "node", "--dry-run", CILIUMCTL_NAMESPACE="network")
    assert ran.code == 0, ran.err
    assert "a pod in namespace `network` on node `one`" in ran.out
    ran = command("-n", "network", "capture", "pod/shop/web", "--where", "node", "--dry-run")
    assert "a pod in namespace `network` on node `one`" in ran.out


def test_one_target_that_fails_does_not_stop_the_other(tcpdump: Tcpdump, command: Command, tmp_path: Path) -> None:
    tcpdump.broken = ("db",)
    ran = command("capture", "pod/shop/web", "pod/shop/db", "-w", "all/", "-o", "json")
    assert ran.code == 7, ran.err
    assert [target["reason"] for target in ran.json["data"]["targets"]] == [
        "",
        "tcpdump does not begin for pod `shop/db`: eth0: That device is not up",
    ]
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["pod_shop_web.pcap"]


def test_dropped_packets_are_told(tcpdump: Tcpdump, command: Command) -> None:
    tcpdump.dropped = 3
    ran = command("capture", "pod/shop/web", "-w", "web.pcap")
    assert "3 packets were dropped" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no target is named"),
        (("tcp", "port", "80"), "`tcp` is no target"),
        (("pod/a/b/c",), "`pod/a/b/c` is no target"),
        (("node/a/b",), "a node has no namespace"),
        (("pod/shop/web", "--duration", "25h"), "from 1 s to 24 h"),
        (("pod/shop/web", "--duration", "0s"), "from 1 s to 24 h"),
        (("pod/shop/web", "--size", "0"), "too small"),
        (("pod/shop/web", "--timeout", "5s"), "`--timeout` ends it after 5 s"),
        (("pod/shop/web", "-w", "-", "-o", "json"), "both want standard output"),
        (("pod/shop/web", "-w", "-", "--flows"), "no place in a stream"),
        (("pod/shop/web", "-w", "no/such/folder.pcap"), "does not exist"),
        (("node/one", "--where", "pod"), "has no containers"),
    ],
)
def test_what_makes_no_sense_is_exit_2(
    tcpdump: Tcpdump, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    del tcpdump
    ran = command("capture", "run", *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_a_file_that_is_there_is_exit_3_and_a_pod_that_is_not_5(
    tcpdump: Tcpdump, command: Command, tmp_path: Path
) -> None:
    del tcpdump
    (tmp_path / "web.pcap").write_text("mine")
    assert command("capture", "pod/shop/web", "-w", "web.pcap").code == 3
    assert (tmp_path / "web.pcap").read_text() == "mine"
    ran = command("capture", "pod/shop/nobody")
    assert (ran.code, "there is no pod `nobody`" in ran.err) == (5, True)


def test_the_size_ends_a_file_after_a_whole_packet(tcpdump: Tcpdump, command: Command, tmp_path: Path) -> None:
    big = b"".join(record(number, bytes(200_000)) for number in range(8))
    tcpdump.files["web"] = head() + big
    ran = command("capture", "pod/shop/web", "-w", "web.pcap", "--size", "1M", "-o", "json")
    (target,) = ran.json["data"]["targets"]
    assert (target["ended"], target["packets"]) == ("size", 5)
    assert (tmp_path / "web.pcap").stat().st_size == target["bytes"] == 24 + 5 * 200_016
