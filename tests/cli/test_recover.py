from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import journal, machine, yaml_files
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.helm import StubHelm
from tests.world.run import HERE, quiet_environ


def manifest(*items: dict[str, Any]) -> str:
    return "---\n".join(yaml_files.dump(item) for item in items)


def config(value: str) -> objects.Object:
    return objects.config_map("cilium-config", {**objects.CILIUM_CONFIG, "debug": value})


OLD = manifest(config("old"), objects.daemon_set(image="quay.io/cilium/cilium:v1.15.6"))
NEW = manifest(config("new"), objects.daemon_set(image="quay.io/cilium/cilium:v1.16.0"))


def told(**more: Any) -> objects.Object:
    entry = {
        "operation": "upgrade",
        "release": "cilium",
        "who": "jane@laptop (process 7)",
        "began": "2025-12-31T23:59:00.000+00:00",
        "from_revision": 1,
        **more,
    }
    return objects.config_map(journal.NAME, {"key": json.dumps(entry)})


def lease(*, renewed: datetime, process: str = "") -> objects.Object:
    moment = renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "ciliumctl",
            "namespace": "kube-system",
            "annotations": {"ciliumctl.io/command": "ciliumctl upgrade", "ciliumctl.io/process": process},
        },
        "spec": {
            "holderIdentity": "jane@laptop (process 7)",
            "leaseDurationSeconds": 60,
            "acquireTime": moment,
            "renewTime": moment,
        },
    }


def stuck(cluster: FakeCluster, status: str, *, agent: str, debug: str, before: bool = True) -> None:
    """An upgrade that was killed, with the agents' DaemonSet and the ConfigMap as they got."""
    cluster.add(*objects.healthy_cilium())
    cluster.add(
        objects.daemon_set(image=f"quay.io/cilium/cilium:v{agent}", annotations=objects.HELM_MARKS),
        config(debug),
        objects.release(revision=2 if before else 1, status=status, version="1.16.0", manifest=NEW),
        told(from_revision=1 if before else 0),
    )
    if before:
        cluster.add(objects.release(revision=1, manifest=OLD))


def stored_status(cluster: FakeCluster, revision: int) -> tuple[str, str]:
    """What Helm's label says, and what Helm reads."""
    found = cluster.get("secrets", f"sh.helm.release.v1.cilium.v{revision}", "kube-system")
    assert found is not None
    packed = base64.b64decode(base64.b64decode(found["data"]["release"]))
    return found["metadata"]["labels"]["status"], json.loads(gzip.decompress(packed))["info"]["status"]


@pytest.mark.parametrize(
    ("status", "agent", "debug", "action", "why"),
    [
        ("pending-upgrade", "1.15.6", "old", "back", "nothing of it is applied"),
        ("pending-upgrade", "1.15.6", "new", "back", "the agents are untouched"),
        ("pending-upgrade", "1.16.0", "old", "forward", "the agents are being replaced"),
        ("pending-upgrade", "1.16.0", "new", "finish", "every object is applied"),
        ("pending-rollback", "1.16.0", "new", "finish", "every object is applied"),
        ("failed", "1.15.6", "new", "back", "1 of 2 objects that differ are applied"),
        ("uninstalling", "1.15.6", "old", "uninstall", "`ciliumctl uninstall` goes on with it"),
    ],
)
def test_the_way_out_follows_from_what_is_applied(
    cluster: FakeCluster, command: Command, status: str, agent: str, debug: str, action: str, why: str
) -> None:
    stuck(cluster, status, agent=agent, debug=debug)
    ran = command("recover", "--dry-run", "-o", "json")
    assert ran.code == 1, ran.err
    data = ran.json["data"]
    assert (data["action"], data["status"], data["good_revision"]) == (action, status, 1)
    assert why in data["reason"]
    assert data["who"] == "jane@laptop (process 7)"


def test_what_was_found_is_told_before_anything_is_asked(cluster: FakeCluster, command: Command) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="new")
    ran = command("recover")
    assert ran.code == 3
    assert "revision 2: pending-upgrade" in ran.err
    assert "begun:   upgrade from 1.15.6 to 1.16.0 by jane@laptop (process 7), 2025-12-31 23:59:00" in ran.err
    assert "applied: 1 objects as wanted, 1 objects as before" in ran.err
    assert "DaemonSet kube-system/cilium: as before" in ran.err
    assert "way out: go back to revision 1" in ran.err
    assert stored_status(cluster, 2) == ("pending-upgrade", "pending-upgrade")


def test_where_all_is_applied_only_helm_s_record_is_completed(cluster: FakeCluster, command: Command) -> None:
    stuck(cluster, "pending-upgrade", agent="1.16.0", debug="new")
    ran = command("recover", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["action"], data["revision"], data["release_status"]) == ("finish", 2, "deployed")
    assert stored_status(cluster, 1) == ("superseded", "superseded")
    assert stored_status(cluster, 2) == ("deployed", "deployed")
    kept = cluster.get("configmaps", journal.NAME, "kube-system")
    assert kept is not None
    entries = sorted((json.loads(text) for text in kept["data"].values()), key=lambda entry: str(entry["began"]))
    assert [(entry["operation"], entry["result"]) for entry in entries] == [
        ("upgrade", "interrupted"),
        ("recover", "healthy"),
    ]
    assert command("recover").code == 0


def test_going_back_marks_the_revision_failed_and_restarts_no_agent(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="new")
    stub_helm.answer(stdout="")
    ran = command("recover", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    # The stand-in made no revision: the release is not deployed, and that is a no.
    assert ran.code == 1, ran.err
    assert stored_status(cluster, 2) == ("failed", "failed")
    assert stub_helm.calls[-1].argv[:3] == ["rollback", "cilium", "1"]
    patched = [seen.path for seen in cluster.seen if seen.method == "PATCH" and "daemonsets" in seen.path]
    assert patched == []


def test_going_forward_uses_the_chart_and_the_values_that_were_stored(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="new")
    stub_helm.answer_release(version=3)
    ran = command("recover", "--forward", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    assert ran.code == 1, ran.err
    argv = stub_helm.calls[-1].argv
    assert argv[:2] == ["upgrade", "cilium"]
    assert "--reset-values" in argv
    assert stored_status(cluster, 2) == ("failed", "failed")


def test_a_first_installation_goes_on_and_is_never_taken_away(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stuck(cluster, "pending-install", agent="1.16.0", debug="old", before=False)
    assert command("recover", "--dry-run", "-o", "json").json["data"]["action"] == "continue"
    ran = command("recover", "--back", "--yes")
    assert ran.code == 3
    assert "there is no good revision to go back to" in ran.err
    stub_helm.answer_release(version=2)
    command("recover", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    assert [call.argv[0] for call in stub_helm.calls] == ["upgrade"]


def test_agents_that_do_not_run_are_a_reason_to_go_back(cluster: FakeCluster, command: Command) -> None:
    stuck(cluster, "pending-upgrade", agent="1.16.0", debug="new")
    cluster.add(
        objects.daemon_set(image="quay.io/cilium/cilium:v1.16.0", ready=1, annotations=objects.HELM_MARKS),
        objects.pod("cilium-bbbbb", ready=False, waiting="CrashLoopBackOff", restarts=4),
    )
    data = command("recover", "--dry-run", "-o", "json").json["data"]
    assert data["action"] == "back"
    assert "CrashLoopBackOff" in data["reason"]


def test_an_uninstallation_is_not_finished_by_recover(cluster: FakeCluster, command: Command) -> None:
    stuck(cluster, "uninstalling", agent="1.15.6", debug="old")
    ran = command("recover", "--yes")
    assert ran.code == 3
    assert "`ciliumctl uninstall`" in ran.err
    assert stored_status(cluster, 2) == ("uninstalling", "uninstalling")


def test_while_somebody_is_at_work_nothing_is_mended(cluster: FakeCluster, command: Command) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="new")
    cluster.add(lease(renewed=datetime.now(UTC)))
    ran = command("recover", "--yes", "--abandoned", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "locked")
    assert "jane@laptop (process 7) has been running `ciliumctl upgrade`" in ran.err
    assert stored_status(cluster, 2) == ("pending-upgrade", "pending-upgrade")


def test_another_tool_s_operation_gets_its_time_unless_it_is_known_to_be_dead(
    cluster: FakeCluster, command: Command
) -> None:
    cluster.add(*objects.healthy_cilium())
    fresh = objects.release(revision=2, status="pending-upgrade", manifest=NEW)
    packed = base64.b64decode(base64.b64decode(fresh["data"]["release"]))
    body = json.loads(gzip.decompress(packed))
    body["info"]["last_deployed"] = datetime.now(UTC).isoformat()
    text = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(body).encode())))
    cluster.add({**fresh, "data": {"release": text.decode()}}, objects.release(revision=1, manifest=OLD))
    ran = command("recover", "--dry-run")
    assert ran.code == 3
    assert "another tool than ciliumctl began it" in ran.err
    assert command("recover", "--dry-run", "--abandoned").code == 1


def test_only_a_lock_that_was_left_is_taken_away(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    # A process of this machine that has ended: there is nothing to wait for.
    ended = machine.here().rpartition("/")[0] + "/1"
    cluster.add(
        lease(renewed=datetime.now(UTC) - timedelta(minutes=5), process=ended), told(from_revision=0, revision=1)
    )
    ran = command("recover", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["action"] == "tidy"
    assert cluster.all("leases") == []
    assert "killed" not in command("history").out


def test_a_whole_release_has_nothing_to_mend(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium())
    ran = command("recover")
    assert ran.code == 0, ran.err
    assert "nothing to mend" in ran.out
    assert command("recover", "--back").code == 3


def killed_before_its_restarts(cluster: FakeCluster) -> None:
    cluster.add(*objects.healthy_cilium())
    labels = {"k8s-app": "cilium"}
    agent = objects.daemon_set(annotations=objects.HELM_MARKS)
    agent["spec"]["selector"] = {"matchLabels": labels}
    pod = objects.pod("cilium-aaaaa", labels={**objects.PART_OF, **labels})
    pod["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    same = objects.daemon_set()
    cluster.add(
        agent,
        pod,
        objects.release(revision=1, status="superseded", manifest=manifest(config("old"), same)),
        objects.release(revision=2, manifest=manifest(config("new"), same)),
        told(revision=2),
    )


def test_a_run_killed_before_its_restarts_is_completed(cluster: FakeCluster, command: Command) -> None:
    killed_before_its_restarts(cluster)
    ran = command("recover", "--yes", "--no-wait", "-o", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["data"]["action"], ran.json["data"]["restarted"]) == ("restart", ["daemonset/cilium"])


@pytest.mark.parametrize("more", [{}, {"CILIUMCTL_PROGRESS": "json"}, {"GITHUB_ACTIONS": "true"}])
def test_a_reader_of_stderr_that_goes_away_stops_nothing(
    cluster: FakeCluster, tmp_path: Path, more: dict[str, str]
) -> None:
    killed_before_its_restarts(cluster)
    env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)), PYTHONPATH=str(HERE), **more)
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ["recover", "--yes", "--no-wait", "-o", "json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ciliumctl", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writer,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["restarted"] == ["daemonset/cilium"]


def test_what_something_else_manages_is_left_to_it(cluster: FakeCluster, command: Command) -> None:
    marks = {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"}
    cluster.add(objects.daemon_set(annotations=marks), objects.release(status="pending-install"))
    ran = command("recover", "--yes", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "foreign-owner")


def test_what_is_installed_is_gone_back_to_whatever_the_journal_says_of_its_health(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    cluster.add(*objects.healthy_cilium())
    installed = manifest(config("mine"), objects.daemon_set(image="quay.io/cilium/cilium:v1.15.6"))
    ours = told(from_revision=2)
    ours["data"]["earlier"] = told(revision=2, from_revision=1, result="unhealthy")["data"]["key"]
    cluster.add(
        objects.daemon_set(image="quay.io/cilium/cilium:v1.15.6", annotations=objects.HELM_MARKS),
        config("mine"),
        objects.release(revision=1, status="superseded", manifest=OLD),
        objects.release(revision=2, manifest=installed),
        objects.release(revision=3, status="pending-upgrade", version="1.16.0", manifest=NEW),
        ours,
    )
    data = command("recover", "--dry-run", "-o", "json").json["data"]
    assert (data["action"], data["good_revision"]) == ("back", 2)
    assert data["reason"] == (
        "nothing of it is applied: the running Cilium is left as it is (revision 2 was unhealthy too, says the journal)"
    )
    stub_helm.answer(stdout="")
    command("recover", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    assert stub_helm.calls[-1].argv[:3] == ["rollback", "cilium", "2"]


def test_a_change_of_the_only_revision_is_no_first_installation_where_that_was_unhealthy(
    cluster: FakeCluster, command: Command
) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="old")
    first = told(revision=1, from_revision=0, result="unhealthy")["data"]["key"]
    cluster.add(objects.config_map(journal.NAME, {"a": first, "b": told()["data"]["key"]}))
    data = command("recover", "--dry-run", "-o", "json").json["data"]
    assert (data["action"], data["good_revision"]) == ("back", 1)


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}, "envoy": {"updateStrategy": {"type": "OnDelete"}}}
MARK = "[updates paused since revision 1; own updateStrategy.type=RollingUpdate]"


def description(cluster: FakeCluster, revision: int) -> str:
    """What Helm's record says of a revision."""
    found = cluster.get("secrets", f"sh.helm.release.v1.cilium.v{revision}", "kube-system")
    assert found is not None
    body = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(found["data"]["release"]))))
    return str(body["info"]["description"])


def stuck_pausing(cluster: FakeCluster, *, agent: str, debug: str) -> None:
    """A staged upgrade whose helm was killed before it wrote the description."""
    stuck(cluster, "pending-upgrade", agent=agent, debug=debug)
    text = "Preparing upgrade"
    cluster.add(
        objects.release(
            revision=2, status="pending-upgrade", version="1.16.0", manifest=NEW, config=ON_DELETE, description=text
        ),
        told(paused=MARK),
    )


def last_entry(cluster: FakeCluster) -> dict[str, Any]:
    kept = cluster.get("configmaps", journal.NAME, "kube-system")
    assert kept is not None
    entries: list[dict[str, Any]] = [json.loads(text) for text in kept["data"].values()]
    return max(entries, key=lambda entry: str(entry["began"]))


def test_a_staged_upgrade_that_is_finished_is_still_paused_and_not_waited_for(
    cluster: FakeCluster, command: Command
) -> None:
    stuck_pausing(cluster, agent="1.16.0", debug="new")
    ran = command("recover", "--yes")
    assert ran.code == 0, ran.err
    assert "updates are paused: `ciliumctl" in ran.out
    assert "upgrade --batch SIZE" in ran.out
    assert description(cluster, 2).endswith(f"recover: all of it was applied {MARK}")
    assert (last_entry(cluster)["operation"], last_entry(cluster)["result"]) == ("recover", "done")


def test_a_staged_upgrade_that_is_made_again_keeps_its_mark(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    stuck_pausing(cluster, agent="1.15.6", debug="new")
    stub_helm.answer_release(version=3)
    command("recover", "--forward", "--yes", "--no-wait", "--helm", str(stub_helm.path))
    argv = stub_helm.calls[-1].argv
    assert argv[argv.index("--description") + 1].endswith(f"recover: revision 2 again {MARK}")
    # A recovery that is killed too leaves the mark to the next one.
    assert last_entry(cluster)["paused"] == MARK


def test_a_staged_upgrade_has_replaced_no_agent_and_goes_back(cluster: FakeCluster, command: Command) -> None:
    stuck_pausing(cluster, agent="1.16.0", debug="old")
    data = command("recover", "--dry-run", "-o", "json").json["data"]
    assert (data["action"], data["good_revision"]) == ("back", 1)


def test_values_of_the_user_s_own_are_no_pause_whatever_the_journal_says(
    cluster: FakeCluster, command: Command
) -> None:
    stuck(cluster, "pending-upgrade", agent="1.16.0", debug="new")
    cluster.add(told(paused=MARK))
    ran = command("recover", "--yes", "-o", "json")
    assert (ran.code, ran.json["data"]["paused"]) == (0, False)
    assert MARK not in description(cluster, 2)


def test_going_back_into_a_staged_restart_puts_its_mark_back(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    cluster.add(*objects.healthy_cilium())
    made = objects.release(revision=4, manifest=OLD, config=ON_DELETE, description="Rollback to 2")
    cluster.add(
        objects.daemon_set(image="quay.io/cilium/cilium:v1.15.6", annotations=objects.HELM_MARKS),
        config("old"),
        objects.release(revision=2, manifest=OLD, config=ON_DELETE, description=f"upgrade {MARK}"),
        objects.release(revision=3, status="pending-upgrade", version="1.16.0", manifest=NEW),
        told(from_revision=2),
    )
    stub_helm.answer(stdout="")
    # This helm makes a revision, as the real one does.
    posting = (
        "import urllib.request\n"
        f"urllib.request.urlopen(urllib.request.Request({cluster.url + '/api/v1/namespaces/kube-system/secrets'!r}, "
        f"data={json.dumps(made).encode()!r}, headers={{'Content-Type': 'application/json'}}, method='POST'))\n"
    )
    script = stub_helm.path.read_text()
    stub_helm.path.write_text(f"{script.rpartition('sys.exit')[0]}{posting}sys.exit(0)\n")
    ran = command("recover", "--back", "--yes", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    assert (ran.json["data"]["revision"], ran.json["data"]["paused"]) == (4, True)
    assert description(cluster, 4) == f"Rollback to 2 {MARK}"


def test_a_change_of_values_alone_is_told_without_a_way_between_versions(
    cluster: FakeCluster, command: Command
) -> None:
    stuck(cluster, "pending-upgrade", agent="1.15.6", debug="new")
    cluster.add(
        objects.release(revision=2, status="pending-upgrade", manifest=NEW),
        told(operation="config set"),
    )
    ran = command("recover", "--dry-run")
    assert "begun:   config set of 1.15.6 by jane@laptop" in ran.out
