from __future__ import annotations

import json
from typing import Any

import pytest

from ciliumctl import journal, yaml_files
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.helm import StubHelm


def manifest(*items: dict[str, Any]) -> str:
    return "---\n".join(yaml_files.dump(item) for item in items)


def config(debug: str) -> objects.Object:
    return objects.config_map("cilium-config", {"debug": debug})


@pytest.fixture
def upgraded(cluster: FakeCluster, stub_helm: StubHelm) -> FakeCluster:
    stub_helm.answer(stdout="v3.22.0")
    cluster.add(*objects.healthy_cilium())
    agent, envoy = objects.daemon_set(), objects.daemon_set("cilium-envoy")
    cluster.add(
        objects.release(
            revision=1, status="superseded", config={"debug": True}, manifest=manifest(config("true"), agent)
        ),
        objects.release(revision=2, version="1.16.0", config={}, manifest=manifest(config("false"), agent, envoy)),
    )
    return cluster


def test_what_changes_and_what_breaks_is_shown(upgraded: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    assert upgraded.all("secrets")
    ran = command("rollback", "--dry-run", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    assert (
        ran.out
        == """\
revision 2 → 1, Cilium 1.16.0 → 1.15.6, release cilium in namespace kube-system of prod
objects: 1 changed, 1 deleted
         deleted: DaemonSet kube-system/cilium-envoy
restarts: daemonset/cilium
values:
  debug: not set → true
warning: the DaemonSet `cilium-envoy` is deleted and the agents run Envoy themselves: connections under L7 policies, \
Ingress and Gateway API are reset
"""
    )
    assert [call.argv[0] for call in stub_helm.calls] == ["version"]


def test_nobody_is_asked_off_a_terminal_and_nothing_is_done(
    upgraded: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    ran = command("rollback", "--helm", str(stub_helm.path), "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "needs-confirmation")
    assert "revision 2 → 1" in ran.err
    assert upgraded.get("configmaps", journal.NAME, "kube-system") is None


def test_helm_is_told_the_revision_and_the_journal_what_was_done(
    upgraded: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    ran = command("rollback", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    argv = stub_helm.calls[-1].argv
    assert argv[:5] == ["rollback", "cilium", "1", "--namespace", "kube-system"]
    assert "--wait" not in argv
    kept = upgraded.get("configmaps", journal.NAME, "kube-system")
    assert kept is not None
    (entry,) = [json.loads(text) for text in kept["data"].values()]
    assert (entry["operation"], entry["from_version"], entry["version"]) == ("rollback", "1.16.0", "1.15.6")
    assert (entry["result"], entry["values"]) == ("done", ["debug"])


def test_what_would_be_lost_for_good_needs_the_context_s_name(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stub_helm.answer(stdout="v4.3.1")
    place = objects.namespace("cilium-secrets")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls", "namespace": "cilium-secrets"}}
    cluster.add(
        secret,
        objects.release(revision=1, status="superseded", version="1.16.0", manifest="# old"),
        objects.release(revision=2, version="1.17.0", manifest=manifest(place)),
    )
    ran = command("rollback", "--yes", "--helm", str(stub_helm.path))
    assert ran.code == 3
    assert "`shop-tls`" in ran.err
    assert "`--confirm prod`" in ran.err
    assert [call.argv[0] for call in stub_helm.calls] == ["version"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("2",), 2, "revision 2 is the one that is installed"),
        (("9",), 2, "revision 9 does not exist: Helm keeps 1, 2"),
    ],
)
def test_a_revision_that_makes_no_sense_is_refused(
    upgraded: FakeCluster, command: Command, stub_helm: StubHelm, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert upgraded.all("secrets")
    ran = command("rollback", *arguments, "--yes", "--helm", str(stub_helm.path))
    assert ran.code == code
    assert said in ran.err


def test_a_revision_that_helm_does_not_keep_any_more_is_told_as_such(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    cluster.add(objects.release(revision=7, status="superseded", manifest="x"), objects.release(revision=8))
    ran = command("rollback", "3", "--yes", "--helm", str(stub_helm.path))
    assert ran.code == 2
    assert "revision 3 was removed from Helm's history: Helm keeps 7, 8" in ran.err


def test_a_pending_release_is_for_recover_to_mend(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    cluster.add(objects.release(revision=1), objects.release(revision=2, status="pending-upgrade"))
    ran = command("rollback", "--yes", "--helm", str(stub_helm.path))
    assert ran.code == 3
    assert "`ciliumctl recover`" in ran.err


def test_what_something_else_manages_is_left_to_it(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    marks = {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"}
    cluster.add(objects.daemon_set(annotations=marks), objects.release())
    ran = command("rollback", "--yes", "--helm", str(stub_helm.path), "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "foreign-owner")
    assert not stub_helm.calls


def test_without_a_good_revision_nothing_is_done(cluster: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    cluster.add(objects.release(revision=1, status="failed"), objects.release(revision=2))
    ran = command("rollback", "--yes", "--helm", str(stub_helm.path))
    assert ran.code == 3
    assert "there is no good revision to go back to" in ran.err
