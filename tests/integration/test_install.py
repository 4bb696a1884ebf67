from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, LEASES, NAMESPACES, dig, labels_of
from tests.integration.conftest import Cluster, MakeCluster, chart, eventually

CHART = "1.15.6"


@pytest.mark.parametrize("helm", ["helm", "helm4"])
@pytest.mark.parametrize("version", ["1.15.6", "1.19.6", "1.20.0"])
def test_cilium_is_installed_waited_for_known_again_and_removed(
    lab: Cluster, programs: dict[str, Path], helm: str, version: str
) -> None:
    lab.helm = programs[helm]
    archive = str(chart(version))

    ran = lab.run("install", "--version", version, "--chart", archive, "--wait", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["version"], data["revision"]) == ("installed", version, 1)
    agent = data["status"]["components"][0]
    assert (agent["name"], agent["state"], agent["ready"], agent["desired"]) == ("agent", "healthy", 3, 3)

    ran = lab.run("install", "--version", version, "--chart", archive, "-o", "json")
    assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")
    assert [found["revision"] for found in lab.releases()] == ["1"]

    ran = lab.run("install", "--chart", archive, "--set", "debug.enabled=true")
    assert ran.code == 3
    assert "ciliumctl upgrade" in ran.err
    assert [found["revision"] for found in lab.releases()] == ["1"]

    ran = lab.run("status", "-o", "json")
    assert (ran.code, ran.json["data"]["version"]) == (0, version)
    assert any("simulated" in note for note in ran.json["data"]["notes"])

    ran = lab.run("uninstall", "--yes")
    assert ran.code == 0, ran.err
    assert lab.releases() == []
    assert lab.kube.find(DAEMON_SETS, "cilium", "kube-system") is None


def test_the_namespace_of_the_exercise_is_made_when_it_is_not_there(lab: Cluster) -> None:
    ran = lab.run("install", "-n", "cilium", "--chart", str(chart(CHART)), "--wait")
    assert ran.code == 0, ran.err
    assert "Creating namespace `cilium`" in ran.err
    assert lab.kube.find(CONFIG_MAPS, "cilium-config", "cilium") is not None
    assert lab.run("status").code == 1
    ran = lab.run("uninstall", "-n", "cilium", "--yes", "--delete-namespace")
    assert ran.code == 0, ran.err
    assert lab.kube.find(NAMESPACES, "cilium") is None


def test_an_installation_that_does_not_get_healthy_is_taken_back_with_atomic(lab: Cluster) -> None:
    crash = "podAnnotations.lab\\.ciliumctl\\.io/behaviour=crash"
    ran = lab.run("install", "--chart", str(chart(CHART)), "--set", crash, "--atomic", "--timeout", "25s")
    assert ran.code == 4, ran.err
    assert "was taken back" in ran.out
    assert "everything was taken back" in ran.err
    assert "CrashLoopBackOff" in ran.out
    assert lab.releases() == []
    assert lab.kube.find(DAEMON_SETS, "cilium", "kube-system") is None
    assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None


def test_without_atomic_it_stays_to_be_looked_at(lab: Cluster) -> None:
    crash = "podAnnotations.lab\\.ciliumctl\\.io/behaviour=crash"
    ran = lab.run("install", "--chart", str(chart(CHART)), "--set", crash, "--wait", "--timeout", "25s", "-o", "json")
    assert ran.code == 4, ran.err
    assert ran.json["error"]["code"] == "timeout"
    (problem,) = [found for found in ran.json["data"]["status"]["problems"] if found["severity"] == "error"]
    assert "3 CrashLoopBackOff" in problem["message"]
    assert "simulated crash" in problem["details"][0]
    assert [found["status"] for found in lab.releases()] == ["deployed"]


def test_ctrl_c_while_waiting_says_how_to_go_on(lab: Cluster) -> None:
    slow = "podAnnotations.lab\\.ciliumctl\\.io/delay=600s"
    running = lab.start("install", "--chart", str(chart(CHART)), "--set", slow, "--wait")
    assert running.stderr is not None
    assert any("Waiting for Cilium" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "`ciliumctl status --wait` goes on" in err
    assert "Traceback" not in err
    assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None
    assert [found["status"] for found in lab.releases()] == ["deployed"]


def test_ctrl_c_while_helm_works_ends_helm_and_leaves_what_can_be_mended(lab: Cluster) -> None:
    running = lab.start("install", "--chart", str(chart(CHART)), "--wait")
    assert running.stderr is not None
    assert any("Creating the Helm release" in line for line in running.stderr)
    eventually(lambda: _children_of(running.pid))
    children = _children_of(running.pid)
    assert children, "helm was done before it could be interrupted"
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None
    # Whatever state helm was caught in, one of the commands that the message names goes on.
    ran = lab.run("install", "--chart", str(chart(CHART)), "--wait")
    if ran.code == 3:
        assert "pending-install" in ran.err
        assert "`ciliumctl recover`" in ran.err
        ran = lab.run("recover", "--yes")
    assert ran.code == 0, ran.err


def test_sigterm_ends_with_143(lab: Cluster) -> None:
    slow = "podAnnotations.lab\\.ciliumctl\\.io/delay=600s"
    running = lab.start("install", "--chart", str(chart(CHART)), "--set", slow, "--wait")
    assert running.stderr is not None
    assert any("Waiting for Cilium" in line for line in running.stderr)
    running.terminate()
    running.communicate(timeout=20)
    assert running.returncode == 143


def test_of_two_installations_at_once_one_does_it_and_the_other_is_told_who(lab: Cluster) -> None:
    command = ("install", "--chart", str(chart(CHART)), "--wait")
    both = [lab.start(*command), lab.start(*command)]
    ended = [(running.communicate(timeout=120), running.returncode) for running in both]
    codes = sorted(code for _said, code in ended)
    assert codes in ([0, 0], [0, 3]), ended
    for (_out, err), code in ended:
        if code == 3:
            assert "has been running `ciliumctl install`" in err or "exists already" in err or "pending" in err
    assert [found["revision"] for found in lab.releases()] == ["1"]


def test_a_dry_run_changes_nothing(lab: Cluster) -> None:
    for kind in ("client", "server"):
        ran = lab.run("install", "--chart", str(chart(CHART)), f"--dry-run={kind}")
        assert ran.code == 0, ran.err
        assert "kind: DaemonSet" in ran.out
    assert lab.releases() == []
    assert lab.kube.find(DAEMON_SETS, "cilium", "kube-system") is None


def test_a_manifest_and_values_are_exported_without_any_cluster(lab: Cluster) -> None:
    archive = str(chart("1.20.0"))
    ran = lab.run("install", "--export", "manifests", "--chart", archive, KUBECONFIG="/none")
    assert ran.code == 0, ran.err
    assert "kind: DaemonSet" in ran.out
    ran = lab.run(
        "install", "--export", "values", "--chart", archive, "--set", "debug.enabled=true", KUBECONFIG="/none"
    )
    assert ran.out == "debug:\n  enabled: true\n"


def test_what_the_chart_itself_refuses_is_told_in_its_own_words(lab: Cluster) -> None:
    ran = lab.run(
        "install", "--chart", str(chart("1.20.0")), "--set", "hubble.tls.auto.method=nonsense", "--set", "ipam.mode=4"
    )
    assert ran.code == 6, ran.err
    assert "ipam" in ran.err
    assert lab.releases() == []


def test_a_user_without_rights_is_told_which_ones_are_missing(lab: Cluster) -> None:
    ran = lab.run("install", "--chart", str(chart(CHART)), "--as", "jane")
    assert ran.code == 5
    assert "this user lacks rights that the installation needs" in ran.err
    ran = lab.run("install", "--chart", str(chart(CHART)), "--as", "jane", "-v")
    assert "- create `clusterroles.rbac.authorization.k8s.io`" in ran.err
    assert "- patch `daemonsets.apps` in namespace `kube-system`" in ran.err
    assert lab.releases() == []


def test_a_dry_run_without_a_word_asks_no_server_to_check(lab: Cluster) -> None:
    ran = lab.run("install", "--chart", str(chart(CHART)), "--dry-run")
    assert ran.code == 0, ran.err
    assert "kind: DaemonSet" in ran.out


def test_another_cni_in_charge_is_refused(lab: Cluster) -> None:
    labels = {"app": "flannel"}
    flannel = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-flannel-ds", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "kube-flannel", "image": "docker.io/flannel/flannel:v0.27.0"}]},
            },
        },
    }
    kube = lab.kube
    kube.create(DAEMON_SETS, flannel, "kube-system")
    try:
        ran = lab.run("install", "--chart", str(chart(CHART)), "-o", "json")
        assert ran.code == 3
        assert ran.json["error"]["code"] == "another-cni"
        assert "Flannel" in ran.err
    finally:
        kube.delete(DAEMON_SETS, "kube-flannel-ds", "kube-system")
    eventually(lambda: kube.find(DAEMON_SETS, "kube-flannel-ds", "kube-system") is None)


def test_old_values_are_refused_with_the_new_ones_in_the_hint_and_translated_on_demand(
    lab: Cluster, tmp_path: Path
) -> None:
    old = tmp_path / "old.yaml"
    old.write_text("global:\n  hubble:\n    enabled: true\n    relay:\n      enabled: true\n")
    ran = lab.run("install", "--chart", str(chart(CHART)), "-f", str(old))
    assert ran.code == 3
    assert "hubble:" in ran.err
    ran = lab.run("install", "--chart", str(chart(CHART)), "-f", str(old), "--translate-values", "--wait")
    assert ran.code == 0, ran.err
    done = subprocess.run(
        [str(lab.helm), "get", "values", "cilium", "-n", "kube-system", "-o", "json"],
        env=lab.environ,
        capture_output=True,
        check=True,
    )
    assert dig(json.loads(done.stdout), "hubble", "relay", "enabled", default=False) is True


POD_SECURITY = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, enforce-version: latest}
"""


def test_a_new_namespace_is_labelled_where_the_cluster_would_refuse_the_agents(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    config = tmp_path / "admission.yaml"
    config.write_text(POD_SECURITY, encoding="utf-8")
    strict = make_cluster("strict", "--nodes", "2")
    with strict.api_server_gone() as come_back:
        come_back(f"--admission-control-config-file={config}")
        eventually(lambda: strict.run("version").code == 0)
        ran = strict.run("install", "-n", "cilium", "--chart", str(chart(CHART)), "--wait")
        assert ran.code == 0, ran.err
        assert "this cluster enforces PodSecurity" in ran.err
        labels = labels_of(strict.kube.get(NAMESPACES, "cilium"))
        assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def _children_of(pid: int) -> list[str]:
    """The programs that a process started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(stat.parent.name)
    return found
