"""Guests end: pods are deleted, containers beside others have their processes ended; what stays is found again."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ciliumctl import guests
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import ApiFailed
from ciliumctl.guests import leaving
from ciliumctl.guests.objects import sleeping
from ciliumctl.report import Event, Reporter, Warned
from ciliumctl.wait import Deadline
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer
from tests.world.guests import shop

HOW = guests.How(image="registry.example.com/tools:1", ttl=600.0, owner="ann@desk")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def report(events: list[Event]) -> Reporter:
    return Reporter(events.append)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    shop(cluster)
    cluster.program = lambda _call: Answer()
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_a_pod_goes_with_the_block(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    with guests.stay(kube, guests.alone(kube, "shop", HOW, report), report) as guest:
        assert cluster.get("pods", guest.pod, "shop") is not None
    assert cluster.get("pods", guest.pod, "shop") is None


def test_a_pod_goes_after_an_interrupt_and_when_the_time_is_up(
    kube: Kube, cluster: FakeCluster, report: Reporter
) -> None:
    guest = guests.alone(kube, "shop", HOW, report)
    kube.deadline = Deadline.after(0.001)
    with pytest.raises(KeyboardInterrupt), guests.stay(kube, guest, report):
        raise KeyboardInterrupt
    assert cluster.get("pods", guest.pod, "shop") is None


def test_a_pod_that_stays_is_told_with_what_to_do(
    kube: Kube, cluster: FakeCluster, report: Reporter, events: list[Event]
) -> None:
    with guests.stay(kube, guests.alone(kube, "shop", HOW, report), report) as guest:
        cluster.faults.append(Fault(pattern="DELETE", status=403, message="no"))
    (warned,) = [event for event in events if isinstance(event, Warned)]
    assert f"kubectl delete pod -n shop {guest.pod}" in warned.hint


def test_a_container_beside_others_has_its_processes_ended(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    with guests.stay(kube, guests.beside(kube, "shop", "web", HOW, report), report) as guest:
        pass
    (call,) = cluster.calls
    assert (call.container, call.command[4:]) == (guest.container, (guest.container, guest.session, "0"))
    assert guest.session in guest.command("tcpdump")[1]


@pytest.mark.parametrize(("code", "gone"), [(0, True), (143, True), (3, False)])
def test_one_that_somebody_else_uses_stays(
    kube: Kube, cluster: FakeCluster, report: Reporter, code: int, *, gone: bool
) -> None:
    guest = guests.beside(kube, "shop", "web", HOW, report)
    cluster.program = lambda _call: Answer(code=code)
    assert guests.leave(kube, guest) is gone


def test_one_that_has_ended_already_is_gone(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guest = guests.beside(kube, "shop", "web", HOW, report)
    cluster.program = lambda _call: Answer(status=500, stderr="container is in CONTAINER_EXITED state")
    web = cluster.get("pods", "web", "shop")
    assert web is not None
    web["status"]["ephemeralContainerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    assert guests.leave(kube, guest) is True


def test_one_that_cannot_be_asked_to_end_is_an_error(
    kube: Kube, cluster: FakeCluster, report: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "_SETTLES", 0.1)
    guest = guests.beside(kube, "shop", "web", HOW, report)
    cluster.program = lambda _call: Answer(code=127, stderr="tr: not found")
    with pytest.raises(ApiFailed, match="could not be ended: exit code 127"):
        guests.leave(kube, guest)


def test_what_is_there_is_found_by_its_marks(kube: Kube, report: Reporter) -> None:
    beside = guests.beside(kube, "shop", "web", HOW, report)
    alone = guests.alone(kube, "shop", replace(HOW, purpose="capture"), report)
    on_node = guests.on_node(kube, "one", HOW, report, "kube-system")
    found = {one.guest.pod: one for one in guests.left_over(kube)}
    assert set(found) == {"web", alone.pod, on_node.pod}
    assert [found[name].guest.kind for name in ("web", alone.pod, on_node.pod)] == ["ephemeral", "pod", "node"]
    assert found["web"].guest.container == beside.container
    assert found[alone.pod].purpose == "capture"
    assert {one.owner for one in found.values()} == {"ann@desk"}
    assert not any(one.over() for one in found.values())
    assert all(one.over(datetime.now(UTC) + timedelta(minutes=11)) for one in found.values())
    assert {one.guest.pod for one in guests.left_over(kube, "kube-system")} == {on_node.pod}


def test_containers_that_have_ended_are_not_left_over(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guests.beside(kube, "shop", "web", HOW, report)
    web = cluster.get("pods", "web", "shop")
    assert web is not None
    web["status"]["ephemeralContainerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    assert guests.left_over(kube) == ()


def test_cleaning_takes_what_is_over_and_says_what_stays(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    alone = guests.alone(kube, "shop", HOW, report)
    forgotten = guests.alone(kube, "shop", HOW, report)
    item = cluster.get("pods", forgotten.pod, "shop")
    assert item is not None
    item["metadata"]["annotations"]["ciliumctl.io/expires"] = "nonsense"
    done = guests.clean(kube, report)
    assert [(one.guest.pod, one.outcome) for one in done.guests] == [(forgotten.pod, "removed")]
    assert [one.guest.pod for one in done.in_use] == [alone.pod]
    assert done.ok
    assert guests.clean(kube, report).guests == ()


def test_cleaning_goes_on_after_a_failure(kube: Kube, cluster: FakeCluster, report: Reporter) -> None:
    guests.beside(kube, "shop", "web", HOW, report)
    alone = guests.alone(kube, "shop", HOW, report)
    cluster.faults.append(Fault(pattern="DELETE", status=500, message="no"))
    done = guests.clean(kube, report, takes=lambda _one: True)
    assert {one.guest.pod: one.outcome for one in done.guests} == {alone.pod: "failed", "web": "removed"}
    assert not done.ok
    assert cluster.calls[-1].command[-1] == "1"


@pytest.mark.parametrize("shell", [["dash"], ["bash"], ["busybox", "sh"]], ids=" ".join)
def test_the_script_ends_the_sleep_and_what_the_session_left(shell: list[str]) -> None:
    """The real script over real processes: here all are in one control group, as if others used the guest."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is missing, which some images have as `sh`: install it with apt")
    how = guests.How(ttl=60)
    name = how.new_name()
    sleep = subprocess.Popen(sleeping(name, how))
    left = subprocess.Popen(["env", "CILIUMCTL_SESSION=abc", "sleep", "60"])
    deadline = time.monotonic() + 10
    while Path(f"/proc/{left.pid}/comm").read_text() != "sleep\n" and time.monotonic() < deadline:
        time.sleep(0.01)

    def end(session: str, *, force: bool) -> int:
        return subprocess.run([*shell, "-c", leaving.END, "sh", name, session, str(int(force))], check=False).returncode

    assert (end("none", force=False), sleep.poll()) == (3, None)
    assert end("abc", force=True) == 0
    assert sleep.wait(timeout=10) == 0
    assert left.wait(timeout=10) < 0
    assert end("abc", force=False) == 0
