from __future__ import annotations

import json

import pytest

from ciliumctl import journal
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster

UPGRADED = {
    "operation": "upgrade",
    "release": "cilium",
    "who": "jane@laptop (process 7)",
    "began": "2026-01-02T03:04:05.000+00:00",
    "ended": "2026-01-02T03:05:00.000+00:00",
    "ciliumctl": "0.1.0",
    "from_revision": 1,
    "revision": 2,
    "from_version": "1.15.6",
    "version": "1.16.0",
    "result": "healthy",
}


@pytest.fixture
def upgraded(cluster: FakeCluster) -> FakeCluster:
    cluster.add(*objects.healthy_cilium())
    cluster.add(
        objects.release(revision=1, status="superseded", config={"debug": {"enabled": True}}),
        objects.release(revision=2, version="1.16.0", config={"debug": {"enabled": False}}, manifest="# new"),
        objects.config_map(journal.NAME, {"20260102": json.dumps(UPGRADED)}),
    )
    return cluster


def test_each_revision_is_a_line_with_who_made_it_and_what_came_of_it(upgraded: FakeCluster, command: Command) -> None:
    ran = command("history")
    assert ran.code == 0
    assert (
        ran.out
        == """\
    REVISION   WHEN                  OPERATION   VERSION           STATUS       RESULT    VALUES   WHO
<   1          2026-01-01 00:00:00   install     1.15.6            superseded   -         1        -
*   2          2026-01-01 00:00:00   upgrade     1.15.6 → 1.16.0   deployed     healthy   1        jane@laptop (process 7)
"""
    )
    assert upgraded.all("configmaps")


def test_wide_names_the_values_and_one_revision_shows_them(upgraded: FakeCluster, command: Command) -> None:
    assert upgraded.all("secrets")
    assert "debug.enabled" in command("history", "-o", "wide").out
    ran = command("history", "--revision", "2")
    assert "  debug.enabled: true → false" in ran.out
    assert "jane@laptop (process 7), ciliumctl 0.1.0" in ran.out
    assert command("history", "-o", "name").out == "1\n2\n"


def test_json_has_the_values_before_and_after(upgraded: FakeCluster, command: Command) -> None:
    assert upgraded.all("secrets")
    (_first, second) = command("history", "-o", "json").json["data"]["lines"]
    assert second["values"] == [{"key": "debug.enabled", "before": True, "after": False}]
    assert (second["running"], second["who"], second["result"]) == (True, "jane@laptop (process 7)", "healthy")


def test_without_a_journal_that_is_said(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    assert "no journal" in command("history").out


def test_without_a_release_it_ends_with_5_and_a_revision_that_is_not_kept_with_2(
    cluster: FakeCluster, command: Command
) -> None:
    ran = command("history", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.json["error"]["code"]) == (5, "History", "not-found")
    cluster.add(objects.release())
    ran = command("history", "--revision", "9")
    assert ran.code == 2
    assert "revision 9 is not kept" in ran.err


def test_what_argo_cd_deployed_with_helm_can_be_looked_at(cluster: FakeCluster, command: Command) -> None:
    marks = {"helm.toolkit.fluxcd.io/name": "cilium", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
    cluster.add(objects.daemon_set(labels=marks, annotations=objects.HELM_MARKS), objects.release())
    ran = command("history")
    assert ran.code == 0
    assert "Cilium belongs to Flux" in ran.out
