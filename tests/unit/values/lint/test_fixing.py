from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import yaml_files
from ciliumctl.values import lint
from ciliumctl.values.lint import documents, fixing, rules
from ciliumctl.values.lint.checking import layer_findings
from ciliumctl.values.lint.model import Finding, Fixed
from ciliumctl.values.paths import put
from tests.unit.values.lint.charts import knowing_all

FACTS = lint.Facts(knowing_all())


def findings(text: str) -> list[Finding]:
    layer = documents.read(text.encode(), "x.yaml").layer
    return layer_findings(layer, FACTS, layer.values)


def fix(text: str) -> Fixed:
    document = documents.read(text.encode(), "x.yaml")
    return fixing.fix(document, lambda layer: layer_findings(layer, FACTS, layer.values))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tunnel: disabled # no overlay\n", "routingMode: native # no overlay\n"),
        ("# why\nnativeRoutingCIDR: 10.0.0.0/8\nb: 1\n", "# why\nipv4NativeRoutingCIDR: 10.0.0.0/8\nb: 1\n"),
        ("sockops:\n  enabled: true\n# rest\nb: 1\n", "# rest\nb: 1\n"),
        (
            "global:\n  # see the wiki\n  hubble: {enabled: true}\nb: 1\n",
            "b: 1\nhubble:\n  enabled: true\n",
        ),
        (
            "global:\n  # for all\n  debug:\n    enabled: true # yes\n  ipv4:\n    enabled: true\n",
            "# for all\ndebug:\n  enabled: true  # yes\nipv4:\n  enabled: true\n",
        ),
        ("kubeProxyReplacement: strict\r\nb: 1\r\n", "kubeProxyReplacement: true\r\nb: 1\r\n"),
        ("encryption: {enabled: true, keyFile: keys}\n", "encryption: {enabled: true, ipsec: {keyFile: keys}}\n"),
        ("operator:\n  image: foo\n", "operator:\n  image:\n    repository: foo\n"),
        (
            "# mine\nipam:\n  operator:\n    # ours\n    clusterPoolIPv4PodCIDR: 10.0.0.0/8 # pool\nb: 1  # one\n",
            "# mine\nb: 1  # one\n# ours\n# pool\nipam:\n  operator:\n    clusterPoolIPv4PodCIDRList:\n    - 10.0.0.0/8\n",
        ),
        ("tunnel: vxlan", "routingMode: tunnel\ntunnelProtocol: vxlan\n"),
        ("tunnel: disabled\nroutingMode: tunnel\n", "routingMode: tunnel\n"),
    ],
)
def test_a_file_is_translated_in_its_place(before: str, after: str) -> None:
    fixed = fix(before)
    assert fixed.text == after
    assert fixed.kept


def test_what_cannot_be_edited_is_written_anew_and_says_so() -> None:
    fixed = fix("# words\nx: &x\n  tunnel: disabled\n<<: *x\n")
    assert not fixed.kept
    assert yaml_files.parse(fixed.text) == {"x": {"tunnel": "disabled"}, "routingMode": "native"}


def test_a_file_with_nothing_old_stays_as_it_is() -> None:
    text = "# words\r\npodAnnotations:   {a: b}\n\n\n# end"
    assert fix(text).text == text
    assert not fix(text).changed


RULES = [rule for rule in (*rules.legacy(), *rules.modern()) if rule.effect("1.20.0")]


def _old_value(rule: rules.Rule) -> Any:
    only = rule.data.get("only")
    if "sample" in rule.data:
        return rule.data["sample"]
    if isinstance(only, list):
        return only[0]
    return next(iter(rule.data["cases"])) if "cases" in rule.data else "text"


@st.composite
def old_values(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for rule in draw(st.lists(st.sampled_from(RULES), max_size=6)):
        put(values, rule.key, draw(st.sampled_from([_old_value(rule), True, False, "x", 3, ["a"]])))
    for key in draw(st.lists(st.sampled_from(["hubble", "operator", "podAnnotations", "tunnel", "other"]), max_size=2)):
        values.setdefault(key, draw(st.sampled_from([{"enabled": True}, "x", None])))
    return values


@st.composite
def written(draw: st.DrawFn) -> str:
    """Old values as YAML, in blocks or in braces, with comments at the ends of lines and between them."""
    values = draw(old_values())
    text = (
        yaml_files.dump(values)
        if draw(st.booleans())
        else "\n".join(yaml_files.dump_flow({key: value})[1:-2] for key, value in values.items())
    )
    lines = []
    for number, line in enumerate(text.splitlines()):
        if draw(st.integers(0, 3)) == 0:
            lines.append(f"{' ' * (len(line) - len(line.lstrip()))}# line {number}")
        lines.append(f"{line}  # {number}" if draw(st.booleans()) and not line.endswith(("|", ">")) else line)
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n# end\n"]))


@given(written())
def test_after_fix_nothing_is_left_to_translate(text: str) -> None:
    fixed = fix(text)
    assert [finding for finding in findings(fixed.text) if finding.fixable] == []
    again = fix(fixed.text)
    assert again.text == fixed.text


@given(old_values())
def test_a_translated_release_has_no_old_value_that_could_be_translated(values: dict[str, Any]) -> None:
    new = lint.translate(values, "1.20.0").values
    again = lint.translate(new, "1.20.0")
    assert again.moved == ()
    assert again.values == new
