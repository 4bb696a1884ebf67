"""plan, diff, apply and config on a real API server, with Helm 3 and Helm 4 and Cilium's own charts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, SECRETS, dig
from tests.integration.conftest import Cluster, chart, eventually
from tests.world.run import Ran

VERSIONS = ["1.15.6", "1.16.19", "1.18.12", "1.20.0"]
SYSTEM = "kube-system"


@pytest.fixture(params=["helm", "helm4"])
def either(request: pytest.FixtureRequest, lab: Cluster, programs: dict[str, Path]) -> Cluster:
    """The lab with Helm 3, then with Helm 4."""
    lab.helm = programs[request.param]
    return lab


def install(lab: Cluster, version: str, *more: str) -> None:
    ran = lab.run("install", "--chart", str(chart(version)), "--wait", *more)
    assert ran.code == 0, ran.err


def objects_of(ran: Ran) -> dict[str, dict[str, Any]]:
    return {f"{item['kind']}/{item['name']}": item for item in ran.json["data"]["objects"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_right_after_an_installation_nothing_differs(either: Cluster, version: str) -> None:
    install(either, version)
    ran = either.run("plan", "--exit-code", "-o", "json")
    assert ran.code == 0, ran.out
    data = ran.json["data"]
    assert {item["operation"] for item in data["objects"]} <= {"regenerated"}
    assert (data["values"], data["effects"], data["restarts"]) == ([], [], [])
    ran = either.run("diff")
    assert (ran.code, ran.out) == (0, "no differences\n")


def test_drift_is_shown_and_applying_the_plan_does_exactly_what_it_says(lab: Cluster, tmp_path: Path) -> None:
    install(lab, "1.15.6")
    lab.kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"debug": "true", "mine": "1"}}, SYSTEM)
    template = {"spec": {"template": {"metadata": {"labels": {"added": "yes"}}}}}
    lab.kube.patch(DEPLOYMENTS, "cilium-operator", template, SYSTEM)
    ran = lab.run("diff")
    assert ran.code == 1, ran.err
    assert "-  debug: 'true'\n+  debug: 'false'" in ran.out
    assert "key `mine` is of no release, and stays" in ran.out
    path = tmp_path / "plan.json"
    ran = lab.run("plan", "--set", "operator.replicas=1", "--out", str(path), "-o", "json")
    assert ran.code == 0, ran.err
    planned = objects_of(ran)
    assert planned["ConfigMap/cilium-config"]["drift"][0] == "somebody changed it"
    assert planned["Deployment/cilium-operator"]["operation"] == "changed"
    ran = lab.run("apply", str(path), "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["values"] == ["operator.replicas"]
    live = lab.kube.get(CONFIG_MAPS, "cilium-config", SYSTEM)["data"]
    assert (live["debug"], live["mine"]) == ("false", "1")
    operator = lab.kube.get(DEPLOYMENTS, "cilium-operator", SYSTEM)
    assert operator["spec"]["replicas"] == 1
    ran = lab.run("apply", str(path))
    assert ran.code == 3
    assert "the release is at revision 2, not 1" in ran.err


def test_a_plan_is_stale_when_an_object_that_it_is_about_changed(lab: Cluster, tmp_path: Path) -> None:
    install(lab, "1.15.6")
    path = tmp_path / "plan.json"
    assert lab.run("plan", "--set", "debug.enabled=true", "-o", str(path)).code == 0
    lab.kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"mtu": "1400"}}, SYSTEM)
    ran = lab.run("apply", str(path), "--yes")
    assert ran.code == 3
    assert "changed in the cluster meanwhile: `ConfigMap kube-system/cilium-config`" in ran.err
    assert lab.releases()[0]["revision"] == "1"


def test_helm_4_takes_no_fields_from_others_and_the_plan_says_so(lab: Cluster, programs: dict[str, Path]) -> None:
    lab.helm = programs["helm4"]
    install(lab, "1.20.0")
    lab.kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"debug": "true"}}, SYSTEM)
    ran = lab.run("plan", "-o", "json")
    assert ran.code == 0, ran.err
    refused = objects_of(ran)["ConfigMap/cilium-config"]["refused"]
    assert "Helm will not take fields from others" in refused
    assert ".data.debug" in refused
    # The same value is no conflict.
    ran = lab.run("plan", "--set", "debug.enabled=true", "-o", "json")
    assert objects_of(ran)["ConfigMap/cilium-config"]["refused"] == ""


def test_an_upgrade_is_planned_with_what_it_adds_and_rolls(lab: Cluster) -> None:
    install(lab, "1.15.6")
    ran = lab.run("plan", "--chart", str(chart("1.16.19")), "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    added = {name for name, item in objects_of(ran).items() if item["operation"] == "added"}
    assert {"DaemonSet/cilium-envoy", "ServiceAccount/cilium-envoy", "Service/cilium-envoy"} <= added
    assert not any(item["refused"] for item in data["objects"])
    assert (data["worst"], data["confirmation"]) == ("interruption", "yes")
    assert {item["workload"] for item in data["restarts"] if item["by"] == "rollout"} == {
        "daemonset/cilium",
        "deployment/cilium-operator",
    }
    assert data["requests"] < 3 * len(data["objects"]) + 30


def test_an_installation_is_planned_where_nothing_is(lab: Cluster) -> None:
    ran = lab.run("plan", "--chart", str(chart("1.20.0")), "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert data["operation"] == "install"
    assert {item["operation"] for item in data["objects"]} == {"added"}
    assert lab.releases() == []


def test_no_secret_of_the_cluster_is_in_a_diff_or_a_saved_plan(lab: Cluster, tmp_path: Path) -> None:
    install(lab, "1.15.6")
    secret = lab.kube.get(SECRETS, "cilium-ca", SYSTEM)["data"]["ca.key"]
    path = tmp_path / "plan.json"
    ran = lab.run("plan", "--set", "debug.enabled=true", "--out", str(path), "-o", "json")
    assert ran.code == 0, ran.err
    for text in (ran.out, path.read_text(), lab.run("diff", "--mode", "release").out):
        assert secret not in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_config_set_goes_through_helm_and_restarts_the_agents_node_by_node(either: Cluster) -> None:
    install(either, "1.18.12")
    before = either.kube.get(DAEMON_SETS, "cilium", SYSTEM)
    ran = either.run("config", "set", "enable-endpoint-health-checking=false", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert data["values"] == ["endpointHealthChecking.enabled"]
    assert set(data["restarted"]) == {"daemonset/cilium", "deployment/cilium-operator"}
    assert data["status"]["healthy"]
    live = either.kube.get(CONFIG_MAPS, "cilium-config", SYSTEM)["data"]
    assert live["enable-endpoint-health-checking"] == "false"
    after = either.kube.get(DAEMON_SETS, "cilium", SYSTEM)
    assert after["metadata"]["generation"] > before["metadata"]["generation"]
    eventually(lambda: dig(either.kube.get(DAEMON_SETS, "cilium", SYSTEM), "status", "updatedNumberScheduled") == 3)
    ran = either.run("plan", "--exit-code", "-o", "json")
    assert ran.code == 0, "the mark of a restart is no difference"
    ran = either.run("config", "diff", "--no-agents")
    assert ran.code == 0, ran.out
    ran = either.run("config", "unset", "endpointHealthChecking.enabled", "--no-wait", "-o", "json")
    assert ran.code == 0, ran.err
    assert either.kube.get(CONFIG_MAPS, "cilium-config", SYSTEM)["data"]["enable-endpoint-health-checking"] == "true"


def test_config_set_of_a_key_without_a_value_goes_through_extra_config(lab: Cluster) -> None:
    install(lab, "1.15.6")
    ran = lab.run("config", "set", "no-such-setting=1")
    assert ran.code == 2
    assert "`extraConfig.no-such-setting`" in ran.err
    ran = lab.run("config", "set", "extraConfig.no-such-setting=1", "--no-wait")
    assert ran.code == 0, ran.err
    assert "goes past the chart" in ran.err
    live = lab.kube.get(CONFIG_MAPS, "cilium-config", SYSTEM)["data"]
    assert live["no-such-setting"] == "1"
    stored = json.loads(lab.run("values", "show", "-o", "json").out)
    assert stored["kind"] == "Values"
