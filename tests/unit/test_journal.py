from __future__ import annotations

import json
from pathlib import Path

import pytest

from ciliumctl import journal, lock
from ciliumctl.clients.kube import CONFIG_MAPS, ConnectOptions, Kube, connect
from ciliumctl.errors import HelmCancelled, HelmFailed, Interrupted
from ciliumctl.journal import Entry
from ciliumctl.report import Event, Note, Reporter, Warned
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault

ME = lock.Holder(who="me@here (process 1)", command="ciliumctl upgrade", process="a/b/1/2")
PLACE = "kube-system"


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def report(events: list[Event]) -> Reporter:
    return Reporter(events.append)


def entry(**more: object) -> Entry:
    return journal.entry(ME, "upgrade", "cilium", from_revision=3, from_version="1.15.19", version="1.16.19", **more)  # type: ignore[arg-type]


def read(kube: Kube) -> tuple[Entry, ...]:
    return journal.read(kube, PLACE, "cilium")


def test_an_entry_is_there_while_the_operation_runs_and_says_afterwards_how_it_ended(
    kube: Kube, report: Reporter
) -> None:
    with journal.keeping(kube, PLACE, entry(values=("debug.enabled",)), report) as record:
        (found,) = read(kube)
        assert (found.result, found.ended, found.who, found.user) == ("running", "", ME.who, "prod")
        record.ended("healthy", "all\nwell", revision=4)
    (found,) = read(kube)
    assert (found.result, found.message, found.revision) == ("healthy", "all well", 4)
    assert (found.from_version, found.version, found.values) == ("1.15.19", "1.16.19", ("debug.enabled",))
    assert found.began <= found.ended


def test_it_costs_three_requests_with_the_journal_s_first_entry_and_after_it(kube: Kube, report: Reporter) -> None:
    for _time in range(2):
        before = kube.requests
        with journal.keeping(kube, PLACE, entry(), report):
            pass
        assert kube.requests - before == 3
    assert [found.result for found in read(kube)] == ["done", "done"]


@pytest.mark.parametrize(
    ("error", "result", "message"),
    [
        (HelmFailed("helm failed: no"), "failed", "helm failed: no"),
        (HelmCancelled("helm was stopped"), "interrupted", "stopped by the user or the system"),
        (Interrupted("stop"), "interrupted", "stopped by the user or the system"),
        (KeyboardInterrupt(), "interrupted", "stopped by the user or the system"),
        (KeyError("x"), "failed", "KeyError"),
    ],
)
def test_an_operation_that_raises_is_told_as_what_it_was(
    kube: Kube, report: Reporter, error: BaseException, result: str, message: str
) -> None:
    with pytest.raises(type(error)), journal.keeping(kube, PLACE, entry(), report) as record:  # noqa: PT012
        record.made(4)
        raise error
    (found,) = read(kube)
    assert (found.result, found.message, found.revision) == (result, message, 4)


def test_revisions_made_on_the_way_and_back_belong_to_the_operation(kube: Kube, report: Reporter) -> None:
    with journal.keeping(kube, PLACE, entry(), report) as record:
        record.made(3)
        record.made(4)
        record.also(5)
        record.ended("taken-back")
    (found,) = read(kube)
    assert (found.revision, found.others) == (4, (3, 5))


def test_what_was_said_before_an_error_stays(kube: Kube, report: Reporter) -> None:
    with pytest.raises(HelmFailed), journal.keeping(kube, PLACE, entry(), report) as record:  # noqa: PT012
        record.ended("taken-back", "it did not get healthy")
        raise HelmFailed("x")
    assert read(kube)[0].result == "taken-back"


def test_the_journal_keeps_its_newest_entries_and_stays_small(kube: Kube, report: Reporter) -> None:
    many = tuple(f"{'a' * 400}.{number}" for number in range(100))
    for number in range(journal.KEPT + 5):
        with journal.keeping(kube, PLACE, entry(values=many), report) as record:
            record.ended("healthy", "x" * 5000, revision=number)
    found = read(kube)
    assert [item.revision for item in found if item.revision][-1] == journal.KEPT + 4
    assert len(found) == journal.KEPT
    assert found[0].revision == 5
    assert found[0].values[-1] == "and 60 more"
    assert len(json.dumps(kube.get(CONFIG_MAPS, journal.NAME, PLACE))) < 800_000


def test_two_operations_at_once_do_not_lose_each_other_s_entry(kube: Kube, report: Reporter) -> None:
    with journal.keeping(kube, PLACE, entry(), report), journal.keeping(kube, PLACE, entry(), report) as inner:
        inner.ended("healthy")
    assert sorted(found.result for found in read(kube)) == ["done", "healthy"]


def test_a_user_who_may_not_write_it_goes_on_with_a_warning(
    cluster: FakeCluster, kube: Kube, report: Reporter, events: list[Event]
) -> None:
    cluster.faults.append(Fault(pattern="(POST|PATCH) .*configmaps", status=403, message="no"))
    done = False
    with journal.keeping(kube, PLACE, entry(), report):
        done = True
    assert done
    assert [type(event) for event in events] == [Warned]
    assert read(kube) == ()


def test_a_journal_that_went_with_its_namespace_is_not_missed(
    kube: Kube, report: Reporter, events: list[Event]
) -> None:
    with journal.keeping(kube, PLACE, entry(), report):
        assert journal.forget(kube, PLACE)
    assert events == []
    assert not journal.forget(kube, PLACE)


def test_an_api_server_that_is_away_at_the_end_is_noted_and_no_failure(
    cluster: FakeCluster, kube: Kube, report: Reporter, events: list[Event]
) -> None:
    with journal.keeping(kube, PLACE, entry(), report):
        cluster.faults.append(Fault(pattern="PATCH .*configmaps", status=503, message="away"))
    assert [type(event) for event in events] == [Note]
    assert read(kube)[0].result == "running"


def test_entries_that_are_none_and_those_of_other_releases_are_passed_over(cluster: FakeCluster, kube: Kube) -> None:
    good = {"operation": "upgrade", "release": "cilium", "who": "me", "result": "healthy", "later": "unknown"}
    data = {
        "1": json.dumps(good),
        "2": "no json",
        "3": "[]",
        "4": json.dumps({**good, "release": "other"}),
        "5": json.dumps({**good, "result": "wonderful"}),
        "6": json.dumps({**good, "revision": "seven"}),
        "7": json.dumps({"operation": "upgrade"}),
        "8": json.dumps({**good, "values": 5}),
    }
    cluster.add(objects.config_map(journal.NAME, data))
    assert [found.key for found in read(kube)] == ["1"]
