"""Packets on real nodes: counted against what was sent, equal to what tcpdump wrote, and nothing left behind."""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.clients.kube import NAMESPACES, PODS, dig, name_of
from ciliumctl.errors import NotFound
from ciliumctl.guests import LABEL
from ciliumctl.wait import Deadline, poll
from tests.cluster.images import PROBE
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE, TWO

#: Of this run alone: one that was killed leaves its own.
PLACE = f"e2e-capture-{secrets.token_hex(3)}"
IMAGE = ("--image", PROBE)


@pytest.fixture(scope="module")
def pods(cluster: Nodes) -> Iterator[Nodes]:
    """A pod on each node, and a second one on the first."""
    kube = cluster.cluster.kube
    kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    for name, node in (("web", ONE), ("near", ONE), ("far", TWO)):
        container = {"name": "main", "image": PROBE, "command": ["sleep", "3600"]}
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
        kube.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, PLACE)

    def run() -> bool:
        return all(dig(kube.get(PODS, name, PLACE), "status", "phase") == "Running" for name in ("web", "near", "far"))

    assert poll(run, bool, deadline=Deadline.after(60), interval=0.3)
    yield cluster
    kube.delete(NAMESPACES, PLACE)


def address(nodes: Nodes, name: str) -> str:
    return dig(nodes.cluster.kube.get(PODS, name, PLACE), "status", "podIP", default="")


def inside(nodes: Nodes, name: str, *command: str) -> str:
    ran = nodes.cluster.kube.exec(PLACE, name, command, container="main")
    assert ran.code == 0, ran.stderr
    return ran.text


def ping(nodes: Nodes, count: int = 20) -> None:
    """So many echo requests from `web` to `far`, and as many replies."""
    said = inside(nodes, "web", "ping", "-c", str(count), "-i", "0.02", "-s", "100", address(nodes, "far"))
    assert f"{count} packets transmitted, {count} received" in said


class Running:
    """A capture that has begun."""

    def __init__(self, nodes: Nodes, folder: Path, *arguments: str) -> None:
        self._err = folder / "err"
        self._out = folder / "out"
        with self._err.open("wb") as err, self._out.open("wb") as out:
            argv = nodes.argv("capture", *arguments)
            self.process = subprocess.Popen(
                argv, env=nodes.environ, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=folder
            )
        begun = poll(
            lambda: "Capturing" in self.err or self.process.poll() is not None,
            bool,
            deadline=Deadline.after(60),
            interval=0.1,
        )
        assert begun, self.err
        assert self.process.poll() is None, self.err

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def out(self) -> bytes:
        return self._out.read_bytes()

    def end(self, *, code: int = 0) -> None:
        assert self.process.wait(60) == code, self.err


def told(path: Path) -> list[str]:
    """What tcpdump reads in a file, a line a packet."""
    argv = ["tcpdump", "-nn", "-tt", "--time-stamp-precision=nano", "-r", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("way", ["pod", "agent", "node"])
def test_each_way_sees_every_packet_that_was_sent_and_no_other(pods: Nodes, tmp_path: Path, way: str) -> None:
    words = ("icmp and host", address(pods, "far"))
    running = Running(
        pods, tmp_path, f"pod/{PLACE}/web", *words, "--where", way, "-c", "40", "-w", "a.pcap", "--no-flows", *IMAGE
    )
    ping(pods)
    running.end()
    assert re.search(rf"pod/{PLACE}/web\s+{ONE}\s+{way}\s+40\s+0\s+packets", running.out.decode()), running.out
    lines = told(tmp_path / "a.pcap")
    assert len(lines) == 40
    assert sum("echo request" in line for line in lines) == sum("echo reply" in line for line in lines) == 20
    assert {len(line.split()[0].partition(".")[2]) for line in lines} == {9}, "nanoseconds"
    assert not [name_of(pod) for pod in pods.cluster.kube.objects(PODS, labels=f"{LABEL}=capture")]
    agents = pods.cluster.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")
    for agent in agents:
        ran = pods.cluster.kube.exec("kube-system", name_of(agent), ["ls", "/tmp"], container="cilium-agent")  # noqa: S108 - in the agent
        assert "ciliumctl-capture" not in ran.text


def test_two_pods_on_two_nodes_are_in_one_file_by_time(pods: Nodes, tmp_path: Path) -> None:
    targets = (f"pod/{PLACE}/web", f"pod/{PLACE}/far")
    running = Running(pods, tmp_path, *targets, "icmp", "-c", "40", "--merge", "-w", "both.pcapng", *IMAGE)
    ping(pods)
    running.end()
    lines = told(tmp_path / "both.pcapng")
    times = [line.split()[0] for line in lines]
    assert len(lines) == 80
    assert times == sorted(times)


def test_a_stream_is_whole_when_it_is_interrupted_and_what_was_captured_is_kept(pods: Nodes, tmp_path: Path) -> None:
    running = Running(pods, tmp_path, f"pod/{PLACE}/web", "icmp", "-w", "-", *IMAGE)
    # The stream begins when tcpdump listens: its header has come.
    assert poll(lambda: len(running.out) >= 24, bool, deadline=Deadline.after(20), interval=0.1)
    ping(pods)
    assert poll(lambda: len(running.out) > 40 * 142, bool, deadline=Deadline.after(20), interval=0.1)
    running.process.send_signal(signal.SIGINT)
    running.end(code=130)
    (tmp_path / "stream.pcap").write_bytes(running.out)
    assert len(told(tmp_path / "stream.pcap")) == 40


def test_a_file_is_kept_when_its_capture_is_interrupted(pods: Nodes, tmp_path: Path) -> None:
    running = Running(pods, tmp_path, f"pod/{PLACE}/web", "icmp", "-w", "kept.pcap", "--no-flows", *IMAGE)
    ping(pods)
    running.process.send_signal(signal.SIGINT)
    running.end(code=130)
    assert len(told(tmp_path / "kept.pcap")) == 40


def test_a_filter_is_refused_by_the_tcpdump_that_would_capture(pods: Nodes, tmp_path: Path) -> None:
    # Without this machine's own.
    ran = pods.run(
        "capture", f"pod/{PLACE}/web", "port 80 nonsense", "-w", str(tmp_path / "no.pcap"), *IMAGE, PATH=str(tmp_path)
    )
    assert ran.code == 2
    assert "can't parse filter expression: syntax error" in ran.err
    assert list(tmp_path.iterdir()) == []


def links(nodes: Nodes) -> str:
    """Links, queues and filters of both nodes and of the pods; without the cables of pods that come and go meanwhile."""
    look = (
        "ip -o link | grep -v ': veth'; tc qdisc show | grep -v ' veth'; "
        "for d in $(ip -br link | sed 's/[@ ].*//'); do tc filter show dev $d ingress 2>&1; done; true"
    )
    found = [nodes.cluster.inside(node, "sh", "-c", look) for node in (ONE, TWO)]
    found += [
        inside(nodes, name, "sh", "-c", f"{look}; tc filter show dev eth0 egress 2>&1; true") for name in ("web", "far")
    ]
    return "\n".join(str(one) for one in found)


@pytest.mark.parametrize("target", [f"pod/{PLACE}/far", f"node/{TWO}", f"pod/{PLACE}/near"])
def test_a_mirror_is_seen_at_its_target_and_removed_without_a_trace(pods: Nodes, tmp_path: Path, target: str) -> None:
    before = links(pods)
    made = pods.run("capture", "mirror", f"pod/{PLACE}/web", target, "--ttl", "5m", *IMAGE, "-o", "json", "--yes")
    assert made.code == 0, made.err
    interface = made.json["data"]["interface"]
    running = Running(pods, tmp_path, target, "icmp", "-i", interface, "-c", "40", "-w", "m.pcap", "--no-flows", *IMAGE)
    ping(pods)
    running.end()
    lines = told(tmp_path / "m.pcap")
    assert sum("echo request" in line for line in lines) == sum("echo reply" in line for line in lines) == 20
    name = made.json["data"]["name"]
    assert pods.run("capture", "mirrors", "-o", "name").out == f"mirror/{name}\n"
    ended = pods.run("capture", "unmirror", name)
    assert (ended.code, ended.out) == (0, f"ended: {name} (pod/{PLACE}/web to {target})\n")
    assert links(pods) == before
    assert pods.run("capture", "mirrors").out == "there is no mirror\n"


def test_two_pods_that_are_mirrored_to_each_other_do_not_feed_themselves(pods: Nodes, tmp_path: Path) -> None:
    before = links(pods)
    web, far = f"pod/{PLACE}/web", f"pod/{PLACE}/far"
    first = pods.run("capture", "mirror", web, far, *IMAGE, "--ttl", "5m", "-o", "json", "--yes")
    second = pods.run("capture", "mirror", far, web, *IMAGE, "--ttl", "5m", "-o", "json", "--yes")
    assert (first.code, second.code) == (0, 0), (first.err, second.err)
    interface = first.json["data"]["interface"]
    running = Running(
        pods, tmp_path, far, "icmp", "-i", interface, "-w", "m.pcap", "--duration", "4s", "--no-flows", *IMAGE
    )
    ping(pods)
    running.end()
    assert len(told(tmp_path / "m.pcap")) == 40
    # As `debug cleanup` does it: the pods are deleted, and their scripts undo.
    for pod in list(pods.cluster.kube.objects(PODS, labels=f"{LABEL}=mirror")):
        pods.cluster.kube.delete(PODS, name_of(pod), dig(pod, "metadata", "namespace", default=""))
    assert poll(lambda: links(pods) == before, bool, deadline=Deadline.after(30), interval=0.5), links(pods)


def test_a_mirror_ends_by_itself_when_its_time_is_up(pods: Nodes) -> None:
    before = links(pods)
    began = time.monotonic()
    assert pods.run("capture", "mirror", f"pod/{PLACE}/web", f"node/{TWO}", "--ttl", "8s", *IMAGE, "--yes").code == 0
    assert poll(lambda: links(pods) == before, bool, deadline=Deadline.after(30), interval=0.5), links(pods)
    assert time.monotonic() - began < 60


def test_a_pod_that_is_not_there_is_exit_5(pods: Nodes) -> None:
    ran = pods.run("capture", f"pod/{PLACE}/nobody")
    assert ran.code == 5
    with pytest.raises(NotFound):
        pods.cluster.kube.get(PODS, "nobody", PLACE)
