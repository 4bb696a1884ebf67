from __future__ import annotations

from typing import Any

from ciliumctl import yaml_files
from ciliumctl.change import impact
from ciliumctl.change.impact import Impact, Sides

CHART = {
    "templates/cilium-configmap.yaml": b'debug: {{ .Values.debug.enabled }}\nipam: {{ include "pool" . }}',
    "templates/_helpers.tpl": b'{{- define "pool" -}}{{ .Values.ipam.mode }}{{- end -}}',
    "templates/cilium-agent/daemonset.yaml": b"{{ toYaml .Values.resources }}",
    "templates/hubble-relay/deployment.yaml": b"{{ .Values.hubble.relay.enabled }} {{ .Values.hubble.relay.image }}",
}


def config(**data: str) -> dict[str, Any]:
    named = {key.replace("_", "-"): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cilium-config"}, "data": named}


def workload(kind: str, name: str, image: str = "i:1", **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": name, "image": image}], **spec}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {"template": template}}


AGENT, OPERATOR = workload("DaemonSet", "cilium"), workload("Deployment", "cilium-operator")


def manifest(*items: dict[str, Any]) -> str:
    sources = {"cilium-config": "cilium-configmap", "cilium": "cilium-agent/daemonset"}
    return "".join(
        f"---\n# Source: cilium/templates/{sources.get(item['metadata']['name'], 'x')}.yaml\n{yaml_files.dump(item)}"
        for item in items
    )


def judged(
    before: str,
    after: str,
    *,
    config_before: dict[str, Any] | None = None,
    config_after: dict[str, Any] | None = None,
    versions: tuple[str, str] = ("1.15.6", "1.15.6"),
) -> Impact:
    return impact.judge(
        Sides(
            version_before=versions[0],
            version=versions[1],
            manifest_before=before,
            manifest=after,
            namespace="kube-system",
            values_before=config_before or {},
            values=config_after or {},
            config_before=config_before or {},
            config=config_after or {},
            files=CHART,
        )
    )


def test_nothing_changes_nothing() -> None:
    same = manifest(config(debug="false"), AGENT, OPERATOR)
    found = judged(same, same)
    assert (found.effects, found.restarts, found.worst, found.confirmation) == ((), (), "none", "none")


def test_a_setting_that_no_rule_knows_needs_its_readers_restarted() -> None:
    found = judged(
        manifest(config(debug="false"), AGENT, OPERATOR),
        manifest(config(debug="true"), AGENT, OPERATOR),
        config_after={"debug": {"enabled": True}},
    )
    assert found.worst == "agents-restart"
    assert [(item.workload, item.by) for item in found.restarts] == [
        ("daemonset/cilium", "ciliumctl"),
        ("deployment/cilium-operator", "ciliumctl"),
    ]
    assert [(value.key, value.level) for value in found.values] == [("debug.enabled", "agents-restart")]
    assert found.confirmation == "none"


def test_a_setting_that_only_the_operator_reads_leaves_the_agents_alone() -> None:
    found = judged(
        manifest(config(identity_gc_interval="15m"), AGENT, OPERATOR),
        manifest(config(identity_gc_interval="20m"), AGENT, OPERATOR),
    )
    assert [item.workload for item in found.restarts] == ["deployment/cilium-operator"]


def test_a_changed_pod_template_rolls_by_itself() -> None:
    found = judged(
        manifest(config(debug="x"), AGENT, OPERATOR),
        manifest(config(debug="y"), workload("DaemonSet", "cilium", "quay.io/cilium/cilium:v2@sha256:1"), OPERATOR),
        config_after={"resources": {"limits": 1}},
    )
    by = {item.workload: (item.by, item.why) for item in found.restarts}
    assert by["daemonset/cilium"] == ("rollout", "image cilium:v2")
    assert by["deployment/cilium-operator"][0] == "ciliumctl"
    rolling = next(effect for effect in found.effects if effect.level == "rolling-restart")
    assert rolling.subject == "DaemonSet kube-system/cilium"
    assert "traffic goes on" in rolling.why
    assert [(value.key, value.level) for value in found.values] == [("resources.limits", "rolling-restart")]


def test_the_worst_comes_first_and_a_rule_gives_its_level_to_the_values_behind_it() -> None:
    found = judged(
        manifest(config(debug="false", ipam="cluster-pool", routing_mode="tunnel"), AGENT),
        manifest(config(debug="true", ipam="kubernetes", routing_mode="native"), AGENT),
        config_after={"debug": {"enabled": True}, "ipam": {"mode": "kubernetes"}, "routingMode": "native"},
    )
    assert [effect.level for effect in found.effects] == ["not-live", "interruption", "agents-restart"]
    assert {value.key: value.level for value in found.values} == {
        "debug.enabled": "agents-restart",
        "ipam.mode": "not-live",
        "routingMode": "interruption",
    }
    assert found.confirmation == "name"
    assert impact.subjects(found.effects, "interruption") == ["cilium-config: ipam", "cilium-config: routing-mode"]


def test_what_is_only_added_does_nothing_to_the_rest() -> None:
    relay = workload("Deployment", "hubble-relay")
    found = judged(
        manifest(config(), AGENT),
        manifest(config(), AGENT, relay),
        config_after={"hubble": {"relay": {"enabled": True}}},
    )
    assert (found.worst, found.restarts) == ("none", ())
    assert found.values[0].level == "none"


def test_a_config_map_that_a_pod_mounts_needs_that_pod_restarted() -> None:
    volumes = [{"name": "config", "configMap": {"name": "hubble-relay-config"}}]
    relay = workload("Deployment", "hubble-relay", volumes=volumes)

    def mounted(text: str) -> dict[str, Any]:
        return {"kind": "ConfigMap", "metadata": {"name": "hubble-relay-config"}, "data": {"config": text}}

    found = judged(manifest(mounted("a"), relay), manifest(mounted("b"), relay))
    assert [(item.workload, item.by) for item in found.restarts] == [("deployment/hubble-relay", "ciliumctl")]
    assert "deployment/hubble-relay read it" in found.effects[0].why


def test_a_config_map_that_is_read_while_running_restarts_nobody() -> None:
    volumes = [{"name": "flows", "configMap": {"name": "cilium-flowlog-config"}}]
    agent = workload("DaemonSet", "cilium", volumes=volumes)

    def flows(text: str) -> dict[str, Any]:
        return {"kind": "ConfigMap", "metadata": {"name": "cilium-flowlog-config"}, "data": {"flows": text}}

    found = judged(manifest(flows("a"), agent), manifest(flows("b"), agent))
    assert (found.restarts, found.effects) == ((), ())


def test_what_the_api_server_keeps_as_it_is_cannot_be_changed() -> None:
    def with_selector(value: str) -> dict[str, Any]:
        item = workload("DaemonSet", "cilium")
        item["spec"]["selector"] = {"matchLabels": {"k8s-app": value}}
        return item

    found = judged(manifest(with_selector("a")), manifest(with_selector("b")))
    assert found.worst == "not-live"
    assert "selector" in found.effects[0].why


def test_certificates_that_are_made_anew_are_no_effect_and_another_authority_is_one() -> None:
    def cert(name: str, text: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"ca.crt": text}}

    assert judged(manifest(cert("hubble-server-certs", "a")), manifest(cert("hubble-server-certs", "b"))).effects == ()
    found = judged(manifest(cert("cilium-ca", "a")), manifest(cert("cilium-ca", "b")))
    assert found.worst == "agents-restart"


def test_a_step_to_another_minor_version_has_effects_of_its_own() -> None:
    same = manifest(config(), AGENT)
    up = judged(same, same, versions=("1.15.1", "1.16.19"))
    assert any("toFQDNs" in effect.why for effect in up.effects)
    from_good = judged(same, same, versions=("1.15.6", "1.16.19"))
    assert not any("toFQDNs" in effect.why for effect in from_good.effects)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cilium-secrets"}}
    down = judged(manifest(config(), namespace), manifest(config()), versions=("1.17.18", "1.16.19"))
    assert any("deleted with everything in it" in effect.why for effect in down.effects)
    assert down.worst == "interruption"
    assert judged(same, same, versions=("1.16.1", "1.16.19")).effects == ()


def test_secret_values_are_not_shown() -> None:
    found = judged(
        manifest(config()), manifest(config()), config_after={"tls": {"ca": {"key": "hunter2", "cert": "c"}}}
    )
    assert {value.key: value.after for value in found.values} == {
        "tls.ca.cert": "c",
        "tls.ca.key": "<-- value not shown (#1)",
    }
