"""What the rules about values say, against Cilium's own charts: rendered with Helm, with a value and without it.

No cluster is needed. Each rule is tried on the oldest and on the newest chart in the range of each of its effects.
"""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ciliumctl import charts, defaults, templates, tools
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs
from ciliumctl.clients.web import Web
from ciliumctl.errors import HelmFailed
from ciliumctl.report import Reporter
from ciliumctl.values import lint
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import ranges, rendering, rules, since
from ciliumctl.values.lint.rules import LEGACY_TOPS, Rule
from ciliumctl.values.paths import get, merge, put, split
from docs.generating import value_facts
from tests.integration.conftest import CHARTS, chart

VERSIONS = ("1.15.6", "1.15.19", "1.16.19", "1.18.12", "1.19.6", "1.20.0")
KUBERNETES = "1.30.0"
_CACHE = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder())
# Made anew each time: certificates, keys, and sums over them. Comments say nothing to the cluster.
_CHANGING = re.compile(r"^.*(?:\.crt|\.key|caBundle|checksum)[\w\"-]*:.*$|^\s*#.*\n", re.MULTILINE)


@functools.cache
def helm() -> Helm:
    found = tools.programs(
        ["helm"],
        folder=_CACHE / "bin",
        web=Web(environ=os.environ),
        report=Reporter(lambda _: None),
        environ=os.environ,
    )
    return Helm(HelmOptions(executable=str(found["helm"])))


@functools.cache
def facts(version: str) -> lint.Facts:
    return lint.Facts(charts.read(chart(version)))


@functools.cache
def _rendered(version: str, values: str, *, bare: bool) -> tuple[str, str]:
    try:
        text = helm().render(
            "cilium",
            str(chart(version)),
            Inputs(generated=json.loads(values)),
            namespace="kube-system",
            kube_version=KUBERNETES,
            api_versions=() if bare else rendering.API_VERSIONS,
        )
    except HelmFailed as error:
        return "", error.message
    return _CHANGING.sub("", text), ""


def render(version: str, values: Mapping[str, Any], *, bare: bool = False) -> tuple[str, str]:
    """The manifest without what changes each time, and why there is none."""
    return _rendered(version, json.dumps(values, sort_keys=True), bare=bare)


def nested(pairs: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs.items():
        put(values, split(key), value)
    return values


def sample(rule: Rule) -> Any:
    data = rule.data
    if "sample" in data:
        return data["sample"]
    return data["only"][0]


def values_of(rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is set besides, and the same with the value."""
    base = nested(rule.data.get("with", {}))
    return base, merge(base, nested({".".join(rule.key): sample(rule)}))


def in_range(wanted: str) -> list[str]:
    """The oldest and the newest chart in a range."""
    found = [version for version in VERSIONS if ranges.within(version, wanted)]
    return [found[0], found[-1]] if len(found) > 1 else found


def cases(effect: str) -> Iterator[Any]:
    for rule in rules.modern():
        if rule.data["source"] != "rendered":
            continue
        for wanted, found in rule.effects:
            for version in in_range(wanted):
                if found == effect and rule.effect(version) == effect:
                    yield pytest.param(rule, version, id=f"{rule.id}-{version}")


def finding_of(rule: Rule, version: str, values: Mapping[str, Any]) -> lint.Finding:
    result = lint.check([Layer(origin="x", values=values)], facts(version).chart, facts=facts(version))
    found = [finding for finding in result.findings if finding.rule == rule.id]
    assert len(found) == 1, result.findings
    return found[0]


def translated(version: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(lint.translate(values, version, facts=facts(version), deprecated=True).values)


@pytest.mark.parametrize(("rule", "version"), list(cases("ignored")))
def test_an_ignored_value_changes_nothing_of_what_is_installed(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    without, why = render(version, base)
    assert not why
    assert render(version, values) == (without, "")
    assert finding_of(rule, version, values).code in {"CV201", "CV202"}


@pytest.mark.parametrize(("rule", "version"), list(cases("ignored")))
def test_a_translated_value_is_taken_by_the_chart_that_ignores_the_old_one(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    new = translated(version, values)
    manifest, why = render(version, new)
    if rule.data.get("untried"):
        return
    assert not why
    if finding_of(rule, version, values).translation and not rule.data.get("same"):
        assert manifest != render(version, base)[0]


@pytest.mark.parametrize(("rule", "version"), list(cases("fails")))
def test_a_refused_value_stops_the_chart_and_its_translation_does_not(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    assert render(version, base)[1] == ""
    assert render(version, values)[1] != ""
    assert finding_of(rule, version, values).code == "CV203"
    assert rule.data.get("untried") or render(version, translated(version, values))[1] == ""


@pytest.mark.parametrize(("rule", "version"), list(cases("deprecated")))
def test_a_deprecated_value_works_and_its_translation_does_the_same(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    old, why = render(version, values)
    assert not why
    assert finding_of(rule, version, values).severity in {"warning", "info"}
    new = render(version, translated(version, values))
    assert new[1] == ""
    if not rule.data.get("differs"):
        assert new[0] == old
    if not rule.data.get("same"):
        assert old != render(version, base)[0]


@pytest.mark.parametrize(("rule", "version"), list(cases("works")))
def test_a_value_that_still_works_is_taken_without_a_word(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    manifest, why = render(version, values)
    assert not why
    assert manifest != render(version, base)[0]
    result = lint.check([Layer(origin="x", values=values)], facts(version).chart, facts=facts(version))
    assert [finding for finding in result.findings if finding.rule == rule.id] == []


@pytest.mark.parametrize(("rule", "version"), list(cases("type")))
def test_a_value_of_another_type_is_misread_and_its_translation_is_not(rule: Rule, version: str) -> None:
    _base, values = values_of(rule)
    assert finding_of(rule, version, values).code == "CV205"
    new = translated(version, values)
    if new == values:
        assert render(version, values)[1] != ""
        return
    manifest, why = render(version, new)
    assert not why
    assert render(version, values) != (manifest, "")


@pytest.mark.parametrize(("rule", "version"), list(cases("changed")))
def test_a_value_with_another_meaning_does_something(rule: Rule, version: str) -> None:
    base, values = values_of(rule)
    assert render(version, values)[0] != render(version, base)[0]
    assert finding_of(rule, version, values).code == "CV206"


# What no chart of the tests has is known from elsewhere, and says so.


def test_a_rule_that_no_chart_can_show_says_where_it_is_from() -> None:
    for rule in rules.modern():
        shown = any(rule.effect(version) for version in VERSIONS)
        assert shown or rule.data["source"] in {"documentation", "third-party"}, rule.id


# The umbrella charts


def _old_sample(rule: Rule) -> Any:
    if "cases" in rule.data:
        return next(iter(rule.data["cases"]))
    special = {
        "global.tunnel": "geneve",
        "global.kubeProxyReplacement": "strict",
        "global.tls.secretsBackend": "k8s",
        "global.cluster.name": "one",
        "global.cluster.id": "7",
        "global.ipam.operator.clusterPoolIPv4PodCIDR": "10.1.0.0/16",
        "global.ipam.operator.clusterPoolIPv6PodCIDR": "fd01::/104",
        "global.nativeRoutingCIDR": "10.0.0.0/8",
    }
    return special.get(rule.id, "text")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_chart_of_today_reads_a_value_of_the_umbrella_charts(version: str) -> None:
    values: dict[str, Any] = {}
    for rule in rules.legacy():
        # The others have a place of today above them, and are tried one by one.
        if rule.key[0] in LEGACY_TOPS:
            put(values, rule.key, _old_sample(rule))
    assert render(version, values) == render(version, {})


@pytest.mark.parametrize("version", ["1.15.6", "1.20.0"])
def test_old_values_beside_those_of_today_are_not_read_either(version: str) -> None:
    values: dict[str, Any] = {}
    for rule in rules.legacy():
        if rule.key[0] not in LEGACY_TOPS and rule.id != "operator.image" and rule.key[0] != "agent":
            put(values, rule.key, _old_sample(rule))
    assert render(version, values) == render(version, {})


@pytest.mark.parametrize("version", VERSIONS)
def test_the_map_that_agent_once_was_is_only_a_yes_today(version: str) -> None:
    values: dict[str, Any] = {}
    for rule in rules.legacy():
        if rule.key[0] == "agent":
            put(values, rule.key, _old_sample(rule))
    manifest, why = render(version, values)
    if facts(version).schema:
        assert "`agent`" in why
    else:
        assert manifest == render(version, {})[0]


@pytest.mark.parametrize("rule", rules.legacy(), ids=lambda rule: rule.id)
def test_an_umbrella_value_becomes_one_that_the_chart_knows(rule: Rule) -> None:
    values: dict[str, Any] = {}
    put(values, rule.key, _old_sample(rule))
    for version in ("1.15.6", "1.20.0"):
        finding = finding_of(rule, version, values)
        assert finding.code == "CV301"
        assert finding.fixable
        assert ("gone" not in rule.data) or not finding.translation
        for target in finding.translation:
            assert facts(version).state(split(target)) != "unknown", target


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tutorial_s_values_install_what_they_say_once_they_are_translated(version: str) -> None:
    old = nested({"global.hubble.enabled": True, "global.hubble.ui.enabled": True, "global.tunnel": "geneve"})
    assert render(version, old) == render(version, {})
    manifest, why = render(version, translated(version, old))
    assert not why
    assert manifest.count("\nkind: Deployment") == 3
    assert "tunnel-protocol: geneve" in manifest.replace('"', "")


def _table() -> list[dict[str, str]]:
    path = CHARTS.parent / "legacy-global-values.tsv"
    if not path.is_file():
        pytest.skip("the table of old values is not in `../shared/data`")
    with path.open(encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return [{"old": row[0], "new": row[1], "known": row[2]} for row in rows]


def test_every_row_of_the_table_of_old_values_is_a_rule_with_its_target() -> None:
    known = {rule.id: rule for rule in rules.legacy()}
    newer = {".".join(rule.key): rule for rule in rules.modern()}
    for row in _table():
        old, new = row["old"], row["new"]
        if old == new:
            assert facts("1.20.0").state(split(old)) != "unknown", old
            continue
        rule = known.get(old) or newer[old]
        if new in {"-", "!"} or old == "global.datapathMode":
            # `veth`, the only value of then that is one of today, is what agents do by themselves.
            assert "gone" in rule.data, old
            continue
        values = nested({old: _old_sample(rule)})
        moved = lint.translate(values, "1.20.0", facts=facts("1.20.0"), deprecated=True)
        first = dict(moved.moved[:1])
        assert old in first, old
        if new != "*":
            known_now = facts("1.20.0").state(split(new)) in {"own", "read", "free"}
            assert ("V" in row["known"] or "T" in row["known"]) == known_now


# Defaults


@pytest.mark.parametrize(
    "rule",
    [rule for rule in templates.load("values/rules/defaults.yaml") if rule["source"] == "rendered"],
    ids=lambda rule: f"{rule['key']}-{rule['since']}",
)
def test_a_changed_default_is_in_the_charts_before_and_after(rule: dict[str, Any]) -> None:
    before = [version for version in VERSIONS if ranges.older(version, rule["since"])][-1]
    after = next(version for version in VERSIONS if not ranges.older(version, rule["since"]))
    old, new = (get(facts(version).chart.values, split(rule["key"])) for version in (before, after))
    assert old != new or rule.get("computed")
    if not isinstance(rule["old"], str):
        assert old == rule["old"]
    if not rule.get("computed") and not isinstance(rule["new"], str):
        assert new == rule["new"]
    merged = nested(rule.get("when", {}))
    for start in (facts(before).chart, before):
        result = lint.check([Layer(origin="x", values=merged)], facts(after).chart, coming_from=start)
        assert [finding.code for finding in result.findings if finding.key == rule["key"]] == ["CV401"]
    mine = merge(merged, nested({rule["key"]: old if old is not None else "set"}))
    result = lint.check([Layer(origin="x", values=mine)], facts(after).chart, coming_from=facts(before).chart)
    assert not [finding for finding in result.findings if finding.key == rule["key"] and finding.code == "CV401"]


COMPUTED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "envoy.enabled": ("1.15.19", "1.16.19", {}, "name: cilium-envoy\n"),
    "envoy.xdsMode": ("1.19.6", "1.20.0", {}, "ads"),
}


@pytest.mark.parametrize("key", COMPUTED)
def test_a_default_that_the_chart_works_out_shows_in_the_manifest(key: str) -> None:
    before, after, values, text = COMPUTED[key]
    assert text not in render(before, values)[0]
    assert text in render(after, values)[0]


def test_masquerading_is_off_in_eni_mode_from_1_18_on() -> None:
    eni = nested({"eni.enabled": True, "ipam.mode": "eni", "routingMode": "native"})
    assert 'enable-ipv4-masquerade: "true"' in render("1.16.19", eni)[0]
    assert 'enable-ipv4-masquerade: "false"' in render("1.18.12", eni)[0]


def test_the_newest_defaults_of_two_charts_are_told_from_the_charts_alone() -> None:
    result = lint.check([], facts("1.20.0").chart, coming_from=facts("1.15.6").chart)
    told = {finding.key: finding.message for finding in result.findings if finding.code == "CV402"}
    assert told["dnsProxy.endpointMaxIpPerHostname"] == "it was `50` in 1.15.6 and is `1000` in 1.20.0"
    assert not any("image" in key for key in told)


# Combinations


@pytest.mark.parametrize(
    "rule",
    [rule for rule in templates.load("values/rules/combinations.yaml") if rule["source"] == "rendered"],
    ids=lambda rule: rule["id"],
)
def test_values_that_need_others_do_what_the_rule_says(rule: dict[str, Any]) -> None:
    for version in in_range(rule["versions"]):
        values = nested(rule["sample"])
        result = lint.check([Layer(origin="x", values=values)], facts(version).chart, facts=facts(version))
        told = [finding for finding in result.findings if finding.rule == rule["id"]]
        manifest, why = render(version, values)
        if rule.get("level", "error") == "error":
            assert bool(told) == bool(why), version
            assert render(version, merge(values, nested({rule["missing"][0]: True})))[1] == ""
        else:
            assert told, version
            without = {key: value for key, value in values.items() if key != "upgradeCompatibility"}
            assert manifest != render(version, without)[0], version


# The charts' own validation


def refusals() -> Iterator[Any]:
    for rule in templates.load("values/rules/validation.yaml"):
        if rule["source"] == "rendered":
            for version in in_range(rule["versions"]):
                yield pytest.param(rule, version, id=f"{rule['id']}-{version}")


@pytest.mark.parametrize(("rule", "version"), list(refusals()))
def test_a_refusal_of_the_chart_is_told_with_its_words_and_the_value_to_blame(
    rule: dict[str, Any], version: str
) -> None:
    values = nested(rule["sample"])
    _manifest, why = render(version, values, bare=rule.get("bare", False))
    assert why
    found = rendering.rule_for(why, version)
    assert found is not None, why
    assert found["id"] == rule["id"]
    keys = [".".join(key) for key in rendering.keys_of(why, facts(version))]
    assert set(keys) & set(rule["sample"]), keys


def test_every_refusal_in_the_templates_has_a_rule() -> None:
    for version in VERSIONS:
        for refusal in facts(version).reads.refusals:
            words = re.sub(r"%[a-z]", "x", refusal.message)
            assert rendering.rule_for(words, version) is not None, f"{version}: {refusal.message}"


# Facts


def test_the_facts_about_when_values_came_and_went_are_those_of_the_charts() -> None:
    found = [facts(version).chart for version in VERSIONS]
    assert templates.path("values/facts/since.yaml").read_text(encoding="utf-8") == value_facts.text(found)
    span = since.of("loadBalancer.experimental")
    assert span is None or span.last


@pytest.mark.parametrize("version", VERSIONS)
def test_every_value_of_a_chart_is_known_to_lint_and_has_the_right_type(version: str) -> None:
    found = facts(version)
    result = lint.check([Layer(origin="x", values=found.chart.values)], found.chart, facts=found)
    bad = [finding for finding in result.findings if finding.code in {"CV101", "CV102", "CV201", "CV203", "CV206"}]
    assert bad == []


TEMPLATE_ONLY = [
    "azure.clientID",
    "azure.usePrimaryAddress",
    "clusterHealthPort",
    "cni.externalRouting",
    "cni.readCniConf",
    "nodeLabels.a",
    "disableEnvoyVersionCheck",
    "disableIptablesFeederRules",
    "dnsPolicyUnloadOnShutdown",
    "dnsProxy.enableTransparentMode",
    "egressGateway.maxPolicyEntries",
    "egressMasqueradeInterfaces",
    "enableIdentityMark",
    "fragmentTracking",
    "logOptions.level",
    "envoy.prometheus.serviceMonitor.namespace",
    "operator.prometheus.serviceMonitor.namespace",
    "gke.disableDefaultSnat",
    "prometheus.serviceMonitor.namespace",
    "hubble.eventBufferCapacity",
    "hubble.eventQueueSize",
    "hubble.lostEventSendInterval",
    "hubble.peerService.servicePort",
    "hubble.relay.servicePort",
    "hubble.relay.prometheus.serviceMonitor.namespace",
    "labels",
    "ipMasqAgent.config",
    "iptablesLockTimeout",
    "k8s.serviceProxyName",
    "l2announcements.leaseDuration",
    "l2announcements.leaseRenewDeadline",
    "l2announcements.leaseRetryPeriod",
    "loadBalancer.algorithm",
    "loadBalancer.mode",
    "loadBalancer.dsrDispatch",
    "maglev.hashSeed",
    "maglev.tableSize",
    "monitor.eventTypes",
    "monitor.resources",
    "policyAuditMode",
    "nodePort.directRoutingDevice",
    "nodePort.range",
    "nodeinit.reconfigureKubelet",
    "nodeinit.removeCbrBridge",
    "nodeinit.revertReconfigureKubelet",
    "nonIdempotentAnnotations.a",
    "tls.caBundle.content",
    "clustermesh.apiserver.metrics.serviceMonitor.namespace",
    "clustermesh.disableKubernetesHostAliases",
    "securityContext.capabilities.ciliumAgent",
    "affinity.nodeAffinity",
    "resources.limits.cpu",
    "updateStrategy.type",
    "operator.podSecurityContext.fsGroup",
]


@pytest.mark.parametrize("key", TEMPLATE_ONLY)
def test_a_value_that_only_the_templates_have_is_not_called_unknown(key: str) -> None:
    assert facts("1.20.0").state(split(key)) != "unknown"


# The merge of values

KEYS = st.sampled_from(["a", "b", "c", "enabled", "x.y"])
SINGLE = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "text", "true", "1.10", "null"])
MAPS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, SINGLE | st.lists(SINGLE, max_size=2), max_size=3),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


# An example is two processes: making it smaller would take minutes, and eight small ones are read as they are.
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
@example([({"a": None}, {"a": None}, {}), ({"a": 1}, {"a": None}, {}), ({"a": {"b": None}}, {"a": {"b": None}}, {})])
@given(st.lists(st.tuples(MAPS, MAPS, MAPS), min_size=8, max_size=8))
def test_values_are_merged_as_helm_template_merges_them(examples: list[tuple[Any, Any, Any]]) -> None:
    # Each example is below a key of its own: one helm for eight of them.
    layers = [{f"e{number}": example[layer] for number, example in enumerate(examples)} for layer in range(3)]
    defaults_, lower, upper = layers
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upper.yaml"
        file.write_text(json.dumps(upper))
        inputs = Inputs(generated=lower, files=(file,))
        assert helm().merge(inputs) == merge(lower, upper)
        assert helm().merge(inputs, defaults_) == without_nulls(defaults_, merge(lower, upper))


def without_nulls(chart_values: Mapping[str, Any], user: Mapping[str, Any]) -> dict[str, Any]:
    """The user's values over the chart's: a null takes a default away, unless that is null too; maps merge."""
    merged: dict[str, Any] = {}
    for key in {**chart_values, **user}:
        mine, theirs = user.get(key, _NOTHING), chart_values.get(key, _NOTHING)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merged[key] = without_nulls(theirs, mine)
        elif mine is _NOTHING:
            merged[key] = theirs
        elif mine is not None or theirs in (None, _NOTHING):
            merged[key] = mine
    return merged


_NOTHING: Any = object()
