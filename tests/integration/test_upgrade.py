from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, LEASES, PODS, dig
from tests.integration.conftest import CHARTS, Cluster, MakeCluster, chart

VERSIONS = ("1.15.6", "1.15.19", "1.16.19", "1.18.12", "1.19.6", "1.20.0")
BEHAVIOUR = "podAnnotations.lab\\.ciliumctl\\.io/behaviour"
DELAY = "podAnnotations.lab\\.ciliumctl\\.io/delay"
# Simulated pods are ready at once: what is tested is not how fast they are.
QUICK = ("--set", "podAnnotations.lab\\.ciliumctl\\.io/jitter=1ms")


def installed(lab: Cluster, version: str, *more: str) -> None:
    ran = lab.run("install", "--chart", str(chart(version)), "--wait", *QUICK, *more)
    assert ran.code == 0, ran.err


def images(lab: Cluster) -> dict[str, str]:
    """The image of the agent on each node."""
    return {
        dig(pod, "spec", "nodeName", default=""): dig(pod, "spec", "containers", 0, "image", default="").split("@")[0]
        for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")
    }


def versions(lab: Cluster) -> list[str]:
    return sorted(image.rsplit(":v", 1)[1] for image in images(lab).values())


def strategy(lab: Cluster, name: str = "cilium") -> str:
    return str(dig(lab.kube.get(DAEMON_SETS, name, "kube-system"), "spec", "updateStrategy", "type"))


def values(lab: Cluster) -> dict[str, Any]:
    argv = [str(lab.helm), "get", "values", "cilium", "-n", "kube-system", "-o", "json"]
    done = subprocess.run(argv, env=lab.environ, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def revision(lab: Cluster) -> str:
    return str(lab.releases()[0]["revision"])


@pytest.mark.parametrize("helm", ["helm", "helm4"])
def test_each_minor_is_reached_from_the_one_before_and_left_again(
    lab: Cluster, programs: dict[str, Path], helm: str, tmp_path: Path
) -> None:
    for version in VERSIONS:
        chart(version)
    lab.helm = programs[helm]
    installed(lab, VERSIONS[0])
    own = values(lab)

    ran = lab.run("upgrade", "--version", "1.20", "--repository", str(CHARTS), "--via", "auto", "--yes")
    assert ran.code == 3, ran.err
    assert "1.17" in ran.err
    assert "--allow-skip" in ran.err
    assert revision(lab) == "1"

    folder = tmp_path / "saved"
    way = ("--version", "1.20", "--repository", str(CHARTS), "--via", "auto", "--allow-skip")
    ran = lab.run("upgrade", *way, "--yes", "--backup-dir", str(folder), "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["version"], data["revision"]) == ("upgraded", "1.20.0", len(VERSIONS))
    assert [step["version"] for step in data["steps"]] == list(VERSIONS[1:])
    assert all(step["status"]["healthy"] for step in data["steps"])
    assert versions(lab) == ["1.20.0"] * 3
    assert values(lab) == own
    assert json.loads((folder / "release.json").read_text())["chart"] == "1.15.6"

    ran = lab.run("upgrade", *way, "--yes", "-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")

    for number in range(len(VERSIONS) - 1, 0, -1):
        ran = lab.run("rollback", str(number), "--yes", "--confirm", lab.kube.context, "-o", "json")
        assert ran.code == 0, ran.err
        assert ran.json["data"]["version"] == VERSIONS[number - 1]
        assert versions(lab) == [VERSIONS[number - 1]] * 3


def test_what_the_new_chart_refuses_changes_nothing(lab: Cluster) -> None:
    installed(lab, "1.15.6", "--set", "kubeProxyReplacement=strict,k8sServiceHost=192.0.2.1,k8sServicePort=6443")
    for more in ((), ("--dry-run",)):
        ran = lab.run("upgrade", "--chart", str(chart("1.16.19")), "--yes", "--no-backup", *more)
        assert ran.code == 6, ran.err
        assert "kubeProxyReplacement must be explicitly set" in ran.err
    assert [(found["revision"], found["status"]) for found in lab.releases()] == [("1", "deployed")]
    assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None


def test_values_that_the_new_chart_would_drop_are_refused_with_what_to_write_instead(lab: Cluster) -> None:
    installed(lab, "1.16.19", "--set", "externalIPs.enabled=true,kubeProxyReplacement=false")
    way = ("upgrade", "--chart", str(chart("1.18.12")), "--allow-skip", "--no-backup", "--yes")
    ran = lab.run(*way, "-o", "json")
    assert ran.code == 3, ran.err
    assert ran.json["error"]["code"] == "legacy-values"
    assert "externalIPs.enabled" in ran.err
    assert revision(lab) == "1"
    ran = lab.run(*way, "--skip-lint")
    assert ran.code == 0, ran.err


def test_an_upgrade_that_does_not_get_healthy_stays_to_be_looked_at_and_is_taken_back_with_atomic(
    lab: Cluster,
) -> None:
    installed(lab, "1.15.6")
    crash = ("--set", f"{BEHAVIOUR}=crash", "--no-backup", "--yes", "--wait-duration", "6s", "-o", "json")

    ran = lab.run("upgrade", "--chart", str(chart("1.15.19")), *crash, "--atomic")
    assert ran.code == 4, ran.err
    (step,) = ran.json["data"]["steps"]
    assert (ran.json["data"]["outcome"], ran.json["data"]["version"]) == ("taken-back", "1.15.6")
    assert step["taken_back"]["status"]["healthy"]
    dump = Path(step["taken_back"]["dump"])
    assert dump.stat().st_size > 0
    dump.unlink()
    assert "CrashLoopBackOff" in ran.out
    assert versions(lab) == ["1.15.6"] * 3
    assert BEHAVIOUR not in json.dumps(values(lab))

    ran = lab.run("upgrade", "--chart", str(chart("1.15.19")), *crash)
    assert ran.code == 4, ran.err
    assert ran.json["error"]["code"] == "timeout"
    assert ran.json["data"]["outcome"] == "unhealthy"
    assert "CrashLoopBackOff" in ran.out
    # What was healthy goes on: the rollout stops at its own limit.
    assert versions(lab).count("1.15.6") >= 1

    ran = lab.run("rollback", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert versions(lab) == ["1.15.6"] * 3


def test_of_two_upgrades_at_once_the_second_is_told_who_is_at_work(lab: Cluster) -> None:
    installed(lab, "1.15.6")
    way = ("upgrade", "--chart", str(chart("1.15.19")), "--no-backup", "--yes")
    first = lab.start(*way, "--set", f"{DELAY}=600s")
    assert first.stderr is not None
    assert any("Changing the Helm release" in line for line in first.stderr)
    second = lab.run(*way, "--set", "debug.enabled=true")
    assert second.code == 3, second.err
    assert "has been running `ciliumctl upgrade` on this cluster" in second.err
    assert any("Waiting for Cilium" in line for line in first.stderr)
    first.send_signal(signal.SIGINT)
    _out, err = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "`ciliumctl status --wait` goes on" in err
    assert "Traceback" not in err
    assert revision(lab) == "2"
    ran = lab.run("rollback", "--yes")
    assert ran.code == 0, ran.err
    assert versions(lab) == ["1.15.6"] * 3


def test_an_api_server_that_goes_away_in_the_middle_is_waited_for(make_cluster: MakeCluster) -> None:
    lab = make_cluster("away", "--nodes", "2")
    installed(lab, "1.15.6")
    running = lab.start("upgrade", "--chart", str(chart("1.15.19")), "--no-backup", "--yes", "--set", f"{DELAY}=4s")
    assert running.stderr is not None
    # The first look is over: what follows is a wait.
    assert any("agent " in line and "operator " in line for line in running.stderr)
    with lab.api_server_gone() as come_back:
        assert any("the API server does not answer" in line for line in running.stderr)
        ran = lab.run("upgrade", "--chart", str(chart("1.16.19")), "--yes")
        assert ran.code == 5, ran.err
        come_back()
        _out, err = running.communicate(timeout=90)
        assert running.returncode == 0, err
        assert versions(lab) == ["1.15.19"] * 2


@pytest.mark.parametrize("helm", ["helm", "helm4"])
def test_a_staged_upgrade_that_is_stopped_goes_on_later(lab: Cluster, programs: dict[str, Path], helm: str) -> None:
    lab.helm = programs[helm]
    installed(lab, "1.15.19", "--set", "updateStrategy.type=RollingUpdate", "--set", "operator.replicas=1")
    own = values(lab)

    staged = ("upgrade", "--chart", str(chart("1.16.19")), "--no-backup", "--yes")
    running = lab.start(*staged, "--batch", "1", "--pause", "60s", "--pull-images-first")
    assert running.stderr is not None
    said = []
    for line in running.stderr:
        said.append(line)
        if "Pausing" in line:
            break
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "`ciliumctl upgrade --batch SIZE` goes on" in err
    assert any("have them" in line for line in said)
    assert lab.kube.find(DAEMON_SETS, "cilium-pre-flight-check", "kube-system") is None
    assert versions(lab) == ["1.15.19", "1.15.19", "1.16.19"]
    assert (strategy(lab), strategy(lab, "cilium-envoy")) == ("OnDelete", "OnDelete")
    assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None

    ran = lab.run("status")
    assert ran.code == 1
    assert "2 of 3 agents still run the old version, updates are paused" in ran.out
    ran = lab.run("upgrade", "--chart", str(chart("1.18.12")), "--allow-skip", "--yes")
    assert ran.code == 3, ran.err
    assert "is not finished" in ran.err

    new = {node for node, image in images(lab).items() if image.endswith("1.16.19")}
    before = {dig(pod, "metadata", "uid") for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")}
    ran = lab.run("upgrade", "--batch", "50%", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["outcome"] == "upgraded"
    assert f"Batch 1 of 1: {', '.join(sorted(set(images(lab)) - new))}" in ran.err
    assert versions(lab) == ["1.16.19"] * 3
    assert (strategy(lab), strategy(lab, "cilium-envoy")) == ("RollingUpdate", "RollingUpdate")
    assert values(lab) == own
    after = {dig(pod, "metadata", "uid") for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")}
    assert len(before & after) == 1
    # The last revision put the strategy back and restarted nothing.
    ran = lab.run("upgrade", "--chart", str(chart("1.16.19")), "-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")


def test_a_batch_that_does_not_come_up_leaves_the_rest_on_the_old_version(lab: Cluster) -> None:
    installed(lab, "1.15.6")
    crash = ("--set", f"{BEHAVIOUR}=crash", "--no-backup", "--yes", "--wait-duration", "6s", "-o", "json")
    ran = lab.run("upgrade", "--chart", str(chart("1.15.19")), *crash, "--batch", "1")
    assert ran.code == 4, ran.err
    (step,) = ran.json["data"]["steps"]
    assert len(step["left"]) == 2
    assert versions(lab) == ["1.15.19", "1.15.6", "1.15.6"]

    ran = lab.run("rollback", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert versions(lab) == ["1.15.6"] * 3
    assert strategy(lab) == "RollingUpdate"

    ran = lab.run("upgrade", "--chart", str(chart("1.15.19")), *crash, "--batch", "1", "--atomic")
    assert ran.code == 4, ran.err
    assert ran.json["data"]["outcome"] == "taken-back"
    assert ran.json["data"]["steps"][0]["taken_back"]["status"]["healthy"]
    Path(ran.json["data"]["steps"][0]["taken_back"]["dump"]).unlink()
    assert versions(lab) == ["1.15.6"] * 3
    assert strategy(lab) == "RollingUpdate"


def test_a_change_of_settings_is_staged_too_and_some_nodes_can_be_left_out(lab: Cluster) -> None:
    installed(lab, "1.15.19")
    before = {dig(pod, "metadata", "uid") for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")}
    first = "kubernetes.io/hostname=node-1"
    ran = lab.run(
        "upgrade", "--set", "debug.enabled=true", "--batch", "1", "--node-selector", first, "--yes", "-o", "json"
    )
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["steps"][0]["left"]) == ("paused", ["node-2", "node-3"])
    assert "daemonset/cilium" in data["steps"][0]["restarted"]
    assert dig(lab.kube.get(CONFIG_MAPS, "cilium-config", "kube-system"), "data", "debug") == "true"
    # All at once this time: the own strategy does the rest.
    ran = lab.run("upgrade", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["outcome"] == "upgraded"
    after = {dig(pod, "metadata", "uid") for pod in lab.kube.objects(PODS, "kube-system", labels="k8s-app=cilium")}
    assert not before & after
    assert strategy(lab) == "RollingUpdate"
    assert "updateStrategy" not in values(lab)


def test_a_downgrade_needs_its_flag(lab: Cluster) -> None:
    installed(lab, "1.15.19")
    way = ("upgrade", "--chart", str(chart("1.15.6")), "--yes", "--no-backup")
    ran = lab.run(*way, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "downgrade")
    assert "ciliumctl rollback" in ran.json["error"]["hint"]
    ran = lab.run(*way, "--allow-downgrade")
    assert ran.code == 0, ran.err
    assert versions(lab) == ["1.15.6"] * 3
