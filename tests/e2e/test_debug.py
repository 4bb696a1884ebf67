"""Shells beside pods, on nodes and in agents of real ones: terminals, pipes, exit codes, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from ciliumctl import guests
from ciliumctl.clients.kube import NAMESPACES, PODS, Manifest, dig
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll
from tests.cluster.images import PROBE
from tests.e2e.conftest import Nodes
from tests.e2e.faults import ONE
from tests.world.terminal import Terminal

_SILENT = Reporter(lambda _event: None)
_WHO = "python3 -c 'import os; print(\"size\", *os.get_terminal_size())'\r"
_LIMITED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def place(cluster: Nodes) -> Iterator[str]:
    """A namespace with the pod `web` in it."""
    yield from _namespace(cluster, {})


@pytest.fixture(scope="module")
def restricted(cluster: Nodes) -> Iterator[str]:
    """One that enforces the strictest level."""
    yield from _namespace(cluster, {"pod-security.kubernetes.io/enforce": "restricted"})


def _namespace(nodes: Nodes, labels: dict[str, str]) -> Iterator[str]:
    kube, name = nodes.cluster.kube, f"debug-{secrets.token_hex(3)}"
    metadata = {"name": name, "labels": labels}
    kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    container = {"name": "main", "image": PROBE, "args": ["netexec"], "securityContext": _LIMITED}
    spec = {"nodeName": ONE, "terminationGracePeriodSeconds": 0, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    try:
        poll(lambda: _made(nodes, pod, name), bool, deadline=Deadline.after(30), interval=0.5)
        poll(lambda: _web(nodes, name), _ready, deadline=Deadline.after(60), interval=0.5)
        yield name
    finally:
        kube.delete(NAMESPACES, name)


def _made(nodes: Nodes, pod: Manifest, namespace: str) -> bool:
    """A pod waits for its namespace's account."""
    from ciliumctl.errors import ClusterError

    try:
        nodes.cluster.kube.create(PODS, pod, namespace)
    except ClusterError:
        return False
    return True


def _web(nodes: Nodes, namespace: str) -> Manifest:
    return nodes.cluster.kube.get(PODS, "web", namespace)


def _ready(pod: Manifest) -> bool:
    return dig(pod, "status", "containerStatuses", 0, "ready", default=False)


def _guests(nodes: Nodes, namespace: str) -> list[bool]:
    """Which of the containers beside those of `web` still run."""
    listed: list[Manifest] = dig(_web(nodes, namespace), "status", "ephemeralContainerStatuses", default=[])
    return [dig(one, "state", "running") is not None for one in listed]


def _all_ended(nodes: Nodes, namespace: str) -> bool:
    """Whether they have ended, soon: the node says so a moment later."""
    found = poll(lambda: _guests(nodes, namespace), lambda on: not any(on), deadline=Deadline.after(15), interval=0.3)
    return not any(found)


def _pods(nodes: Nodes, namespace: str = "") -> list[str]:
    return [one.guest.pod for one in guests.left_over(nodes.cluster.kube, namespace) if one.guest.kind != "ephemeral"]


@pytest.fixture
def at_terminal(cluster: Nodes) -> Iterator[Callable[..., Terminal]]:
    """Run the command line at a terminal, with the probe's image."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        env = {**cluster.environ, "CILIUMCTL_DEBUG_SHELL_IMAGE": PROBE, "TERM": "vt100"}
        opened.append(Terminal(cluster.argv(*arguments), env=env, cwd=cluster.cluster.folder))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def test_a_terminal_beside_a_pod(cluster: Nodes, place: str, at_terminal: Callable[..., Terminal]) -> None:
    terminal = at_terminal("debug", "shell", f"pod/{place}/web", "--target", "main")
    terminal.until("Ctrl-D leaves")
    terminal.until("# ")
    assert terminal.is_raw()
    terminal.type(_WHO)
    terminal.until("size 100 30")
    terminal.until("# ")
    terminal.resize(77, 22)
    terminal.type(_WHO)
    terminal.until("size 77 22")
    terminal.until("# ")
    terminal.type("cat /proc/1/cmdline\r")
    terminal.until("netexec")
    terminal.until("# ")
    terminal.type("sh -c 'echo on-$((1+1)); exec sleep 100'\r")
    terminal.until("on-2")
    terminal.type("\x03")
    terminal.until("# ")
    terminal.type("echo code=$?\r")
    terminal.until("code=130")
    terminal.type("exit 42\r")
    assert terminal.ended() == 42
    assert not terminal.is_raw()
    assert _all_ended(cluster, place)
    assert dig(_web(cluster, place), "status", "containerStatuses", 0, "restartCount", default=-1) == 0


def test_bytes_go_through_as_they_are(cluster: Nodes, place: str) -> None:
    sent = os.urandom(3_000_000)
    done = subprocess.run(
        cluster.argv("debug", "shell", "web", "-n", place, "--image", PROBE, "--", "sh", "-c", "cat; exit 9"),
        env=cluster.environ,
        input=sent,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 9, done.stderr.decode()
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(sent).digest()
    assert _all_ended(cluster, place)


def test_a_killed_run_is_found_and_used_again_and_cleaned_up(
    cluster: Nodes, place: str, at_terminal: Callable[..., Terminal]
) -> None:
    killed = at_terminal("debug", "shell", f"pod/{place}/web")
    killed.until("Ctrl-D leaves")
    killed.until("# ")
    killed.signal(signal.SIGKILL)
    killed.ended()
    assert _guests(cluster, place).count(True) == 1
    ran = cluster.run("debug", "shell", f"pod/{place}/web", "--image", PROBE, "--keep", "--", "true")
    assert ran.code == 0, ran.err
    assert "is used again" in ran.err
    before = len(_guests(cluster, place))
    ran = cluster.run("debug", "cleanup", "-n", place)
    assert (ran.code, "in-use" in ran.out) == (0, True), ran.out
    ran = cluster.run("debug", "cleanup", "--all", "-n", place, "-o", "json")
    assert ran.code == 0, ran.out + ran.err
    assert [one["outcome"] for one in ran.json["data"]["guests"]] == ["removed"]
    assert _all_ended(cluster, place)
    assert len(_guests(cluster, place)) == before


def test_an_interrupt_leaves_nothing(cluster: Nodes, place: str) -> None:
    argv = cluster.argv("debug", "shell", "new", "-n", place, "--image", PROBE, "--", "sh", "-c", "echo on; sleep 100")
    with subprocess.Popen(
        argv, env=cluster.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"on\n"
        assert len(_pods(cluster, place)) == 1
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
    assert poll(lambda: _pods(cluster, place), lambda left: not left, deadline=Deadline.after(10), interval=0.3) == []


def test_two_share_one_and_it_ends_with_the_second(
    cluster: Nodes, place: str, at_terminal: Callable[..., Terminal]
) -> None:
    first = at_terminal("debug", "shell", f"pod/{place}/web", "--profile", "general")
    first.until("Ctrl-D leaves")
    first.until("# ")
    second = at_terminal("debug", "shell", f"pod/{place}/web", "--profile", "general")
    second.until("is used again")
    second.until("# ")
    first.type("exit\r")
    assert first.ended() == 0
    assert _guests(cluster, place).count(True) == 1
    second.type("echo still-$((1+1))\r")
    second.until("still-2")
    second.type("exit 3\r")
    assert second.ended() == 3
    assert _all_ended(cluster, place)


def test_a_restricted_namespace_says_what_it_lets_in(cluster: Nodes, restricted: str) -> None:
    ran = cluster.run("debug", "shell", f"pod/{restricted}/web", "--image", PROBE, "--", "id")
    assert (ran.code, ran.out) == (5, "")
    assert "--profile restricted" in ran.err
    assert f"debug shell node/{ONE}" in ran.err
    assert _guests(cluster, restricted) == []
    ran = cluster.run(
        "debug", "shell", f"pod/{restricted}/web", "--image", PROBE, "--profile", "restricted", "--", "id", "-u"
    )
    assert (ran.code, ran.out) == (0, "1000\n"), ran.err
    ran = cluster.run("debug", "shell", "new", "-n", restricted, "--image", PROBE, "--", "id")
    assert (ran.code, _pods(cluster, restricted)) == (5, [])


def test_a_node_is_seen_whole_and_not_written_to(cluster: Nodes) -> None:
    ran = cluster.run(
        *("debug", "shell", f"node/{ONE}", "--image", PROBE, "--"),
        *(
            "sh",
            "-c",
            "ip -br link; ls /host/etc/hostname; touch /host/tmp/ours || echo kept; ls /proc | grep -c '^[0-9]'",
        ),
    )
    assert ran.code == 0, ran.err
    assert "eth0" in ran.out
    assert "/host/etc/hostname" in ran.out
    assert "kept" in ran.out
    assert int(ran.out.splitlines()[-1]) > 5, "processes of the node"


def test_a_command_runs_in_the_agent(cluster: Nodes, place: str) -> None:
    ran = cluster.run("debug", "agent", f"pod/{place}/web", "-o", "json", "--", "cilium-dbg", "status")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["node"] == ONE
    assert "stand-in" in ran.json["data"]["stdout"]
    assert cluster.run("debug", "agent", ONE, "--", "sh", "-c", "exit 11").code == 11


def test_who_has_few_rights_is_told_and_nothing_is_made(cluster: Nodes, place: str) -> None:
    for target in ("web", "new", f"node/{ONE}"):
        ran = cluster.run("debug", "shell", target, "-n", place, "--image", PROBE, "--as", "nobody", "--", "id")
        assert (ran.code, ran.out) == (5, ""), target
        assert "user `nobody` may not" in ran.err
    assert cluster.run("debug", "cleanup", "--as", "nobody").code == 5
    assert _pods(cluster, place) == []


def test_a_pod_ends_by_itself_and_is_cleaned_up(cluster: Nodes, place: str) -> None:
    kube = cluster.cluster.kube
    how = guests.How(image=PROBE, ttl=4.0, owner="somebody-else@elsewhere")
    guest = guests.alone(kube, place, how, _SILENT)
    over = poll(
        lambda: dig(kube.get(PODS, guest.pod, place), "status", "phase", default=""),
        lambda phase: phase in {"Failed", "Succeeded"},
        deadline=Deadline.after(30),
        interval=0.5,
    )
    assert over in {"Failed", "Succeeded"}
    ran = cluster.run("debug", "cleanup", "-n", place, "-o", "name")
    assert (ran.code, ran.out) == (0, f"pod/{place}/{guest.pod}\n"), ran.err
