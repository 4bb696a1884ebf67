"""A bed that is kept is used again by one run at a time, and only when its own run came to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.connectivity import deploy, session
from ciliumctl.connectivity.bed import namespace
from ciliumctl.errors import Forbidden
from ciliumctl.report import Event, Reporter
from tests.world.cluster import FakeCluster, Fault

SILENT = Reporter(lambda _event: None)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


@pytest.fixture
def made(cluster: FakeCluster) -> session.Run:
    """A run's two namespaces, an hour old."""
    run = session.new("jane@there", "bed", datetime.now(UTC) - timedelta(hours=1))
    cluster.add(
        dict(namespace(run.namespace(0), run)),
        dict(namespace(run.namespace(0, host=True), run, level="privileged")),
    )
    return run


def kept(kube: Kube) -> list[bool]:
    return [session.of(one).kept for one in deploy.left(kube)]


def test_a_bed_whose_run_has_not_ended_is_not_kept(kube: Kube, made: session.Run) -> None:
    del made
    assert kept(kube) == [False, False]


def test_a_bed_that_is_handed_over_is_kept_and_lives_on(kube: Kube, made: session.Run) -> None:
    deploy.hand_over(kube, made)
    found = [session.of(one) for one in deploy.left(kube)]
    assert sorted(one.kept for one in found) == [False, True]
    assert all(one.expires > made.expires for one in found)


def test_a_bed_is_taken_once(kube: Kube, made: session.Run) -> None:
    deploy.hand_over(kube, made)
    (free,) = [one for one in deploy.left(kube) if session.of(one).kept]
    mine = deploy.take(kube, free)
    assert mine is not None
    assert mine.name == made.name
    assert kept(kube) == [False, False]


def test_who_comes_second_gets_no_bed(cluster: FakeCluster, kube: Kube, made: session.Run) -> None:
    deploy.hand_over(kube, made)
    (free,) = [one for one in deploy.left(kube) if session.of(one).kept]
    cluster.faults.append(Fault(pattern="PATCH /api/v1/namespaces/", status=409, message="it was changed", times=1))
    assert deploy.take(kube, free) is None


def test_who_may_not_delete_is_told_at_once(cluster: FakeCluster, kube: Kube, made: session.Run) -> None:
    cluster.faults.append(Fault(pattern="DELETE /api/v1/namespaces/", status=403, message="no"))
    with pytest.raises(Forbidden):
        deploy.remove(kube, [made.namespace(0)], SILENT)


def test_what_cannot_be_taken_away_is_a_warning_and_no_reason_to_lose_what_was_found(
    cluster: FakeCluster, kube: Kube, made: session.Run
) -> None:
    cluster.faults.append(Fault(pattern="DELETE /api/v1/namespaces/", status=403, message="no"))
    events: list[Event] = []
    names = [made.namespace(0)]
    assert deploy.take_away(kube, names, Reporter(events.append)) == tuple(names)
    assert any("could not be taken away" in str(event) for event in events)


def test_missing_rights_are_told_before_anything_is_made(cluster: FakeCluster, kube: Kube) -> None:
    cluster.denied.add(("delete", "namespaces"))
    with pytest.raises(Forbidden, match="may not delete `namespaces`"):
        deploy.check_rights(kube)
    assert {seen.path.rpartition("/")[2] for seen in cluster.seen} == {"selfsubjectaccessreviews"}
