"""Cilium that something else manages, and what is asked for that makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.helm import StubHelm

MINE = {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "kube-system"}
TRACKED = {"argocd.argoproj.io/tracking-id": "net:apps/DaemonSet:kube-system/cilium"}
APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
FLUX = {"helm.toolkit.fluxcd.io/name": "cilium", "helm.toolkit.fluxcd.io/namespace": "flux-system"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("install",),
        ("install", "--dry-run"),
        ("upgrade", "--version", "1.16.19", "--yes"),
        ("rollback", "--yes"),
        ("recover", "--yes"),
        ("config", "set", "debug.enabled=true", "--yes"),
        ("uninstall", "--yes"),
        ("hubble", "enable"),
    ],
)
@pytest.mark.parametrize(
    ("marks", "owner", "words"),
    [
        ({"annotations": TRACKED}, "Argo CD's application `net`", "argocd app"),
        ({"annotations": MINE, "labels": FLUX}, "Flux's helmrelease `flux-system/cilium`", "helmrelease cilium"),
        ({"annotations": APPLIED}, "`kubectl apply`", "kubectl"),
        ({"labels": {"kubernetes.azure.com/managedby": "aks"}}, "AKS", "az aks"),
    ],
    ids=["argo", "flux", "kubectl", "aks"],
)
def test_what_changes_is_refused_with_the_owners_own_command(
    cluster: FakeCluster,
    command: Command,
    stub_helm: StubHelm,
    arguments: tuple[str, ...],
    marks: dict[str, Any],
    owner: str,
    words: str,
) -> None:
    cluster.add(objects.daemon_set(**marks))
    stub_helm.answer(stdout="v3.22.0")
    ran = command(*arguments, "--helm", str(stub_helm.path), "-o", "json")
    assert ran.code == 3, ran.err
    assert ran.json["error"]["code"] == "foreign-owner"
    assert owner in ran.json["error"]["message"]
    assert words in ran.json["error"]["hint"]
    assert {call.argv[0] for call in stub_helm.calls} <= {"version"}
    assert {seen.method for seen in cluster.seen} <= {"GET"}


def test_what_belongs_to_gitops_is_never_taken_over(
    cluster: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    cluster.add(objects.daemon_set(annotations=TRACKED))
    stub_helm.answer(stdout="v3.22.0")
    ran = command("install", "--take-ownership", "--yes", "--helm", str(stub_helm.path))
    assert ran.code == 3
    assert "`--take-ownership` is only for what `kubectl apply` made" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("install", "--take-ownership", "--atomic"), "`--atomic` would remove the Cilium"),
        (("install", "--output-dir", "x"), "`--output-dir` is for what `--export` makes"),
        (("install", "--export", "manifest"), "is not one of none, argocd, flux, kustomize, manifests, values"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(command: Command, arguments: tuple[str, ...], words: str) -> None:
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_a_status_without_a_release_says_whose_cilium_it_is(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*(item for item in objects.healthy_cilium() if item["kind"] != "Secret"))
    cluster.add(objects.daemon_set(annotations=APPLIED))
    ran = command("status")
    assert ran.code == 0, ran.err
    assert "Cilium 1.15.6 in namespace kube-system" in ran.out
    assert "no Helm release of that name: Cilium belongs to `kubectl apply`" in ran.out


def test_a_status_goes_without_an_owner_that_cannot_be_looked_up(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*(item for item in objects.healthy_cilium() if item["kind"] != "Secret"))
    cluster.faults.append(Fault(pattern="GET /apis/apps/v1/daemonsets$", status=403, message="no"))
    ran = command("status")
    assert ran.code == 0, ran.err
    assert "Cilium belongs to another tool" in ran.out


def test_the_version_that_runs_without_a_release_is_the_images(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.daemon_set(annotations=APPLIED))
    assert "1.15.6 (no Helm release)" in command("version").out
