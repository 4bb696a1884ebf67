from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ciliumctl import release
from ciliumctl.clients.kube import LEASES, PODS, SECRETS, Kube, conditions_of, name_of
from tests.integration.conftest import Cluster, MakeCluster, chart, eventually

OLD, NEW = "1.15.19", "1.16.19"
#: Never more than one agent at a time: what goes beyond is not the rolling update's doing.
ONE_BY_ONE = ("--set", "updateStrategy.rollingUpdate.maxUnavailable=1")
SEED = 5


@dataclass
class Agents:
    """The fewest agents that were ready at any moment, and every pod that was seen."""

    fewest: int = 99
    seen: set[str] = field(default_factory=set)


@contextmanager
def watched(kube: Kube) -> Iterator[Agents]:
    agents, stopped = Agents(), threading.Event()

    def look() -> None:
        while not stopped.is_set():
            pods = list(kube.objects(PODS, "kube-system", labels="k8s-app=cilium"))
            ready = [pod for pod in pods if conditions_of(pod).get("Ready", {}).get("status") == "True"]
            agents.fewest = min(agents.fewest, len(ready))
            agents.seen |= {name_of(pod) for pod in pods}
            stopped.wait(0.05)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield agents
    finally:
        stopped.set()
        thread.join()


def helm(lab: Cluster, *arguments: str) -> None:
    done = subprocess.run(
        [str(lab.helm), *arguments, "-n", "kube-system"], env=lab.environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def installed(lab: Cluster) -> None:
    ran = lab.run("install", "--chart", str(chart(OLD)), "--wait", *ONE_BY_ONE)
    assert ran.code == 0, ran.err


def upgrade(version: str = NEW) -> tuple[str, ...]:
    # What is only looked at before anything is changed has tests of its own.
    return ("upgrade", "--yes", "--no-backup", "--skip-lint", "--skip-preflight", "all", "--chart", str(chart(version)))


def kill_all(running: subprocess.Popen[str]) -> None:
    """SIGKILL for ciliumctl and for helm's process group, as when a machine dies."""
    children = children_of(running.pid)
    running.kill()
    for child in children:
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
    running.communicate()


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def statuses(lab: Cluster) -> dict[int, str]:
    return {item.revision: item.status for item in release.revisions(lab.kube, "cilium", "kube-system")}


#: How long a whole upgrade takes on this machine, by the Helm that does it.
_SECONDS: dict[str, float] = {}


def duration_of_an_upgrade(lab: Cluster, program: str) -> float:
    if program not in _SECONDS:
        began = time.monotonic()
        ran = lab.run(*upgrade())
        assert ran.code == 0, ran.err
        _SECONDS[program] = time.monotonic() - began
        back_to_the_old_one(lab)
    return _SECONDS[program]


def back_to_the_old_one(lab: Cluster) -> None:
    """An upgrade by Helm itself, to the older chart: any upgrade must work after a recovery."""
    helm(lab, "upgrade", "cilium", str(chart(OLD)), "--set", "kubeProxyReplacement=false", *ONE_BY_ONE)
    ran = lab.run("status", "--wait", "--timeout", "60s")
    assert ran.code == 0, ran.out


def moments(count: int, seconds: float, rng: random.Random) -> list[float]:
    """Random moments, one in each of as many equal parts of the duration."""
    return [(part + rng.random()) * seconds / count for part in range(count)]


@pytest.mark.parametrize(
    ("program", "part", "parts"), [("helm", 0, 3), ("helm", 1, 3), ("helm", 2, 3), ("helm4", 0, 2), ("helm4", 1, 2)]
)
def test_an_upgrade_that_is_killed_at_any_moment_is_mended_without_losing_an_agent(
    lab: Cluster, programs: dict[str, Path], program: str, part: int, parts: int
) -> None:
    lab.helm = programs[program]
    installed(lab)
    whole = duration_of_an_upgrade(lab, program)
    rng = random.Random(f"{SEED} {program}")  # noqa: S311 - moments, not keys
    # Every part has early and late ones.
    for moment in moments(2 * parts, whole, rng)[part::parts]:
        running = lab.start(*upgrade())
        time.sleep(moment)
        with watched(lab.kube) as agents:
            kill_all(running)
            ran = lab.run("recover", "--yes", "-o", "json")
        told = f"killed after {moment:.1f} of {whole:.1f} s\n{ran.err}\n{ran.out}"
        assert ran.code == 0, told
        assert agents.fewest >= 2, told
        found = statuses(lab)
        assert found[max(found)] == "deployed", told
        assert list(found.values()).count("deployed") == 1, f"{found} {told}"
        assert not [state for state in found.values() if state.startswith("pending")], f"{found} {told}"
        assert lab.kube.find(LEASES, "ciliumctl", "kube-system") is None
        if ran.json["data"]["version"] == NEW:
            back_to_the_old_one(lab)
    ran = lab.run(*upgrade(), "--no-wait")
    assert ran.code == 0, ran.err


def in_helm(running: subprocess.Popen[str]) -> int:
    """Wait until helm is at work on the change, and give its number."""
    assert running.stderr is not None
    assert any("Changing the Helm release" in line for line in running.stderr)
    eventually(lambda: children_of(running.pid))
    return children_of(running.pid)[0]


def test_a_helm_that_outlives_its_run_is_not_disturbed_and_ends_its_work(lab: Cluster) -> None:
    installed(lab)
    running = lab.start(*upgrade())
    child = in_helm(running)
    os.kill(child, signal.SIGSTOP)
    running.kill()
    running.communicate()
    ran = lab.run("recover", "--yes")
    assert ran.code == 3, ran.err
    assert "has been running `ciliumctl upgrade`" in ran.err
    os.kill(child, signal.SIGCONT)
    eventually(lambda: not Path(f"/proc/{child}").exists())
    ran = lab.run("recover", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["version"] == NEW


def test_a_first_installation_that_was_killed_goes_on(lab: Cluster) -> None:
    running = lab.start("install", "--chart", str(chart(OLD)), *ONE_BY_ONE)
    kube = lab.kube
    eventually(lambda: kube.find(SECRETS, "sh.helm.release.v1.cilium.v1", "kube-system"), seconds=120)
    kill_all(running)
    assert set(statuses(lab).values()) == {"pending-install"}
    ran = lab.run("recover", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["action"] in {"continue", "finish"}
    assert ran.json["data"]["release_status"] == "deployed"
    assert "uninstall" not in ran.err


def test_of_two_upgrades_at_once_the_second_is_told_who_does_it(lab: Cluster) -> None:
    installed(lab)
    running = lab.start(*upgrade())
    child = in_helm(running)
    os.kill(child, signal.SIGSTOP)
    ran = lab.run("recover", "--yes")
    assert ran.code == 3, ran.err
    assert f"(process {running.pid}) has been running `ciliumctl upgrade`" in ran.err
    ran = lab.run(*upgrade())
    assert ran.code == 3, ran.err
    os.kill(child, signal.SIGCONT)
    _out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err


def test_a_rollback_goes_to_the_last_good_revision_and_says_what_breaks(lab: Cluster) -> None:
    installed(lab)
    assert lab.run(*upgrade(), "--no-wait").code == 0
    ran = lab.run("rollback", "--dry-run", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["from_revision"], data["to_revision"], data["version"]) == (2, 1, OLD)
    assert "DaemonSet kube-system/cilium-envoy" in data["deleted"]
    assert {hazard["code"] for hazard in data["hazards"]} >= {"envoy", "crds"}
    assert lab.run("rollback").code == 3
    ran = lab.run("rollback", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["data"]["revision"], ran.json["data"]["status"]["version"]) == (3, OLD)
    ran = lab.run("rollback", "--yes")
    assert ran.code == 3
    assert "no good revision to go back to" in ran.err


def test_users_secrets_in_a_namespace_of_the_newer_chart_need_the_context_s_name(
    lab: Cluster, programs: dict[str, Path]
) -> None:
    lab.helm = programs["helm4"]
    ran = lab.run("install", "--chart", str(chart(NEW)), "--wait", *ONE_BY_ONE)
    assert ran.code == 0, ran.err
    ran = lab.run(*upgrade("1.18.12"), "--allow-skip", "--no-wait")
    assert ran.code == 0, ran.err
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls"}, "data": {}}
    lab.kube.create(SECRETS, secret, "cilium-secrets")
    ran = lab.run("rollback", "--yes", "-o", "json")
    assert ran.code == 3, ran.err
    assert "namespace `cilium-secrets` is deleted with 1 Secrets in it: `shop-tls`" in ran.err
    assert "--confirm shared" in ran.err
    assert lab.kube.find(SECRETS, "shop-tls", "cilium-secrets") is not None
    ran = lab.run("rollback", "--yes", "--confirm", "shared", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["data"]["status"]["version"] == NEW


def test_an_api_server_that_dies_in_the_middle_of_an_upgrade_leaves_what_recover_mends(
    make_cluster: MakeCluster,
) -> None:
    own = make_cluster("dying", "--nodes", "2")
    installed(own)
    running = own.start(*upgrade(), "--timeout", "60s")
    child = in_helm(running)
    with own.api_server_gone() as come_back:
        eventually(lambda: not Path(f"/proc/{child}").exists(), seconds=60)
        _out, err = running.communicate(timeout=60)
        assert running.returncode in {5, 6}, err
        come_back()
        eventually(lambda: own.run("version").code == 0, seconds=60)
        ran = own.run("recover", "--yes", "-o", "json")
        assert ran.code == 0, ran.err
        found = statuses(own)
        assert found[max(found)] == "deployed", found
