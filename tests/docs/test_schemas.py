"""What `-o json` really prints, against the published schemas."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import defaults, tools
from ciliumctl.clients.web import Web
from ciliumctl.report import Reporter
from docs.generate import REFERENCE
from docs.generating import results
from tests.conftest import Command
from tests.docs.checker import violations
from tests.world import migration, objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer
from tests.world.nodework import nodes_answer
from tests.world.pods import pod_cluster
from tests.world.run import HERE, Ran, quiet_environ, run

CHART = HERE / "tests" / "charts" / "cilium"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REFERENCE / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def check(ran: Ran, name: str) -> None:
    wanted = schema(name)
    assert list(violations(ran.json, wanted, wanted)) == []


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("CniComparison", ("cni", "compare")),
        ("CniDetection", ("cni", "detect")),
        ("CniLint", ("cni", "lint", str(HERE / "tests" / "world" / "10-net.conflist"))),
        ("Detection", ("detect",)),
        ("HubbleStatus", ("hubble", "status")),
        ("HubbleChange", ("hubble", "disable", "--no-wait")),
        ("LabList", ("lab", "status")),
        ("Preset", ("preset", "show", "talos")),
        ("Pipeline", ("ci", "init", "github")),
        ("PresetList", ("preset", "list")),
        ("History", ("history",)),
        ("History", ("history", "--revision", "1")),
        ("RecoveryPreview", ("recover",)),
        ("PreflightCheck", ("preflight", "--explain", "CIL-API-001")),
        ("PreflightChecks", ("preflight", "--list")),
        ("RemovalPreview", ("uninstall", "--dry-run")),
        ("CiliumConfig", ("config", "view")),
        ("Settings", ("config", "explain")),
        ("Settings", ("config", "explain", "install")),
        ("Status", ("status",)),
        ("Sysdump", ("sysdump", "--dry-run")),
        ("ToolsList", ("tools", "list")),
        ("ValueExplanation", ("values", "explain", "operator", "--chart", str(CHART))),
        ("ValuesLint", ("values", "lint", str(CHART / "values.yaml"), "--chart", str(CHART))),
        ("Version", ("version",)),
        ("Version", ("version", "--client")),
    ],
)
def test_what_a_command_prints_fits_its_schema(
    cluster: FakeCluster, command: Command, kind: str, arguments: tuple[str, ...], stub_helm: Any
) -> None:
    cluster.add(*objects.healthy_cilium())
    stub_helm.answer(stdout="v3.22.0")
    ran = command(*arguments, "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    check(ran, kind)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Plan", ("plan",)),
        ("Differences", ("diff",)),
        ("ConfigDrift", ("config", "diff", "--no-agents")),
        ("Plan", ("config", "set", "debug.enabled=true", "--dry-run")),
        ("Change", ("config", "set", "debug.enabled=true", "--no-wait")),
    ],
)
def test_plans_differences_and_changes_fit_their_schemas(
    cluster: FakeCluster, command: Command, kind: str, arguments: tuple[str, ...], stub_helm: Any
) -> None:
    defaults = {"debug": {"enabled": False}}
    config = objects.config_map("cilium-config", {**objects.CILIUM_CONFIG, "debug": "true", "ipam": "kubernetes"})
    cluster.add(*objects.healthy_cilium(), objects.namespace("kube-system"), objects.release(defaults=defaults))
    cluster.add(objects.daemon_set(annotations=objects.HELM_MARKS))
    stub_helm.answer_release(
        version=2,
        manifest=json.dumps(config),
        config={"debug": {"enabled": True}},
        chart={"metadata": {"name": "cilium", "version": "1.15.6"}, "values": defaults},
    )
    ran = command(*arguments, "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code in {0, 1}, ran.err
    assert ran.json["error"] is None
    check(ran, kind)


def test_going_back_and_mending_fit_their_schemas(cluster: FakeCluster, command: Command, stub_helm: Any) -> None:
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.release(revision=1, status="superseded", manifest="# one"), objects.release(revision=2))
    stub_helm.answer(stdout="v3.22.0")
    ran = command("rollback", "--dry-run", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    check(ran, "RollbackPreview")
    ran = command("rollback", "--yes", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    check(ran, "Rollback")
    cluster.add(objects.release(revision=3, status="pending-upgrade", manifest="# one"))
    ran = command("recover", "--forward", "--yes", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    check(ran, "Recovery")


def test_a_run_of_the_checks_fits_its_schema_also_where_no_cluster_answers(
    cluster: FakeCluster, command: Command, stub_helm: Any
) -> None:
    cluster.add(*objects.healthy_cilium())
    stub_helm.answer(stdout="{}", values={})
    ran = command("preflight", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.json["data"]["installed"] == "1.15.6", ran.err
    check(ran, "Preflight")
    cluster.faults.append(Fault(pattern=".*", status=401, message="who are you"))
    ran = command("preflight", "-o", "json", "--helm", str(stub_helm.path))
    assert (ran.code, ran.json["error"]["code"]) == (5, "unauthorized")
    check(ran, "Preflight")


def test_a_finished_removal_fits_its_schema(cluster: FakeCluster, command: Command) -> None:
    assert not cluster.all("daemonsets")
    ran = command("uninstall", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    check(ran, "Removal")


def test_a_removal_that_cleaned_nodes_fits_its_schema(cluster: FakeCluster, command: Command, stub_helm: Any) -> None:
    cluster.add(objects.node("one"), objects.node("two"))
    stub_helm.answer(stdout="v3.22.0")
    nodes_answer(cluster, {"one": {"removed": "link cilium_host"}, "two": {"left": "link cilium_net", "kept": "x"}})
    options = ("--clean-nodes", "--node-image", "example.org/cilium:v1", "--confirm", "prod")
    ran = command("uninstall", "--yes", *options, "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 7, ran.err
    assert len(ran.json["data"]["nodes"]) == 2
    check(ran, "Removal")


def test_a_placed_and_a_verified_program_fit_their_schemas(command: Command, tmp_path: Path) -> None:
    program = tmp_path / "kind-linux-amd64"
    program.write_bytes(b"#!/bin/sh\necho kind v0.33.0\n")
    checksum = hashlib.sha256(program.read_bytes()).hexdigest()
    arguments = ("--file", str(program), "--checksum", checksum, "--dir", str(tmp_path / "bin"), "--version", "0.33.0")
    ran = command("tools", "install", "kind", *arguments, "-o", "json")
    assert ran.code == 0, ran.err
    check(ran, "ToolsInstall")
    ran = command("tools", "verify", str(program), "--checksum", "0" * 64, "-o", "json")
    assert ran.code == 1, ran.err
    check(ran, "ToolsVerify")


def test_an_unhealthy_status_and_one_that_ran_out_of_time_fit_the_schema_of_a_status(
    cluster: FakeCluster, command: Command
) -> None:
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.daemon_set(ready=1))
    ran = command("status", "-o", "json")
    assert (ran.code, ran.json["error"]) == (1, None)
    check(ran, "Status")
    ran = command("status", "--wait", "--timeout", "1s", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (4, "timeout")
    assert ran.json["data"]["problems"]
    check(ran, "Status")


def test_an_upgrade_and_its_dry_run_fit_their_schema(
    cluster: FakeCluster, command: Command, stub_helm: Any, tmp_path: Path
) -> None:
    cluster.add(*objects.healthy_cilium())
    chart = {"metadata": {"name": "cilium", "version": "1.15.6"}}
    stub_helm.answer_release(version=2, chart=chart, config={"debug": {"enabled": True}}, manifest="{}")
    upgrade = ("upgrade", "--set", "debug.enabled=true", "--skip-preflight", "all", "--skip-lint", "-o", "json")
    ran = command(*upgrade, "--dry-run", "--helm", str(stub_helm.path))
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "dry-run"), ran.err
    check(ran, "Upgrade")
    saved = str(tmp_path / "saved")
    ran = command(*upgrade, "--yes", "--backup-dir", saved, "--helm", str(stub_helm.path))
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "upgraded"), ran.err
    check(ran, "Upgrade")


def test_a_network_that_could_not_be_measured_fits_its_schema(tmp_path: Path) -> None:
    with pod_cluster(lambda _call: Answer(stdout=json.dumps({"error": "no answer"}))) as cluster:
        cluster.add(objects.node("one"))
        env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
        ran = run("connectivity", "perf", "-o", "json", env=env)
    assert (ran.code, ran.json["error"]) == (1, None)
    check(ran, "ConnectivityPerf")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [(2, ("status", "--no-such-option")), (2, ("preset", "show", "nope")), (5, ("detect",)), (5, ("hubble", "enable"))],
)
def test_a_failure_without_a_result_fits_the_schema_of_failures(
    cluster: FakeCluster, command: Command, stub_helm: Any, code: int, arguments: tuple[str, ...]
) -> None:
    cluster.faults.append(Fault(pattern=".*", status=401, message="who are you"))
    stub_helm.answer(stdout="v3.22.0")
    ran = command(*arguments, "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == code, ran.err
    check(ran, "Failure")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("MigrationPlan", ("migrate", "plan")),
        ("MigrationStatus", ("migrate", "status")),
        ("MigrationNodes", ("migrate", "node", "one", "--yes", "--no-test")),
        ("MigrationNodes", ("migrate", "undo", "one")),
    ],
)
def test_what_a_migration_prints_fits_its_schemas(
    cluster: FakeCluster, command: Command, kind: str, arguments: tuple[str, ...]
) -> None:
    migration.begun(cluster)
    ran = command(*arguments, "-o", "json")
    assert ran.json["error"] is None, ran.err
    check(ran, kind)


@pytest.mark.integration
def test_values_and_a_dry_run_by_the_real_helm_fit_their_schemas(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.node("one"))
    folder = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder()) / "bin"
    helm = tools.programs(
        ["helm"], folder=folder, web=Web(environ=os.environ), report=Reporter(lambda _event: None), environ=os.environ
    )["helm"]
    ran = command("values", "show", "--chart", str(CHART), "--helm", str(helm), "--all", "-o", "json")
    assert ran.code == 0, ran.err
    check(ran, "Values")
    ran = command("install", "--dry-run", "client", "--chart", str(CHART), "--helm", str(helm), "-o", "json")
    assert ran.code == 0, ran.err
    check(ran, "Installation")
    ran = command("install", "--export", "manifests", "--chart", str(CHART), "--helm", str(helm), "-o", "json")
    assert ran.code == 0, ran.err
    check(ran, "Export")


def test_every_command_that_prints_a_result_is_named_with_it() -> None:
    by = results.printed_by()
    assert set(by) == set(results.results())


def test_a_schema_describes_every_field_and_demands_it() -> None:
    for kind in results.results():
        data = schema(kind)["properties"]["data"]
        assert set(data["required"]) == set(data["properties"]), kind


def test_the_checker_sees_what_is_missing_wrong_and_not_described() -> None:
    wanted = schema("Preset")
    good = {
        "apiVersion": "ciliumctl/v1",
        "kind": "Preset",
        "ok": True,
        "data": {"name": "kind", "description": "", "values": {}, "needs": []},
        "error": None,
    }
    assert list(violations(good, wanted, wanted)) == []
    for path, value in ((("data", "needs"), "text"), (("data", "more"), 1), (("ok",), 1), (("kind",), "Status")):
        bad = copy.deepcopy(good)
        place: Any = bad
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert len(list(violations(bad, wanted, wanted))) == 1, path
    del good["error"]
    assert list(violations(good, wanted, wanted)) == ["$.error is missing"]
