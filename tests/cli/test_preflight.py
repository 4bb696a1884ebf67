from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import checks, yaml_files
from tests.conftest import Command
from tests.unit.preflight.test_external import printing, program
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.helm import StubHelm
from tests.world.run import HERE, Ran
from tests.world.web import site

CHART = ("--chart", str(HERE / "tests" / "charts" / "cilium"))
OPERATOR = objects.deployment("cilium-operator", replicas=2)
MANIFEST = [{key: value for key, value in item.items() if key != "status"} for item in (objects.daemon_set(), OPERATOR)]


@pytest.fixture
def ready(cluster: FakeCluster, stub_helm: StubHelm) -> FakeCluster:
    """Two nodes with kube-proxy, and a helm that renders an agent and two operators."""
    cluster.version = "v1.29.4"
    cluster.add(
        objects.namespace("kube-system"),
        objects.namespace("default"),
        objects.node("one"),
        objects.node("two", address="192.0.2.2"),
        objects.daemon_set("kube-proxy", image="registry.k8s.io/kube-proxy:v1.29.4"),
    )
    manifest = "---\n".join(yaml_files.dump(item) for item in MANIFEST)
    stub_helm.answer(stdout=manifest, values={})
    return cluster


@pytest.fixture
def preflight(command: Command, stub_helm: StubHelm) -> Command:
    def call(*arguments: str, **more: str) -> Ran:
        return command("preflight", *arguments, "--helm", str(stub_helm.path), **more)

    return call


def outcomes(ran: Ran) -> dict[str, str]:
    return {check["id"]: check["outcome"] for check in ran.json["data"]["checks"]}


def test_a_cluster_that_is_ready_passes(ready: FakeCluster, preflight: Command) -> None:
    ran = preflight(*CHART)
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.startswith(
        "Preflight of installing Cilium 1.15.6 in namespace kube-system of prod (2 nodes, Kubernetes 1.29.4)\n"
    )
    assert "✔ CIL-API-001 the API server answers: Kubernetes 1.29.4" in ran.out
    assert "ready: " in ran.out
    assert not [
        seen
        for seen in ready.seen
        if seen.method != "GET" and seen.query.get("dryRun") != "All" and "selfsubject" not in seen.path
    ]


def test_the_envelope_has_every_check_with_its_time_and_place(ready: FakeCluster, preflight: Command) -> None:
    ran = preflight(*CHART, "-o", "json")
    assert (ran.code, ran.json["kind"], ran.json["ok"], ran.json["error"]) == (0, "Preflight", True, None)
    data = ran.json["data"]
    assert set(outcomes(ran)) == {check.id for check in checks.all_of_them()}
    assert data["requests"] == len(ready.seen)
    assert all(check["seconds"] >= 0 and check["docs"] for check in data["checks"])


def test_a_failed_check_ends_with_1_and_says_what_to_do(ready: FakeCluster, preflight: Command) -> None:
    old = objects.node("old", address="192.0.2.3")
    old["status"]["nodeInfo"]["kernelVersion"] = "3.10.0-1160.el7.x86_64"
    ready.add(old)
    ran = preflight(*CHART)
    assert ran.code == 1
    assert "✗ CIL-NODE-002" in ran.out
    assert "old runs 3.10.0-1160.el7.x86_64" in ran.out
    assert "more: ciliumctl preflight --explain CIL-NODE-002" in ran.out
    assert "not ready: " in ran.out
    ran = preflight(*CHART, "-o", "name")
    assert (ran.code, ran.out) == (1, "check/CIL-NODE-002\n")
    assert preflight(*CHART, "--fail-on", "never").code == 0
    assert preflight(*CHART, "--suppress", "CIL-NODE-002=Node/old").code == 0
    assert preflight(*CHART, "--skip", "CIL-NODE-002").code == 0


def test_a_warning_fails_only_on_demand(ready: FakeCluster, preflight: Command) -> None:
    ready.version = "v1.30.0"
    assert preflight(*CHART).code == 0
    ran = preflight(*CHART, "--fail-on", "warning")
    assert ran.code == 1
    assert "⚠ CIL-API-002" in ran.out


def test_a_baseline_that_ran_out_no_longer_holds_and_is_told_of(
    ready: FakeCluster, preflight: Command, tmp_path: Path
) -> None:
    ready.version = "v1.20.0"
    path = tmp_path / "known.yaml"
    entry = "- {check: CIL-API-002, reason: the test lab is like that, until: %s}\n"
    path.write_text("findings:\n" + entry % "2999-01-01")
    assert preflight(*CHART, "--only", "CIL-API-002", "--baseline", str(path), "--fail-on", "warning").code == 0
    path.write_text("findings:\n" + entry % "2020-01-01")
    ran = preflight(*CHART, "--only", "CIL-API-002", "--baseline", str(path), "--fail-on", "warning")
    assert ran.code == 1
    assert "ran out on 2020-01-01 (the test lab is like that)" in ran.out
    path.write_text("findings: [{check: CIL-API-002}]")
    assert preflight(*CHART, "--baseline", str(path)).code == 2


def test_only_what_is_asked_for_is_looked_at(ready: FakeCluster, preflight: Command) -> None:
    ran = preflight(*CHART, "--only", "CIL-NODE-002", "-o", "json")
    assert list(outcomes(ran)) == ["CIL-NODE-002"]
    assert not [seen for seen in ready.seen if seen.query.get("dryRun")]
    assert not [seen for seen in ready.seen if "customresourcedefinitions" in seen.path]


def test_an_unknown_check_is_told_with_the_nearest(cluster: FakeCluster, preflight: Command) -> None:
    ran = preflight("--only", "CIL-NOD-002")
    assert ran.code == 2
    assert "`CIL-NODE-002`" in ran.err
    assert not cluster.seen


@pytest.mark.usefixtures("ready")
def test_v_shows_why_checks_were_skipped_and_what_others_rest_on(preflight: Command) -> None:
    assert "CIL-CNI-002" not in preflight(*CHART).out
    ran = preflight(*CHART, "-v")
    assert "- CIL-CNI-002" in ran.out
    assert "nothing runs beside Cilium" in ran.out
    assert "DaemonSet `kube-system/kube-proxy`" in ran.out


def test_a_part_that_cannot_be_read_skips_what_hangs_on_it(ready: FakeCluster, preflight: Command) -> None:
    ready.faults.append(Fault(pattern="GET .*/customresourcedefinitions$", status=403, message="not you"))
    ran = preflight(*CHART, "-o", "json")
    assert ran.code == 0
    (check,) = [one for one in ran.json["data"]["checks"] if one["id"] == "CIL-CRD-002"]
    assert check["outcome"] == "skipped"
    assert check["message"].startswith("crds cannot be read: ")


@pytest.mark.usefixtures("ready")
def test_values_that_the_chart_refuses_skip_what_hangs_on_the_manifest(preflight: Command, stub_helm: StubHelm) -> None:
    text = "Error: execution error at (cilium/templates/validate.yaml:3:4): ipam is wrong"
    stub_helm.answer(values={}, stderr=text, code=1)
    ran = preflight(*CHART, "-o", "json")
    assert ran.code == 1, ran.err
    found = outcomes(ran)
    assert found["CIL-VAL-001"] == "failed"
    (check,) = [one for one in ran.json["data"]["checks"] if one["id"] == "CIL-API-004"]
    assert (check["outcome"], check["message"]) == ("skipped", "(CIL-VAL-001 failed)")


def test_a_cluster_that_does_not_answer_fails_the_first_check_and_skips_the_rest(
    cluster: FakeCluster, preflight: Command
) -> None:
    cluster.close()
    ran = preflight(*CHART, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "unreachable")
    found = outcomes(ran)
    assert found.pop("CIL-API-001") == "failed"
    assert set(found.values()) == {"skipped"}


def test_a_cluster_that_stops_answering_in_the_middle_is_no_cluster_that_is_ready(
    ready: FakeCluster, preflight: Command
) -> None:
    ready.faults.append(Fault(pattern="GET .*/customresourcedefinitions$", status=401, message="who are you"))
    ran = preflight(*CHART, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "unauthorized")
    assert outcomes(ran)["CIL-API-001"] == "failed"


@pytest.mark.parametrize("command_line", [("preflight",), ("install",)])
def test_a_time_that_is_up_is_no_failed_check(
    ready: FakeCluster, command: Command, stub_helm: StubHelm, command_line: tuple[str, ...]
) -> None:
    ready.faults.append(Fault(pattern="GET .*/customresourcedefinitions$", delay=4.0))
    helm = ("--helm", str(stub_helm.path))
    ran = command(*command_line, *CHART, *helm, "--timeout", "3s", "-o", "json")
    # On a slow machine it may be up while Helm works.
    assert ran.code == 4, ran.err
    assert ran.json["error"]["code"] in {"timeout", "helm-timeout"}


def test_a_user_who_may_not_look_is_told_every_right_that_is_missing(ready: FakeCluster, preflight: Command) -> None:
    ready.faults.append(Fault(pattern="GET .*/secrets$", status=403, message="not you"))
    ready.denied.add(("create", "daemonsets"))
    ran = preflight(*CHART)
    assert ran.code == 5
    assert "create `daemonsets.apps`" in ran.err


def test_missing_rights_are_a_failed_check_where_looking_is_allowed(ready: FakeCluster, preflight: Command) -> None:
    ready.denied |= {("*", "*"), ("create", "daemonsets")}
    ran = preflight(*CHART, "-o", "json")
    assert ran.code == 1
    found = outcomes(ran)
    assert found["CIL-API-003"] == "failed"
    assert found["CIL-API-004"] == "skipped"


def test_an_upgrade_is_checked_with_the_values_that_are_there(
    ready: FakeCluster, preflight: Command, stub_helm: StubHelm
) -> None:
    ready.add(objects.release(version="1.13.18", config={"debug": {"enabled": True}}))
    ready.add(objects.daemon_set(annotations=objects.HELM_MARKS))
    ran = preflight(*CHART, "--to", "1.15.6", "-o", "json")
    assert ran.code == 1, ran.err
    data = ran.json["data"]
    assert (data["installed"], data["target"]) == ("1.13.18", "1.15.6")
    assert outcomes(ran)["CIL-UPG-001"] == "failed"
    assert any("debug" in call.stdin for call in stub_helm.calls)


def test_without_a_version_what_is_installed_is_checked(ready: FakeCluster, preflight: Command) -> None:
    ready.add(objects.release(version="1.15.6"), objects.daemon_set(annotations=objects.HELM_MARKS))
    ran = preflight("-o", "json")
    assert ran.code in {0, 1}, ran.err
    assert (ran.json["data"]["installed"], ran.json["data"]["target"]) == ("1.15.6", "1.15.6")
    assert outcomes(ran)["CIL-UPG-001"] == "passed"


@pytest.mark.usefixtures("ready")
def test_other_peoples_checks_run_with_the_clusters_address(preflight: Command, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    said: list[dict[str, Any]] = [
        {"id": "ACME-1", "title": "t", "outcome": "failed", "findings": ["$CILIUMCTL_CHECK_TARGET"]}
    ]
    program(folder, "acme", printing(said).replace("'END'", "END"))
    path = f"{folder}:/usr/bin:/bin"
    ran = preflight(*CHART, "-o", "json", PATH=path)
    assert ran.code == 1
    assert ran.json["data"]["checks"][-1]["findings"][0]["text"] == "1.15.6"
    assert preflight(*CHART, "--no-external-checks", PATH=path).code == 0
    assert preflight(*CHART, "--skip", "ACME-*", PATH=path).code == 0
    assert "ciliumctl-check-acme" in preflight("--list", PATH=path).out
    ran = preflight(*CHART, "--only", "ACME-1", "-o", "json", PATH=path)
    assert list(outcomes(ran)) == ["ACME-1"]
    ran = preflight(*CHART, "--only", "ACME-2", PATH=path)
    assert ran.code == 2
    assert "nothing to check" in ran.err
    ran = preflight(*CHART, "--only", "ACME-1", "--skip", "ACME-7", PATH=path)
    assert "no check is called `ACME-7`" in ran.out


def test_reports_are_written_beside_what_is_printed(ready: FakeCluster, preflight: Command, tmp_path: Path) -> None:
    ready.version = "v1.10.0"
    junit, page, data = tmp_path / "r.xml", tmp_path / "r.md", tmp_path / "r.json"
    reports = ("--report", f"junit={junit}", "--report", f"markdown={page}", "--report", f"json={data}")
    ran = preflight(*CHART, *reports)
    assert ran.code == 1
    assert 'name="CIL-API-002"' in junit.read_text()
    assert "CIL-API-002" in page.read_text()
    assert json.loads(data.read_text())["target"] == "1.15.6"


@pytest.mark.parametrize(
    ("arguments", "code"), [(("--kubeconfig", "none"), 5), ((*CHART, "--preset", "none"), 2), (("--chart", "none"), 2)]
)
@pytest.mark.usefixtures("ready")
def test_reports_are_written_when_nothing_could_be_checked(
    preflight: Command, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    junit, data = tmp_path / "r.xml", tmp_path / "r.json"
    ran = preflight(*arguments, "--report", f"junit={junit}", "--report", f"json={data}")
    assert ran.code == code
    assert 'errors="1"' in junit.read_text()
    assert json.loads(data.read_text())["error"]["message"] in ran.err


def test_the_list_and_an_explanation_need_no_cluster(command: Command, cluster: FakeCluster) -> None:
    ran = command("preflight", "--list")
    assert ran.code == 0
    assert all(check.id in ran.out for check in checks.all_of_them())
    ran = command("preflight", "--list", "--only", "network", "-o", "name")
    assert ran.out == "check/CIL-NET-001\ncheck/CIL-NET-002\ncheck/CIL-NET-003\n"
    ran = command("preflight", "--explain", "cil-net-001")
    assert ran.code == 0
    assert "what to do: Choose a pool beside the nodes' network" in ran.out
    ran = command("preflight", "--explain", "net")
    assert ran.code == 2
    assert "CIL-NET-001" in ran.err
    assert not cluster.seen


# As the gate of an installation


def test_an_installation_that_would_break_is_refused_with_the_way_around(
    ready: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    ready.version = "v1.10.0"
    install = ("install", *CHART, "--helm", str(stub_helm.path))
    ran = command(*install, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "preflight")
    assert "a check failed before anything was changed: CIL-API-002" in ran.json["error"]["message"]
    assert "`--skip-preflight CIL-API-002`" in ran.json["error"]["hint"]
    assert not [call for call in stub_helm.calls if call.argv[0] == "install"]
    assert ready.get("leases", "ciliumctl", "kube-system") is None


@pytest.mark.parametrize("named", ["CIL-API-002", "all"])
def test_a_check_that_is_skipped_by_name_lets_it_through(
    ready: FakeCluster, command: Command, stub_helm: StubHelm, named: str
) -> None:
    ready.version = "v1.10.0"
    # Helm's answer to an installation, which is read as a manifest of one object where it is rendered.
    chart = {"metadata": {"name": "cilium", "version": "1.15.6"}}
    answer = {
        "name": "cilium",
        "namespace": "kube-system",
        "version": 1,
        "info": {"status": "deployed"},
        "chart": chart,
    }
    stub_helm.answer(stdout=json.dumps({**objects.config_map("cilium-config", {}), **answer}), values={})
    ran = command("install", *CHART, "--helm", str(stub_helm.path), "--skip-preflight", named)
    assert ran.code == 0, ran.err
    assert [call for call in stub_helm.calls if call.argv[0] == "install"]
    assert bool([seen for seen in ready.seen if seen.query.get("dryRun")]) is (named != "all")


def test_a_cilium_that_is_taken_over_is_not_refused_for_being_somebody_elses(
    ready: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    ready.add(objects.daemon_set(annotations=applied), objects.config_map("cilium-config", objects.CILIUM_CONFIG))
    ready.version = "v1.10.0"
    install = ("install", *CHART, "--helm", str(stub_helm.path), "--take-ownership", "--yes", "-o", "json")
    ran = command(*install)
    assert ran.json["error"]["code"] == "preflight", ran.err
    assert "CIL-API-002" in ran.json["error"]["message"]
    assert "CIL-REL" not in ran.json["error"]["message"]


def test_an_unknown_check_cannot_be_skipped(ready: FakeCluster, command: Command) -> None:
    ran = command("install", *CHART, "--skip-preflight", "CIL-NOPE-001")
    assert ran.code == 2
    assert not ready.seen


# The newest patch


def test_the_newest_patch_of_the_minor_that_is_there_comes_first(
    ready: FakeCluster, preflight: Command, tmp_path: Path
) -> None:
    ready.add(objects.release(version="1.14.3"), objects.daemon_set(annotations=objects.HELM_MARKS))
    packed = tmp_path / "cilium.tgz"
    with tarfile.open(packed, "w:gz") as out:
        out.add(HERE / "tests" / "charts" / "cilium", arcname="cilium")
    with site() as repository:
        digest = hashlib.sha256(packed.read_bytes()).hexdigest()
        repository.put("/cilium-1.15.6.tgz", packed.read_bytes())
        versions = [{"version": version, "urls": [f"cilium-{version}.tgz"]} for version in ("1.14.18", "1.14.3")]
        versions.append({"version": "1.15.6", "urls": ["cilium-1.15.6.tgz"], "digest": digest})
        repository.put("/index.yaml", yaml_files.dump({"apiVersion": "v1", "entries": {"cilium": versions}}))
        upgrade = ("--repository", repository.url, "--to", "1.15", "-o", "json")
        ran = preflight(*upgrade)
        found = {check["id"]: check for check in ran.json["data"]["checks"]}
        assert found["CIL-UPG-001"]["outcome"] == "passed"
        assert found["CIL-UPG-002"]["message"] == "1.14.3 is there, and 1.14.18 is the newest patch of 1.14"
    # The repository is gone; its index is still in the cache.
    ran = preflight(*upgrade)
    assert outcomes(ran)["CIL-UPG-002"] == "warning"


def test_a_version_that_the_chart_has_not_is_told_in_no_flags_name(preflight: Command) -> None:
    ran = preflight(*CHART, "--to", "1.20.0")
    assert ran.code == 2
    assert "is version 1.15.6, not 1.20.0 as asked for" in ran.err
    assert "--version" not in ran.err
