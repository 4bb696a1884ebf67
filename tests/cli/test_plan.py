"""plan, diff, apply and config on the API server in this process; helm is a stand-in that answers with a manifest."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import yaml_files
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call
from tests.world.helm import StubHelm

CONFIG = {**objects.CILIUM_CONFIG, "debug": "false"}
CHART = {
    "templates/cilium-configmap.yaml": "debug: {{ .Values.debug.enabled }} {{ .Values.routingMode }}",
    "templates/x.yaml": "{{ .Values.operator.replicas }}",
}
DEFAULTS = {"debug": {"enabled": False}, "routingMode": "tunnel", "ipam": {"mode": "cluster-pool"}}


def config_map(data: dict[str, str]) -> objects.Object:
    return objects.config_map("cilium-config", data)


def live(item: objects.Object) -> objects.Object:
    """An object as Helm leaves it in the cluster, with its marks."""
    metadata = item["metadata"]
    labels = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": "Helm"}
    annotations = {**metadata.get("annotations", {}), **objects.HELM_MARKS}
    return {**item, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def agent(image: str = "quay.io/cilium/cilium:v1.15.6") -> objects.Object:
    item = objects.daemon_set(image=image, annotations=objects.HELM_MARKS)
    return {key: value for key, value in item.items() if key != "status"}


def manifest(*items: objects.Object) -> str:
    return "".join(f"---\n{yaml_files.dump(item)}" for item in items)


@pytest.fixture
def installed(cluster: FakeCluster, stub_helm: StubHelm) -> FakeCluster:
    """Cilium as its release says. The stand-in for helm answers with the same again."""
    cluster.add(*objects.healthy_cilium(), objects.namespace("kube-system"))
    cluster.add(live(config_map(CONFIG)), live(objects.daemon_set()))
    cluster.add(
        objects.release(manifest=manifest(config_map(CONFIG), agent()), defaults=DEFAULTS, templates=CHART, config={})
    )
    answer(stub_helm)
    return cluster


def answer(
    helm: StubHelm, data: dict[str, str] | None = None, config: dict[str, Any] | None = None, **more: Any
) -> None:
    """What `helm upgrade --dry-run` says."""
    chart = {
        "metadata": {"apiVersion": "v2", "name": "cilium", "version": "1.15.6", "appVersion": "1.15.6"},
        "values": DEFAULTS,
    }
    helm.answer_release(
        version=2, manifest=manifest(config_map(data or CONFIG), agent()), config=config or {}, chart=chart, **more
    )


def test_nothing_to_change_is_said_and_exit_0(installed: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    before = len(installed.seen)
    ran = command("plan", "--exit-code", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    assert "Nothing would change." in ran.out
    assert "Plan for Cilium 1.15.6 in namespace kube-system of prod, release cilium revision 1" in ran.out
    assert {seen.method for seen in installed.seen[before:]} == {"GET"}, (
        "what is as its manifest says is not asked about"
    )


def test_a_plan_shows_values_objects_restarts_and_effects(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    answer(stub_helm, CONFIG | {"debug": "true", "routing-mode": "native"}, {"debug": {"enabled": True}})
    ran = command("plan", "--set", "debug.enabled=true", "--exit-code", "--helm", str(stub_helm.path))
    assert ran.code == 1, ran.err
    assert "debug.enabled   (not set) → true" in ran.out
    assert "  ~ ConfigMap kube-system/cilium-config" in ran.out
    assert "daemonset/cilium   by ciliumctl" in ran.out
    assert "cilium-config: routing-mode (tunnel → native)" in ran.out
    assert ran.out.rstrip().endswith("Applying it asks for a yes: traffic is interrupted.")
    seen = [seen for seen in installed.seen if seen.method in {"PUT", "PATCH", "POST"}]
    assert all(one.query.get("dryRun") == "All" for one in seen if "selfsubject" not in one.path), "nothing is changed"


@pytest.mark.usefixtures("installed")
def test_json_of_a_plan_has_it_all(command: Command, stub_helm: StubHelm) -> None:
    answer(stub_helm, CONFIG | {"ipam": "kubernetes"}, {"ipam": {"mode": "kubernetes"}})
    ran = command("plan", "--set", "ipam.mode=kubernetes", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["worst"], data["confirmation"], data["operation"]) == ("not-live", "name", "change")
    assert data["values"] == [{"key": "ipam.mode", "before": None, "after": "kubernetes", "level": "not-live"}]
    assert [(item["name"], item["operation"]) for item in data["objects"]] == [("cilium-config", "changed")]
    assert "+  ipam: kubernetes" in data["objects"][0]["diff"]


def test_drift_is_told_apart_from_the_change(installed: FakeCluster, command: Command, stub_helm: StubHelm) -> None:
    installed.add(live(config_map(CONFIG | {"debug": "true", "mine": "1"})))
    ran = command("plan", "--exit-code", "--helm", str(stub_helm.path))
    assert ran.code == 1, ran.err
    assert "drift: somebody changed it" in ran.out
    assert "drift: key `mine` is of no release, and stays" in ran.out


@pytest.mark.usefixtures("installed")
def test_diff_has_kubectl_s_exit_codes(command: Command, stub_helm: StubHelm) -> None:
    ran = command("diff", "--helm", str(stub_helm.path))
    assert (ran.code, ran.out) == (0, "no differences\n")
    answer(stub_helm, CONFIG | {"debug": "true"}, {"debug": {"enabled": True}})
    for mode in ("live", "release"):
        ran = command("diff", "--mode", mode, "--set", "debug.enabled=true", "--helm", str(stub_helm.path))
        assert ran.code == 1, ran.err
        assert "-  debug: 'false'\n+  debug: 'true'" in ran.out
    ran = command("diff", "--mode", "values", "--set", "debug.enabled=true", "--helm", str(stub_helm.path))
    assert ran.code == 1
    assert "debug.enabled   false → true" in ran.out
    ran = command("diff", "--mode", "nothing", "--helm", str(stub_helm.path))
    assert ran.code == 2


@pytest.mark.usefixtures("installed")
def test_another_program_may_compare(command: Command, stub_helm: StubHelm, tmp_path: Path) -> None:
    program = tmp_path / "mydiff"
    program.write_text('#!/bin/sh\necho "$1 with $(ls $2)"\ngrep -h debug: "$2"/* "$3"/*\nexit 1\n')
    program.chmod(0o755)
    answer(stub_helm, CONFIG | {"debug": "true"})
    asked = ("diff", "--helm", str(stub_helm.path))
    ran = command(*asked, KUBECTL_EXTERNAL_DIFF=f"{program} -u")
    assert ran.code == 1, ran.err
    assert ran.out.splitlines() == [
        "-u with ConfigMap.kube-system.cilium-config",
        "debug: 'false'",
        "debug: 'true'",
    ] or ("  debug: 'true'" in ran.out)
    ran = command(*asked, KUBECTL_EXTERNAL_DIFF="/no/such/program")
    assert ran.code == 8
    assert "`/no/such/program` of `KUBECTL_EXTERNAL_DIFF` cannot be run" in ran.err


def test_secrets_are_masked_and_certificates_that_are_made_anew_are_no_difference(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    def secret(name: str, value: str) -> objects.Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "kube-system", "annotations": objects.HELM_MARKS},
            "data": {"tls.key": value},
        }

    old = [secret("hubble-server-certs", "b2xkb2xkb2xk"), secret("mine", "b2xkb2xkb2xk")]
    new = [secret("hubble-server-certs", "bmV3bmV3bmV3"), secret("mine", "bmV3bmV3bmV3")]
    installed.add(*map(live, old))
    installed.add(
        objects.release(manifest=manifest(config_map(CONFIG), agent(), *old), defaults=DEFAULTS, templates=CHART)
    )
    stub_helm.answer_release(
        version=2,
        manifest=manifest(config_map(CONFIG), agent(), *new),
        config={},
        chart={"metadata": {"name": "cilium", "version": "1.15.6"}, "values": DEFAULTS},
    )
    ran = command("diff", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 1, ran.err
    found = {item["name"]: item for item in ran.json["data"]["objects"]}
    assert found["hubble-server-certs"]["operation"] == "regenerated"
    assert "-  tls.key: <-- value not shown (#" in found["mine"]["diff"]
    for value in ("b2xkb2xkb2xk", "bmV3bmV3bmV3", "oldoldold", "newnewnew"):
        assert value not in ran.out


def test_a_saved_plan_is_refused_when_the_release_or_an_object_moved_on(
    installed: FakeCluster, command: Command, stub_helm: StubHelm, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    helm = ("--helm", str(stub_helm.path))
    answer(stub_helm, CONFIG | {"debug": "true"}, {"debug": {"enabled": True}})
    ran = command("plan", "--set", "debug.enabled=true", "-o", str(path), *helm)
    assert ran.code == 0, ran.err
    assert f"Saved in {path}." in ran.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["plan"]["put"] == [[["debug", "enabled"], True]]
    installed.add(live(config_map(CONFIG | {"mtu": "9000"})))
    ran = command("apply", str(path), *helm)
    assert ran.code == 3
    assert "changed in the cluster meanwhile: `ConfigMap kube-system/cilium-config`" in ran.err
    installed.add(live(config_map(CONFIG)))
    installed.add(objects.release(revision=2, manifest=manifest(config_map(CONFIG), agent()), defaults=DEFAULTS))
    ran = command("apply", str(path), *helm, "-o", "json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == "stale-plan"
    assert "the release is at revision 2, not 1" in ran.json["error"]["message"]
    namespace = installed.get("namespaces", "kube-system")
    assert namespace is not None
    namespace["metadata"]["uid"] = "another-cluster"
    ran = command("apply", str(path), *helm)
    assert ran.code == 3
    assert "it was made on another cluster (context `prod`)" in ran.err


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_done_live_needs_the_context_s_name_even_with_yes(
    command: Command, stub_helm: StubHelm, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    helm = ("--helm", str(stub_helm.path))
    answer(stub_helm, CONFIG | {"ipam": "kubernetes"}, {"ipam": {"mode": "kubernetes"}})
    assert command("plan", "--set", "ipam.mode=kubernetes", "--out", str(path), *helm).code == 0
    ran = command("apply", str(path), "--yes", *helm)
    assert ran.code == 3
    assert "cannot be done on a running network: cilium-config: ipam" in ran.err
    assert "`--confirm prod`" in ran.err
    assert not any(call.argv[0] == "upgrade" and "--dry-run=server" not in call.argv for call in stub_helm.calls)
    ran = command("config", "set", "ipam.mode=kubernetes", "--yes", *helm)
    assert ran.code == 3
    assert "`--confirm prod`" in ran.err


def test_where_nothing_is_installed_diff_says_how_to_install(command: Command, stub_helm: StubHelm) -> None:
    ran = command("diff", "--helm", str(stub_helm.path))
    assert ran.code == 5
    assert "`ciliumctl install`" in ran.err
    ran = command("plan", "--out", "x.json", "--helm", str(stub_helm.path))
    assert ran.code == 3
    assert "an installation is not saved as a plan" in ran.err


# config


@pytest.mark.usefixtures("installed")
def test_config_view_prints_the_live_settings(command: Command) -> None:
    ran = command("config", "view")
    assert ran.code == 0, ran.err
    assert "\ndebug                         false\n" in ran.out
    assert command("config", "view", "-o", "name").out.splitlines()[0] == "cluster-id"
    assert command("config", "view", "-o", "json").json["data"]["settings"]["debug"] == "false"
    ran = command("config", "view", "-n", "elsewhere")
    assert ran.code == 5
    assert "no ConfigMap `cilium-config` in namespace `elsewhere`" in ran.err


def settings(data: dict[str, str], sources: str = "config-map:kube-system/cilium-config") -> str:
    return "".join(f"{key}\0{value}\0" for key, value in {**data, "config-sources": sources}.items())


def test_config_diff_groups_the_agents_by_what_they_run_with(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    for name in ("cilium-aaaaa", "cilium-bbbbb"):
        pod = installed.get("pods", name, "kube-system")
        assert pod is not None
        pod["metadata"]["labels"] = {"k8s-app": "cilium"}
    helm = ("--helm", str(stub_helm.path))

    def program(call: Call) -> Answer:
        return Answer(stdout=settings(CONFIG | ({"debug": "true"} if call.pod == "cilium-bbbbb" else {})))

    installed.program = program
    ran = command("config", "diff", *helm)
    assert ran.code == 1, ran.err
    assert '1 of 2 agents run with "false": one' in ran.out
    assert '1 of 2 agents still run with "true": two' in ran.out
    assert ran.out.splitlines()[0] == "debug"
    installed.program = lambda _call: Answer(stdout=settings(CONFIG))
    ran = command("config", "diff", *helm)
    assert ran.code == 0, ran.err
    assert ran.out == "release revision 1, the live ConfigMap and 2 agents agree\n"
    installed.program = lambda _call: Answer(stderr="no such file", code=2)
    ran = command("config", "diff", *helm)
    assert ran.code == 7
    assert "not asked: the agent on one" in ran.out
    assert "no such file" in ran.out


def test_config_diff_without_agents_compares_release_and_live(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    installed.add(live(config_map(CONFIG | {"debug": "true"})))
    ran = command("config", "diff", "--no-agents", "-o", "json", "--helm", str(stub_helm.path))
    assert ran.code == 1, ran.err
    assert ran.json["data"]["keys"] == [
        {"key": "debug", "values": "false", "release": "false", "live": "true", "agents": []}
    ]
    assert installed.calls == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("config", "set", "debug.enabled"), 2, "`debug.enabled` has no value"),
        (("config", "set", "debug.enabeld=true"), 2, "did you mean `debug.enabled`?"),
        (("config", "set", "no-such-key=1"), 2, "`extraConfig.no-such-key`"),
        (("config", "unset", "debug.enabled=true"), 2, "`unset` takes none"),
        (("config", "set"), 2, "Missing argument"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_with_the_nearest(
    command: Command, stub_helm: StubHelm, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = command(*arguments, "--helm", str(stub_helm.path))
    assert ran.code == code
    assert said in ran.err


def test_config_set_shows_what_it_does_changes_helm_s_values_and_restarts_the_readers(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    answer(stub_helm, CONFIG | {"debug": "true"}, {"debug": {"enabled": True}})
    helm = ("--helm", str(stub_helm.path))
    ran = command("config", "set", "debug.enabled=true", "--dry-run", *helm)
    assert ran.code == 0, ran.err
    assert "Plan for Cilium" in ran.out
    assert all("--dry-run=server" in call.argv for call in stub_helm.calls if call.argv[0] == "upgrade")
    ran = command("config", "set", "debug.enabled=true", "--no-wait", *helm)
    assert ran.code == 0, ran.err
    assert "agents-restart" in ran.err
    real = [call.argv for call in stub_helm.calls if call.argv[0] == "upgrade" and "--dry-run=server" not in call.argv]
    assert len(real) == 1
    assert real[0][real[0].index("--set") + 1] == "debug.enabled=true"
    restarted = installed.get("daemonsets", "cilium", "kube-system")
    assert restarted is not None
    annotations = restarted["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations


def test_unset_takes_a_value_away_and_leaves_the_others(
    installed: FakeCluster, command: Command, stub_helm: StubHelm
) -> None:
    own = {"debug": {"enabled": True}, "operator": {"replicas": 1}}
    installed.add(
        objects.release(manifest=manifest(config_map(CONFIG), agent()), defaults=DEFAULTS, templates=CHART, config=own)
    )
    answer(stub_helm, CONFIG, {"operator": {"replicas": 1}})
    ran = command("config", "unset", "debug.enabled", "--dry-run", "--helm", str(stub_helm.path))
    assert ran.code == 0, ran.err
    asked = next(call for call in stub_helm.calls if call.argv[0] == "upgrade")
    assert json.loads(asked.stdin) == {"operator": {"replicas": 1}}
    assert "debug.enabled   true → (not set)" in ran.out
