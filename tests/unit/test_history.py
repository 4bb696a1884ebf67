from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import history, journal, status
from ciliumctl.clients.kube import SECRETS, ConnectOptions, Kube, connect
from ciliumctl.errors import NotFound, UsageError
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault

WHERE = status.Where(namespace="kube-system", release="cilium", storage=SECRETS)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def entry(number: int, **more: Any) -> dict[str, str]:
    text = {"operation": "upgrade", "release": "cilium", "who": "jane", "began": f"2026-01-01T0{number}:00:00+00:00"}
    return {f"key-{number}": json.dumps({**text, **more})}


def told(*entries: dict[str, str]) -> objects.Object:
    data: dict[str, str] = {}
    for one in entries:
        data |= one
    return objects.config_map(journal.NAME, data)


def revisions(*states: str, **more: Any) -> list[objects.Object]:
    return [
        objects.release(revision=number, status=state, manifest=f"# {number}", **more)
        for number, state in enumerate(states, start=1)
    ]


def good(kube: Kube) -> int:
    found = history.last_good(history.past(kube, WHERE))
    return found.revision if found is not None else 0


def test_helm_s_history_is_told_without_a_journal_too(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        objects.release(revision=1, status="superseded", version="1.15.6", config={"a": 1}),
        objects.release(revision=2, version="1.16.0", config={"a": 2, "b": {"c": True}}, manifest="x"),
    )
    found = history.look(kube, WHERE)
    assert not found.journal
    first, second = found.lines
    assert (first.operation, first.version, first.last_good, first.running) == ("install", "1.15.6", True, False)
    assert (second.operation, second.from_version, second.running, second.result) == ("upgrade", "1.15.6", True, "")
    assert [(change.key, change.before, change.after) for change in second.values] == [("a", 1, 2), ("b.c", None, True)]
    assert found.names == ("1", "2")


def test_the_journal_s_word_is_joined_with_the_revision_it_is_about(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        *revisions("superseded", "deployed"),
        told(
            entry(
                1,
                revision=2,
                from_revision=1,
                result="unhealthy",
                message="two agents are down",
                operation="config set",
            )
        ),
    )
    line = history.look(kube, WHERE).lines[-1]
    assert (line.operation, line.who, line.result) == ("config set", "jane", "unhealthy")
    assert line.message == "two agents are down"


def test_what_failed_before_helm_made_a_revision_is_a_line_of_its_own(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*revisions("deployed"), told(entry(3, from_revision=1, result="failed", message="the chart says no")))
    lines = history.look(kube, WHERE).lines
    assert [(line.revision, line.result) for line in lines] == [(1, ""), (0, "failed")]
    assert history.look(kube, WHERE).names == ("1",)


def test_a_run_that_left_no_last_word_was_killed_unless_it_holds_the_lock(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*revisions("superseded", "pending-upgrade"), told(entry(0, from_revision=1, process="a/b/1/2")))
    (line,) = [line for line in history.look(kube, WHERE).lines if line.revision == 2]
    assert line.result == "killed"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "ciliumctl",
            "namespace": "kube-system",
            "annotations": {"ciliumctl.io/process": "a/b/1/2"},
        },
        "spec": {
            "holderIdentity": "jane",
            "leaseDurationSeconds": 60,
            "renewTime": "2026-01-01T00:00:00Z",
            "acquireTime": "2026-01-01T00:00:00Z",
        },
    }
    cluster.add(lease)
    while_it_works = history.look(kube, WHERE, now=1767225600.0 + 30)
    assert [line.result for line in while_it_works.lines if line.revision == 2] == ["running"]
    long_after = history.look(kube, WHERE, now=1767225600.0 + 90)
    assert [line.result for line in long_after.lines if line.revision == 2] == ["killed"]


@pytest.mark.parametrize(
    ("states", "entries", "expected"),
    [
        (("superseded", "deployed"), [], 1),
        (("superseded", "failed", "deployed"), [], 1),
        (("superseded", "superseded", "deployed"), [entry(1, revision=2, result="unhealthy")], 1),
        (("superseded", "superseded", "deployed"), [entry(1, revision=2, result="taken-back")], 1),
        (("superseded", "superseded", "deployed"), [entry(1, revision=2, result="interrupted")], 2),
        (("superseded", "deployed", "failed"), [], 2),
        (("superseded", "deployed", "pending-upgrade"), [], 2),
        (("deployed",), [], 0),
        (("failed", "deployed"), [], 0),
        (("pending-install",), [], 0),
    ],
)
def test_the_last_good_revision_is_one_that_is_not_known_to_have_failed(
    cluster: FakeCluster, kube: Kube, states: tuple[str, ...], entries: list[dict[str, str]], expected: int
) -> None:
    cluster.add(*revisions(*states), told(*entries))
    assert good(kube) == expected


@pytest.mark.parametrize(("newest", "expected"), [("deployed", 1), ("pending-upgrade", 2)])
def test_half_of_a_staged_restart_is_only_gone_back_to_where_it_is_what_is_installed(
    cluster: FakeCluster, kube: Kube, newest: str, expected: int
) -> None:
    paused = "deployed" if newest != "deployed" else "superseded"
    cluster.add(
        objects.release(revision=1, status="superseded", manifest="old"),
        objects.release(
            revision=2, status=paused, manifest="new", description="upgrade [updates paused since revision 1]"
        ),
        objects.release(revision=3, status=newest, manifest="newer"),
    )
    assert good(kube) == expected


def test_a_revision_that_is_the_same_as_the_installed_one_is_nothing_to_go_back_to(
    cluster: FakeCluster, kube: Kube
) -> None:
    cluster.add(*[objects.release(revision=n, status="superseded", manifest="same") for n in (1, 2)])
    cluster.add(objects.release(revision=3, manifest="same"))
    assert good(kube) == 0


def test_what_somebody_went_back_from_is_not_gone_back_to(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        objects.release(revision=1, status="superseded", manifest="a"),
        objects.release(revision=2, status="superseded", manifest="b"),
        objects.release(revision=3, manifest="a", description="Rollback to 1"),
    )
    assert good(kube) == 0


def test_secrets_among_the_values_are_hidden_and_the_rest_is_shown() -> None:
    before = {"tls": {"ca": {"key": "old", "cert": "old"}}, "etcd": {"endpoints": ["a"]}, "replicas": 1}
    after = {
        "tls": {"ca": {"key": "new", "cert": "new"}},
        "etcd": {"endpoints": ["https://user:pass@b"]},
        "replicas": 2,
        "clustermesh": {"apiserver": {"password": "p"}},
    }
    text = json.dumps([[change.key, change.before, change.after] for change in history.changes(before, after)])
    assert "pass" not in text.replace("apiserver.password", "")
    assert '"old"' not in text
    assert '["replicas", 1, 2]' in text
    assert f'["clustermesh.apiserver.password", null, "{history.HIDDEN}"]' in text


def test_who_made_a_revision_on_the_way_or_back_is_known_too(cluster: FakeCluster, kube: Kube) -> None:
    journal_of_it = told(entry(1, revision=2, result="taken-back", others=[3]))
    cluster.add(journal_of_it, *revisions("superseded", "superseded", "deployed"))
    assert [(line.who, line.result) for line in history.look(kube, WHERE).lines] == [
        ("", ""),
        ("jane", "taken-back"),
        ("jane", ""),
    ]


def test_a_damaged_revision_does_not_hide_the_others(cluster: FakeCluster, kube: Kube) -> None:
    broken = objects.release(revision=1, status="superseded")
    broken["data"]["release"] = "AAAA"
    cluster.add(broken, objects.release(revision=2))
    lines = history.look(kube, WHERE).lines
    assert [(line.revision, line.message) for line in lines] == [(1, "what Helm stored of it is damaged"), (2, "")]


def test_who_may_not_read_the_journal_sees_helm_s_part(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*revisions("deployed"), told(entry(1, revision=1, result="healthy")))
    cluster.faults.append(Fault(pattern="configmaps|leases", status=403, message="no"))
    found = history.look(kube, WHERE)
    assert (found.journal, found.lines[0].result) == (False, "")


def test_without_a_release_the_owner_s_own_history_is_named(cluster: FakeCluster, kube: Kube) -> None:
    with pytest.raises(NotFound) as caught:
        history.look(kube, WHERE)
    assert "Helm keeps no release `cilium` in namespace `kube-system`" in caught.value.message
    cluster.add(
        objects.daemon_set(annotations={"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"})
    )
    with pytest.raises(NotFound) as caught:
        history.look(kube, WHERE)
    assert "Argo CD" in caught.value.message
    assert caught.value.hint


def test_one_revision_can_be_asked_for(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*revisions("superseded", "deployed"))
    found = history.look(kube, WHERE)
    assert [line.revision for line in history.only(found, 1).lines] == [1]
    with pytest.raises(UsageError) as caught:
        history.only(found, 7)
    assert "1, 2" in caught.value.hint


FRESH = "2026-01-01T06:00:00.5Z"


@pytest.mark.parametrize(
    "old",
    [
        {"revision": 2, "result": "unhealthy", "ended": "2026-01-01T01:05:00+00:00"},
        {"revision": 7, "others": [2], "result": "taken-back", "ended": "2026-01-01T01:05:00+00:00"},
        # Killed: it says nothing of an end.
        {"from_revision": 1},
    ],
)
def test_a_journal_of_a_release_that_was_removed_says_nothing_about_a_new_one(
    cluster: FakeCluster, kube: Kube, old: dict[str, Any]
) -> None:
    cluster.add(*revisions("superseded", "superseded", "deployed", first=FRESH), told(entry(1, **old)))
    lines = [line for line in history.look(kube, WHERE).lines if line.revision]
    assert [(line.who, line.result) for line in lines] == [("", "")] * 3
    assert good(kube) == 2


@pytest.mark.parametrize(
    "mine",
    [
        {"began": "2026-01-01T05:55:00+00:00", "ended": "2026-01-01T06:02:00+00:00", "revision": 1},
        # The clock of the machine it ran on is behind.
        {"began": "2026-01-01T05:50:00+00:00", "ended": "2026-01-01T05:59:20+00:00", "revision": 1},
        {"began": "2026-01-01T05:55:00+00:00", "ended": "", "from_revision": 0, "revision": 1},
    ],
)
def test_the_installation_itself_began_before_helm_s_first_word_of_the_release(
    cluster: FakeCluster, kube: Kube, mine: dict[str, Any]
) -> None:
    cluster.add(*revisions("deployed", first=FRESH), told(entry(5, **mine)))
    assert [line.who for line in history.look(kube, WHERE).lines] == ["jane"]


@pytest.mark.parametrize("first", ["0001-01-01T00:00:00Z", "yesterday", ""])
def test_where_helm_does_not_say_when_a_release_began_the_journal_is_believed(
    cluster: FakeCluster, kube: Kube, first: str
) -> None:
    cluster.add(*revisions("deployed", first=first), told(entry(5, revision=1)))
    assert [line.who for line in history.look(kube, WHERE).lines] == ["jane"]


@pytest.mark.parametrize(("ended", "who"), [("2025-12-31T23:58:00+00:00", ""), ("2026-01-01T00:00:30+00:00", "jane")])
def test_an_attempt_that_had_failed_before_a_revision_was_made_did_not_make_it(
    cluster: FakeCluster, kube: Kube, ended: str, who: str
) -> None:
    failed = entry(1, began="2025-12-31T23:57:00+00:00", ended=ended, from_revision=1, result="failed")
    cluster.add(*revisions("superseded", "deployed"), told(failed))
    (line,) = [line for line in history.look(kube, WHERE).lines if line.revision == 2]
    assert line.who == who


def test_helm_s_times_are_those_of_its_machine_s_zone(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        *revisions("superseded", "deployed", updated="2025-12-31T20:05:00.5-05:00"),
        told(entry(1, from_revision=1)),
    )
    (line,) = [line for line in history.look(kube, WHERE).lines if line.revision == 2]
    assert (line.who, line.result) == ("jane", "killed")
