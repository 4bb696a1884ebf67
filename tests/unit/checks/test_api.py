from __future__ import annotations

import pytest

from ciliumctl.checks._scene import Sent
from ciliumctl.errors import ChartRefused
from ciliumctl.flavour import Facts
from ciliumctl.values.lint import Finding as ValueFinding
from tests.unit.checks.scenes import judge, scene, target


def on(kubernetes: str, version: str) -> str:
    facts = Facts(host="https://192.0.2.10:6443", kubernetes=kubernetes)
    return judge("CIL-API-002", scene(target=target(version, kube_version=">= 1.21.0-0"), facts=facts)).outcome


@pytest.mark.parametrize(
    ("kubernetes", "cilium", "outcome"),
    [
        ("1.20.15", "1.18.12", "failed"),
        ("1.34.4", "1.18.12", "warning"),
        ("1.33.1+k3s1", "1.18.12", "passed"),
        ("1.34.4", "1.20.0", "passed"),
        ("1.40.0", "1.30.0", "passed"),
        ("", "1.18.12", "skipped"),
    ],
)
def test_a_version_below_the_floor_fails_and_an_untested_one_warns(kubernetes: str, cilium: str, outcome: str) -> None:
    assert on(kubernetes, cilium) == outcome


def test_the_warning_names_the_ciliums_that_are_tested_with_it() -> None:
    facts = Facts(host="https://192.0.2.10:6443", kubernetes="1.29.3")
    assert (
        judge("CIL-API-002", scene("1.18.12", facts=facts)).hint == "Cilium 1.15 and 1.16 and 1.17 are tested with it"
    )


def test_every_missing_right_is_named() -> None:
    found = judge("CIL-API-003", scene(missing_rights=("create `secrets`", "patch `daemonsets.apps`")))
    assert (found.outcome, found.message) == ("failed", "2 rights missing")
    assert [finding.text for finding in found.findings] == [
        "may not create `secrets`",
        "may not patch `daemonsets.apps`",
    ]
    assert judge("CIL-API-003", scene()).outcome == "passed"


def test_each_refusal_is_named_and_what_could_not_be_asked_is_no_refusal() -> None:
    asked = (
        Sent(object="DaemonSet/kube-system/cilium", refusal="violates PodSecurity"),
        Sent(object="Role/cilium-secrets/x", unchecked="because its namespace is not there"),
        Sent(object="ConfigMap/kube-system/cilium-config"),
    )
    found = judge("CIL-API-004", scene(sent=asked))
    assert (found.outcome, found.message) == ("failed", "1 of 2 objects refused")
    assert found.findings[0].object == "DaemonSet/kube-system/cilium"
    assert "not asked" in found.evidence[0]
    assert judge("CIL-API-004", scene(sent=asked[1:])).outcome == "passed"


def test_what_the_chart_refuses_is_told_in_its_own_words() -> None:
    error = ChartRefused("the chart refuses these values", hint="mend them", detail="execution error\nfail: no ipam")
    found = judge("CIL-VAL-001", scene(failures={"manifest": error}))
    assert (found.outcome, found.hint) == ("failed", "mend them")
    assert [finding.text for finding in found.findings] == ["execution error", "fail: no ipam"]
    assert judge("CIL-VAL-001", scene(manifest=({"kind": "ConfigMap"},))).message == "1 object of Cilium 1.18.12"


def test_a_value_that_the_chart_ignores_is_told_and_a_new_default_is_not() -> None:
    ignored = ValueFinding(code="CV101", severity="error", key="huble", message="the chart has no such key")
    default = ValueFinding(code="CV301", severity="info", key="", message="a default changes")
    found = judge("CIL-VAL-002", scene(value_findings=(ignored, default)))
    assert (found.outcome, [finding.object for finding in found.findings]) == ("failed", ["Value//huble"])
    assert "CV101 `huble`" in found.message
    assert judge("CIL-VAL-002", scene(value_findings=(default,))).outcome == "passed"
