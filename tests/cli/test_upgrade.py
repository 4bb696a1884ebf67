from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import journal
from ciliumctl.change.impact import Restart
from ciliumctl.cli.commands._planning import show_restarts
from ciliumctl.cli.output import Writer
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import POLICIES, FakeCluster, Fault
from tests.world.helm import StubHelm
from tests.world.run import HERE, Ran, hearing_hang_ups, quiet_environ

MANIFEST = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: cilium-config}\ndata: {debug: 'false'}\n"


def archive(folder: Path, version: str) -> Path:
    """A chart of Cilium with nothing in it."""
    path = folder / f"cilium-{version}.tgz"
    chart = f"apiVersion: v2\nname: cilium\nversion: {version}\nkubeVersion: '>= 1.21.0-0'\n"
    with tarfile.open(path, "w:gz") as out:
        for name, text in (("Chart.yaml", chart), ("values.yaml", "debug: {enabled: false}\n")):
            member = tarfile.TarInfo(f"cilium/{name}")
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    folder = tmp_path / "charts"
    folder.mkdir()
    for version in ("1.15.6", "1.15.19", "1.16.19", "1.18.12"):
        archive(folder, version)
    (folder / "README.tgz").write_text("no archive at all")
    return folder


@pytest.fixture
def upgrade(cluster: FakeCluster, command: Command, stub_helm: StubHelm, charts: Path, tmp_path: Path) -> Command:
    """`upgrade` on a healthy Cilium 1.15.6, with a folder as repository."""
    cluster.add(*objects.healthy_cilium())
    becomes(stub_helm, "1.15.19")
    saved = str(tmp_path / "saved")

    def call(*arguments: str, **more: str) -> Ran:
        where = () if "--no-backup" in arguments or "--backup-dir" in arguments else ("--backup-dir", saved)
        skip = () if "--skip-preflight" in arguments else ("--skip-preflight", "all")
        return command(
            "upgrade", "--repository", str(charts), *arguments, *where, *skip, "--helm", str(stub_helm.path), **more
        )

    return call


def becomes(stub_helm: StubHelm, version: str, **more: Any) -> None:
    chart = {"metadata": {"name": "cilium", "version": version}}
    stub_helm.answer_release(version=2, chart=chart, manifest=MANIFEST, **more)


def changes(stub_helm: StubHelm) -> list[list[str]]:
    """The calls of helm that change something."""
    return [call.argv for call in stub_helm.calls if call.argv[0] != "version" and "--dry-run=server" not in call.argv]


@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_without_a_version_the_next_one_is_named_and_nothing_happens(
    upgrade: Command, stub_helm: StubHelm, charts: Path, more: tuple[str, ...]
) -> None:
    ran = upgrade(*more, "-o", "json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == "needs-confirmation"
    assert "Cilium 1.15.6 → 1.15.19, the newest patch of 1.15" in ran.json["error"]["message"]
    assert f"`ciliumctl upgrade --version 1.15.19 --repository {charts}`" in ran.json["error"]["hint"]
    assert changes(stub_helm) == []


def test_where_nothing_is_newer_nothing_is_to_be_done(upgrade: Command, stub_helm: StubHelm, charts: Path) -> None:
    for path in charts.glob("cilium-1.[!1]*.tgz"):
        path.unlink()
    for version in ("1.15.19", "1.16.19", "1.18.12"):
        (charts / f"cilium-{version}.tgz").unlink()
    becomes(stub_helm, "1.15.6")
    ran = upgrade("-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")
    assert "nothing to upgrade to: 1.15.6 is the newest version there is" in ran.err
    assert changes(stub_helm) == []


def test_the_same_again_is_unchanged(upgrade: Command, stub_helm: StubHelm) -> None:
    becomes(stub_helm, "1.15.6")
    ran = upgrade("--version", "1.15.6")
    assert ran.code == 0
    assert ran.out == "Cilium 1.15.6 unchanged in namespace kube-system of prod, release cilium revision 1\n"
    assert changes(stub_helm) == []


def test_a_minor_that_would_be_left_out_is_refused_with_the_whole_command(
    upgrade: Command, stub_helm: StubHelm, charts: Path
) -> None:
    ran = upgrade("--version", "1.18", "-o", "json", "--yes")
    assert (ran.code, ran.json["error"]["code"]) == (3, "upgrade-path")
    assert f"`ciliumctl upgrade --version 1.18 --repository {charts} --via 1.16,1.17`" in ran.json["error"]["hint"]
    ran = upgrade("--version", "1.18", "--via", "auto", "-o", "json", "--yes")
    assert (ran.code, ran.json["error"]["code"]) == (3, "upgrade-path")
    assert "the repository has no 1.17" in ran.json["error"]["hint"]
    assert "--via auto --allow-skip" in ran.json["error"]["hint"]
    assert changes(stub_helm) == []


def test_an_old_patch_before_the_next_minor_is_warned_of(upgrade: Command) -> None:
    ran = upgrade("--version", "1.16.19", "--dry-run")
    assert ran.code == 0, ran.err
    assert "1.15.6 is not the newest patch of its minor (1.15.19 is)" in ran.err
    assert "--via auto" in ran.err


def test_policies_for_names_stop_a_jump_over_1_15_6(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    cluster.kinds += POLICIES
    cluster.add(
        objects.release(version="1.15.2", revision=3),
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "by-name", "namespace": "web"},
            "spec": {"egress": [{"toFQDNs": [{"matchName": "example.com"}]}]},
        },
    )
    ran = upgrade("--version", "1.16.19", "--yes")
    assert ran.code == 3
    assert "`web/by-name`" in ran.err
    assert changes(stub_helm) == []


def test_off_a_terminal_an_upgrade_needs_yes_and_shows_what_it_does(upgrade: Command, stub_helm: StubHelm) -> None:
    ran = upgrade("--version", "1.15.19")
    assert ran.code == 3
    assert "an upgrade changes a running network, and nobody can be asked" in ran.err
    assert "Cilium 1.15.6 → 1.15.19" in ran.err
    assert changes(stub_helm) == []


def test_a_dry_run_says_what_would_happen_and_changes_nothing(upgrade: Command, stub_helm: StubHelm) -> None:
    ran = upgrade("--version", "1.16.19", "--via", "1.15.19", "--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (ran.json["kind"], data["outcome"], data["wanted"]) == ("Upgrade", "dry-run", "1.16.19")
    assert [(one["from_version"], one["version"]) for one in data["ahead"]] == [
        ("1.15.6", "1.15.19"),
        ("1.15.19", "1.16.19"),
    ]
    assert changes(stub_helm) == []
    assert "nothing was changed" in upgrade("--version", "1.15.19", "--dry-run").out


def test_an_upgrade_backs_up_first_keeps_the_values_and_ends_with_the_status(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm, tmp_path: Path
) -> None:
    cluster.kinds += POLICIES
    cluster.add(
        objects.release(revision=2, config={"debug": {"enabled": True}, "token": "very-secret"}),
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "mine", "namespace": "web"},
            "spec": {"endpointSelector": {}},
            "status": {"conditions": []},
        },
    )
    becomes(stub_helm, "1.15.19", config={"debug": {"enabled": True}, "token": "very-secret"})
    ran = upgrade("--version", "1.15.19", "--yes", "--skip-lint", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["version"], data["steps"][0]["status"]["healthy"]) == ("upgraded", "1.15.19", True)
    (argv,) = changes(stub_helm)
    assert argv[:2] == ["upgrade", "cilium"]
    assert any(part.endswith("cilium-1.15.19.tgz") for part in argv)
    assert "updateStrategy.type=OnDelete" not in argv
    assert json.loads(stub_helm.calls[-1].stdin)["debug"] == {"enabled": True}

    folder = tmp_path / "saved"
    assert data["backup"] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
    assert set(files) >= {"README.md", "values.yaml", "manifest.yaml", "cilium-config.yaml", "release.json"}
    (policy,) = json.loads(files["objects/ciliumnetworkpolicies.json"].read_text())["items"]
    assert policy["metadata"] == {"name": "mine", "namespace": "web"}
    assert "status" not in policy
    assert not any("very-secret" in path.read_text() for path in files.values())
    assert "`token`" in files["README.md"].read_text()
    assert "ciliumctl rollback 2 --context prod -n kube-system" in files["README.md"].read_text()


def test_a_back_up_that_fails_stops_the_upgrade_before_anything_is_changed(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm, tmp_path: Path
) -> None:
    occupied = tmp_path / "there"
    occupied.mkdir()
    (occupied / "file").write_text("")
    ran = upgrade("--version", "1.15.19", "--yes", "--backup-dir", str(occupied))
    assert ran.code == 2
    assert "is there already" in ran.err

    cluster.kinds += POLICIES
    cluster.faults.append(Fault(r"GET /apis/cilium.io/v2/ciliumnetworkpolicies$", status=403, message="no"))
    ran = upgrade("--version", "1.15.19", "--yes")
    assert ran.code == 5
    assert changes(stub_helm) == []
    assert [path.name for path in tmp_path.glob("*saved*")] == []
    ran = upgrade("--version", "1.15.19", "--yes", "--no-backup")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version", "1.15.19", "--batch", "0"), "neither a number of nodes nor a share"),
        (("--version", "1.15.19", "--pause", "3s"), "about batches"),
        (("--version", "1.15.19", "--node-selector", "a=b"), "about batches"),
        (("--via", "1.15"), "which way, not where to"),
        (("--version", "1.16", "--via", "auto,1.15"), "finds all versions between by itself"),
        (("--version", "1.15.19", "--no-backup", "--backup-dir", "x"), "exclude each other"),
        (("--version", "1.15.19", "--order", "random"), "--order"),
        (("--version", "1.15.19", "--batch", "1", "--no-wait"), "`--no-wait` does not wait"),
        (("--version", "1.15.19", "--atomic", "--no-wait"), "`--no-wait` does not wait"),
        (("--version", "1.16", "--via", "1.15", "--no-wait"), "`--no-wait` does not wait"),
        (("--version", "nonsense"), "is not a version"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_asked(
    upgrade: Command, stub_helm: StubHelm, arguments: tuple[str, ...], said: str
) -> None:
    ran = upgrade(*arguments, "--yes")
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert changes(stub_helm) == []


def test_somebody_at_work_is_named_before_anything_is_fetched(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    cluster.add(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": "ciliumctl",
                "namespace": "kube-system",
                "annotations": {"ciliumctl.io/command": "ciliumctl upgrade"},
            },
            "spec": {
                "holderIdentity": "jane@far-away",
                "renewTime": now,
                "acquireTime": now,
                "leaseDurationSeconds": 60,
            },
        }
    )
    ran = upgrade("--version", "1.15.19", "--yes", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "locked")
    assert "jane@far-away has been running `ciliumctl upgrade`" in ran.json["error"]["message"]
    assert "Finding the chart" not in ran.err
    assert changes(stub_helm) == []
    assert upgrade("--version", "1.15.19", "--dry-run").code == 0


def test_agents_that_nobody_would_restart_are_not_waited_for(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    config = {"updateStrategy": {"type": "OnDelete"}}
    cluster.add(objects.release(revision=2, config=config))
    becomes(stub_helm, "1.15.19", config=config)
    ran = upgrade("--version", "1.15.19", "--yes")
    assert ran.code == 2
    assert "no agent would be replaced by itself" in ran.err
    assert changes(stub_helm) == []


def test_what_is_not_there_stuck_or_out_of_reach_ends_with_its_own_code(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    helm = ("--helm", str(stub_helm.path))
    ran = command("upgrade", "--version", "1.15.19", "--yes", *helm)
    assert ran.code == 5
    assert "ciliumctl install" in ran.err
    cluster.add(*objects.healthy_cilium(), objects.release(revision=2, status="pending-upgrade"))
    ran = command("upgrade", "--version", "1.15.19", "--yes", *helm, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "release-stuck")
    cluster.faults.append(Fault(r".*", status=503, message="gone"))
    ran = command("upgrade", "--version", "1.15.19", "--yes", *helm)
    assert ran.code == 5
    assert changes(stub_helm) == []


def test_what_cannot_be_done_live_needs_the_contexts_name(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    def manifest(mode: str) -> str:
        return (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\n"
            f"data: {{ipam: {mode}}}\n"
        )

    cluster.add(objects.release(revision=2, manifest=manifest("cluster-pool")))
    becomes(stub_helm, "1.15.19")
    body: dict[str, Any] = {"version": 3, "chart": {"metadata": {"name": "cilium", "version": "1.15.19"}}}
    stub_helm.answer_release(**body, manifest=manifest("eni"))
    ran = upgrade("--version", "1.15.19", "--yes", "--skip-lint")
    assert ran.code == 3, ran.err
    assert "--confirm prod" in ran.err
    assert changes(stub_helm) == []
    ran = upgrade("--version", "1.15.19", "--yes", "--skip-lint", "--confirm", "prod")
    assert ran.code == 0, ran.err


def test_the_next_minor_is_not_begun_from_a_cilium_that_is_not_well(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    cluster.add(objects.daemon_set(ready=1, annotations=objects.HELM_MARKS))
    becomes(stub_helm, "1.16.19")
    ran = upgrade("--version", "1.16.19", "--yes", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "upgrade-path")
    assert "1 of 2 not ready" in ran.json["error"]["message"]
    assert upgrade("--version", "1.16.19", "--dry-run", "--allow-unhealthy").code == 0
    # A newer patch may be what mends it.
    becomes(stub_helm, "1.15.19")
    assert upgrade("--version", "1.15.19", "--dry-run").code == 0
    assert changes(stub_helm) == []


def test_after_a_revision_that_failed_the_way_begins_at_what_is_deployed(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    kept, tried = {"debug": {"enabled": True}}, {"debug": {"enabled": True}, "bad": 1}
    cluster.add(
        objects.release(revision=2, version="1.15.19", config=kept),
        objects.release(revision=3, version="1.16.19", config=tried, status="failed"),
    )
    becomes(stub_helm, "1.16.19", config=kept)
    ran = upgrade("--version", "1.18", "--via", "1.16.19", "--allow-skip", "--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    assert [one["version"] for one in ran.json["data"]["ahead"]] == ["1.16.19", "1.18.12"]
    assert json.loads(stub_helm.calls[-1].stdin) == kept


def test_a_change_that_cannot_be_taken_back_either_is_told_with_both_reasons(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    def begun(item: objects.Object) -> None:
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == journal.NAME:
            cluster.add(objects.release(revision=2, status="failed", version="1.15.19"))

    cluster.on_create = begun
    becomes(stub_helm, "1.15.19", fails={"upgrade": "Error: first trouble\n", "rollback": "Error: second trouble\n"})
    ran = upgrade("--version", "1.15.19", "--yes", "--skip-lint", "--no-backup", "--atomic", "-o", "json")
    assert ran.code == 6, ran.err
    error, data = ran.json["error"], ran.json["data"]
    assert error["message"] == "helm failed: first trouble, and taking it back failed: helm failed: second trouble"
    assert "`ciliumctl recover`" in error["hint"]
    assert (data["outcome"], data["revision"], data["steps"][0]["taken_back"]) == ("unhealthy", 2, None)


def test_a_dry_run_without_a_version_shows_the_proposed_one(upgrade: Command, stub_helm: StubHelm) -> None:
    ran = upgrade("--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["data"]["outcome"], ran.json["data"]["wanted"]) == ("dry-run", "1.15.19")
    assert "the newest patch of 1.15" in ran.err
    assert changes(stub_helm) == []


def test_the_batches_are_known_before_anything_is_asked(
    cluster: FakeCluster, upgrade: Command, stub_helm: StubHelm
) -> None:
    there = objects.daemon_set(annotations=objects.HELM_MARKS)
    cluster.add(
        {
            **there,
            "metadata": {**there["metadata"], "uid": "uid-1"},
            "spec": {**there["spec"], "selector": {"matchLabels": {"k8s-app": "cilium"}}},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": "cilium-1",
                "namespace": "kube-system",
                "labels": {"k8s-app": "cilium", "controller-revision-hash": "one"},
                "ownerReferences": [{"uid": "uid-1"}],
            },
            "revision": 1,
        },
    )
    for name, node in (("cilium-aaaaa", "one"), ("cilium-bbbbb", "two")):
        labels = {**objects.PART_OF, "k8s-app": "cilium", "controller-revision-hash": "one"}
        cluster.add(objects.pod(name, on=node, labels=labels))
    asked = ("--version", "1.15.19", "--skip-lint", "--batch", "1")
    ran = upgrade(*asked, "--order", "name", "--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["batches"] == [["one"], ["two"]]
    ran = upgrade(*asked)
    assert ran.code == 3
    assert "Batches (2, 2 nodes in this order)\n  1: one\n  2: two\n" in ran.err
    for more in (("--dry-run",), ("--yes",)):
        ran = upgrade(*asked, "--node-selector", "nope=1", *more)
        assert (ran.code, "no node has the labels `nope=1`" in ran.err) == (2, True)
    assert changes(stub_helm) == []


def test_who_restarts_the_agents_in_batches_is_said() -> None:
    text = io.StringIO()
    restarts = [
        Restart(workload=name, namespace="kube-system", by="rollout", why="image")
        for name in ("daemonset/cilium", "deployment/cilium-operator")
    ]
    show_restarts(Writer(text, color=False, encoding="utf-8"), restarts, batches=[["one", "two"], ["three"]])
    agent, operator = text.getvalue().splitlines()[-2:]
    assert "by ciliumctl, 2 nodes at a time" in agent
    assert "by its own rollout" in operator


@pytest.mark.parametrize("words", [("upgrade",), ("plan",), ("install",)])
@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (("-f", "/no-such-file"), "bad-file", "values file `/no-such-file` cannot be read: No such file or directory"),
        (("-f", "/"), "bad-file", "values file `/` cannot be read: it is a folder"),
        (("--version", "banana"), "usage", "`banana` is not a version"),
    ],
)
def test_what_can_be_seen_without_a_cluster_is_said_before_one_is_asked(
    cluster: FakeCluster, command: Command, words: tuple[str, ...], wrong: tuple[str, ...], code: str, said: str
) -> None:
    ran = command(*words, *wrong, "-o", "json")
    assert (ran.code, ran.json["error"]["code"], ran.json["error"]["message"]) == (2, code, said)
    assert cluster.seen == []


@pytest.mark.parametrize(("before", "code"), [((), 129), (("nohup",), 143)])
def test_a_terminal_that_goes_away_ends_helm_too_but_for_nohup(
    cluster: FakeCluster, stub_helm: StubHelm, charts: Path, tmp_path: Path, before: tuple[str, ...], code: int
) -> None:
    cluster.add(*objects.healthy_cilium())
    stub_helm.answer(hang=True)
    env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)), PYTHONPATH=str(HERE))
    arguments = ["upgrade", "--version", "1.15.19", "--repository", str(charts), "--helm", str(stub_helm.path)]
    with hearing_hang_ups():
        started = subprocess.Popen(
            [*before, sys.executable, "-m", "ciliumctl", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    with started as running:
        try:
            while running.poll() is None and not (stub_helm.folder / "hanging").exists():
                time.sleep(0.02)
            running.send_signal(signal.SIGHUP)
            if before:
                with pytest.raises(subprocess.TimeoutExpired):
                    running.wait(0.5)
                running.terminate()
            _out, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == code
    assert ("the terminal is gone" in err) is (not before)
    with pytest.raises(ProcessLookupError):
        os.kill(stub_helm.calls[0].pid, 0)
