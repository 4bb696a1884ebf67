"""What the rules of `templates/values/impact/` say against what the charts render."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts
from ciliumctl.change import impact, rules
from ciliumctl.change.impact import Impact, Sides
from ciliumctl.change.objects import parse
from ciliumctl.change.rules import Rule
from ciliumctl.values.paths import merge, put, split
from tests.integration.conftest import chart

OLDEST, NEWEST = "1.15.6", "1.20.0"
Render = Callable[[str, Mapping[str, Any]], str]
TRIED = [rule for rule in rules.of_keys() if "try" in rule.source]


@pytest.fixture(scope="module")
def render(programs: dict[str, Path]) -> Render:
    """What `helm template` makes of a chart of Cilium with values given as dotted paths."""

    @cache
    def made(version: str, values: str) -> str:
        argv = [str(programs["helm"]), "template", "cilium", str(chart(version)), "-n", "kube-system"]
        argv += ["--kube-version", "1.34.0", "--values", "-"]
        done = subprocess.run(argv, input=values, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        # Without a cluster the chart cannot look its authority up, and makes another one each time.
        return "---\n".join(text for text in done.stdout.split("---\n") if "name: cilium-ca\n" not in text)

    return lambda version, values: made(version, json.dumps(tree(values), sort_keys=True))


def tree(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        name, _, index = key.partition("[")
        put(nested, split(name), [value] if index else value)
    return nested


def versions_of(rule: Rule) -> list[str]:
    asked = str(rule.source.get("charts", ""))
    if asked.startswith("<"):
        return [OLDEST]
    return [NEWEST] if asked else [OLDEST, NEWEST]


def judged(render: Render, before: tuple[str, Mapping[str, Any]], after: tuple[str, Mapping[str, Any]]) -> Impact:
    old, new = charts.read(chart(before[0])), charts.read(chart(after[0]))
    return impact.judge(
        Sides(
            version_before=before[0],
            version=after[0],
            manifest_before=render(*before),
            manifest=render(*after),
            namespace="kube-system",
            values_before=merge(old.values, tree(before[1])),
            values=merge(new.values, tree(after[1])),
            config_before=tree(before[1]),
            config=tree(after[1]),
            files=new.files,
        )
    )


@pytest.mark.parametrize("rule", TRIED, ids=[f"{rule.keys[0]}-{rule.level}" for rule in TRIED])
def test_the_values_of_a_rule_change_its_keys_and_get_its_level(render: Render, rule: Rule) -> None:
    for version in versions_of(rule):
        start = rule.source.get("from", {})
        goal = {**start, **rule.source["try"]}
        before, after = (impact.config_of(parse(render(version, one), "kube-system")) for one in (start, goal))
        changed = rules.changed_keys(before, after)
        assert set(changed) & set(rule.keys), f"{version}: {changed}"
        found = judged(render, (version, start), (version, goal))
        mine = [effect for effect in found.effects if effect.why == rule.why]
        assert [effect.level for effect in mine] == [rule.level], found.effects
        levels = {value.key: value.level for value in found.values}
        assert rules.LEVELS.index(rules.worst(list(levels.values()))) >= rules.LEVELS.index(rule.level), levels


@pytest.mark.parametrize("version", ["1.15.6", "1.15.19", "1.16.19", "1.18.12", "1.19.6", "1.20.0"])
def test_two_renderings_of_the_same_values_differ_in_nothing_but_the_authority(
    programs: dict[str, Path], version: str
) -> None:
    argv = [str(programs["helm"]), "template", "cilium", str(chart(version)), "-n", "kube-system"]
    argv += ["--kube-version", "1.34.0"]
    first, second = (subprocess.run(argv, capture_output=True, text=True, check=True).stdout for _ in range(2))
    content = charts.read(chart(version))
    found = impact.judge(
        Sides(
            version_before=version,
            version=version,
            manifest_before=first,
            manifest=second,
            namespace="kube-system",
            values_before=content.values,
            values=content.values,
            config_before={},
            config={},
            files=content.files,
        )
    )
    # Without a cluster the chart cannot look its authority up.
    assert {effect.subject for effect in found.effects} <= {"Secret kube-system/cilium-ca"}
    assert found.restarts == ()


@pytest.mark.parametrize(
    ("values", "levels", "restarted"),
    [
        ({"hubble.relay.enabled": True}, {"hubble.relay.enabled": "none"}, set()),
        ({"operator.replicas": 1}, {"operator.replicas": "none"}, set()),
        (
            {"debug.enabled": True},
            {"debug.enabled": "agents-restart"},
            {"daemonset/cilium", "deployment/cilium-operator"},
        ),
        (
            {"operator.identityGCInterval": "20m"},
            {"operator.identityGCInterval": "agents-restart"},
            {"deployment/cilium-operator"},
        ),
        ({"resources.limits.cpu": 2}, {"resources.limits.cpu": "rolling-restart"}, {"daemonset/cilium"}),
        (
            {"operator.resources.limits.cpu": 2},
            {"operator.resources.limits.cpu": "rolling-restart"},
            {"deployment/cilium-operator"},
        ),
        ({"no.such.value": 2}, {"no.such.value": "none"}, set()),
    ],
)
def test_a_value_that_no_rule_knows_gets_the_level_of_what_it_renders(
    render: Render, values: dict[str, Any], levels: dict[str, str], restarted: set[str]
) -> None:
    for version in (OLDEST, NEWEST):
        found = judged(render, (version, {}), (version, values))
        assert {value.key: value.level for value in found.values} == levels, version
        assert {item.workload for item in found.restarts} == restarted, version


def subjects(found: Impact, level: str) -> set[str]:
    return {effect.subject for effect in found.effects if effect.level == level}


def test_the_steps_between_minor_versions_do_what_is_known_of_them(render: Render) -> None:
    up = judged(render, ("1.15.6", {}), ("1.16.19", {}))
    assert subjects(up, "interruption") == {"cilium-config: external-envoy-proxy"}
    assert {item.workload for item in up.restarts} == {"daemonset/cilium", "deployment/cilium-operator"}
    kept = judged(render, ("1.15.6", {"envoy.enabled": False}), ("1.16.19", {"envoy.enabled": False}))
    assert kept.worst == "agents-restart"
    down = judged(render, ("1.18.12", {}), ("1.16.19", {}))
    assert "Cilium 1.17" in subjects(down, "interruption")
    assert any("deleted with everything in it" in effect.why for effect in down.effects)
    newest = judged(render, ("1.19.6", {}), ("1.20.0", {}))
    assert newest.worst == "agents-restart"
    assert {item.workload for item in newest.restarts} == {
        "daemonset/cilium",
        "daemonset/cilium-envoy",
        "deployment/cilium-operator",
    }
