from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ciliumctl import lock
from ciliumctl.clients.kube import LEASES, ConnectOptions, Kube, connect, dig
from ciliumctl.errors import Locked
from ciliumctl.report import Event, Reporter, Warned
from tests.world.cluster import FakeCluster, Fault

ME = lock.Holder(who="me@here (process 1)", command="ciliumctl install")
OTHER = lock.Holder(who="jane@there (process 2)", command="ciliumctl uninstall")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def lease(kube: Kube) -> object:
    return kube.find(LEASES, lock.NAME, lock.NAMESPACE)


def test_the_lock_is_there_while_the_block_runs_and_gone_after_it(kube: Kube) -> None:
    with lock.held(kube, ME, Reporter(lambda _event: None)):
        found = kube.get(LEASES, lock.NAME, lock.NAMESPACE)
        assert dig(found, "spec", "holderIdentity", default="") == ME.who
    assert lease(kube) is None


def test_it_is_given_back_when_the_block_fails(kube: Kube) -> None:
    with pytest.raises(KeyError), lock.held(kube, ME, Reporter(lambda _event: None)):
        raise KeyError
    assert lease(kube) is None


def test_somebody_else_s_lock_is_told_with_who_what_and_how_long(kube: Kube) -> None:
    clock = Clock()
    silent = Reporter(lambda _event: None)
    with lock.held(kube, OTHER, silent, now=clock):
        clock.now += 20
        with pytest.raises(Locked) as caught, lock.held(kube, ME, silent, now=clock):
            pass
        assert caught.value.message == (
            "jane@there (process 2) has been running `ciliumctl uninstall` on this cluster for 20 s"
        )
        assert "runs out in 40 s" in caught.value.hint
    assert lease(kube) is None


def test_a_lock_that_nobody_renews_is_taken_over(kube: Kube) -> None:
    clock = Clock()
    events: list[Event] = []
    waited: list[float] = []
    with lock.held(kube, OTHER, Reporter(events.append), now=clock, every=600):
        clock.now += lock.SECONDS + 1
        with lock.held(kube, ME, Reporter(events.append), now=clock, pause=waited.append):
            found = kube.get(LEASES, lock.NAME, lock.NAMESPACE)
            assert dig(found, "spec", "holderIdentity", default="") == ME.who
    assert sum(waited) >= lock.SECONDS
    assert any("taking over the lock of jane@there" in str(event) for event in events)


def test_it_is_renewed_while_the_block_runs(kube: Kube) -> None:
    clock = Clock()
    renewed = threading.Event()

    def moving() -> float:
        clock.now += 1
        if clock.now > 1_700_000_003:
            renewed.set()
        return clock.now

    with lock.held(kube, ME, Reporter(lambda _event: None), now=moving, every=0.01):
        before = dig(kube.get(LEASES, lock.NAME, lock.NAMESPACE), "spec", "acquireTime", default="")
        assert renewed.wait(10)
        assert dig(kube.get(LEASES, lock.NAME, lock.NAMESPACE), "spec", "renewTime", default="") > before


def test_a_user_who_may_not_use_leases_goes_on_with_a_warning(cluster: FakeCluster, kube: Kube) -> None:
    text = 'leases.coordination.k8s.io is forbidden: User "jane" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "kube-system"'
    cluster.faults.append(Fault(r"/leases", status=403, message=text))
    events: list[Event] = []
    ran = False
    with lock.held(kube, ME, Reporter(events.append)):
        ran = True
    assert ran
    assert [event for event in events if isinstance(event, Warned)]


def test_a_lock_that_cannot_be_given_back_is_a_note_and_no_failure(cluster: FakeCluster, kube: Kube) -> None:
    events: list[Event] = []
    with lock.held(kube, ME, Reporter(events.append)):
        cluster.faults.append(Fault(r"DELETE .*leases", status=500, message="no"))
    assert any("runs out in" in str(event) for event in events)


def test_who_holds_the_lock_or_left_it_can_be_asked(kube: Kube) -> None:
    clock = Clock()
    assert lock.told(kube) == ""
    with lock.held(kube, OTHER, Reporter(lambda _event: None), now=clock):
        clock.now += 20
        assert "has been running `ciliumctl uninstall` on this cluster for 20 s" in lock.told(kube, now=clock.now)
        clock.now += 120
        assert lock.told(kube, now=clock.now) == f"{OTHER.who} left the lock behind; the next change takes it over"


def test_a_lock_that_is_renewed_is_not_taken_over_however_far_ahead_our_clock_is(kube: Kube) -> None:
    theirs, ours = Clock(), Clock()
    ours.now += 3 * lock.SECONDS
    silent = Reporter(lambda _event: None)

    def renew(seconds: float) -> None:
        theirs.now += seconds
        if theirs.now >= 1_700_000_020:
            spec = {"renewTime": "2023-11-14T22:13:40.000000Z"}
            kube.patch(LEASES, lock.NAME, {"spec": spec}, lock.NAMESPACE)

    with lock.held(kube, OTHER, silent, now=theirs, every=600) as other:
        with pytest.raises(Locked) as caught, lock.held(kube, ME, silent, now=ours, pause=renew):
            pass
        assert "jane@there (process 2) has been running `ciliumctl uninstall`" in caught.value.message
        assert lease(kube) is not None
        other.check()


def test_a_lock_that_is_given_back_while_it_is_watched_is_free(kube: Kube) -> None:
    clock = Clock()
    silent = Reporter(lambda _event: None)
    with lock.held(kube, OTHER, silent, now=clock, every=600):
        clock.now += lock.SECONDS + 1

        def give_back(_seconds: float) -> None:
            kube.delete(LEASES, lock.NAME, lock.NAMESPACE)

        with lock.held(kube, ME, silent, now=clock, pause=give_back):
            found = kube.get(LEASES, lock.NAME, lock.NAMESPACE)
            assert dig(found, "spec", "holderIdentity", default="") == ME.who


def test_who_has_lost_the_lock_is_told_before_the_next_step(kube: Kube) -> None:
    with lock.held(kube, ME, Reporter(lambda _event: None), every=0.01) as mine:
        mine.check()
        kube.delete(LEASES, lock.NAME, lock.NAMESPACE)
        assert mine.lost.wait(10)
        with pytest.raises(Locked) as caught:
            mine.check()
    assert "has lost its lock" in caught.value.message
