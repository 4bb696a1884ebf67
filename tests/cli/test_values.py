"""`values lint` and `values explain` as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ciliumctl.values import secrets
from tests.world.helm import StubHelm
from tests.world.run import HERE, Ran, quiet_environ, run

CHART = HERE / "tests" / "charts" / "cilium"
OLD = """\
global:
  hubble:
    enabled: true
tunnel: disabled   # no overlay
huble: {}
operator: {replicas: two}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(folder: Path, *arguments: str, stdin: str = "", **environ: str) -> Ran:
    return run("values", *arguments, "--chart", str(CHART), env=quiet_environ(folder, **environ), stdin=stdin)


def test_findings_stand_with_their_line_and_what_to_write_instead(here: Path) -> None:
    (here / "my.yaml").write_text(OLD)
    ran = call(here, "lint", "my.yaml", "--no-render")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "my.yaml:3: error: `global.hubble.enabled`: charts since 1.9 ignore it [CV301]"
    assert lines[1] == "    write `hubble.enabled: true`"
    assert lines[2].startswith("my.yaml:4: error: `tunnel`: chart 1.15.6 ignores it: pods' traffic goes through VXLAN")
    assert lines[3] == "    write `routingMode: native`"
    assert lines[4] == (
        "my.yaml:5: error: `huble`: chart 1.15.6 has no such value, and no template reads it; "
        "did you mean `hubble`? [CV101]"
    )
    assert (
        lines[5]
        == "my.yaml:6: error: `operator.replicas`: chart 1.15.6 wants a whole number, not the text `two` [CV102]"
    )
    assert lines[6] == "4 errors for chart 1.15.6, not rendered"
    assert lines[7] == "hint: `ciliumctl values lint --fix` translates 2 of them"


def test_values_with_nothing_wrong_end_in_0(here: Path) -> None:
    ran = call(here, "lint", "-", "--no-render", stdin="hubble: {relay: {enabled: true}}\n")
    assert ran.code == 0
    assert ran.out == "nothing wrong for chart 1.15.6, not rendered\n"


def test_without_helm_the_chart_s_validation_is_left_out_and_that_is_said(here: Path) -> None:
    ran = call(here, "lint", "-", stdin="debug: {}\n", PATH=str(here))
    assert "helm is not there, so the chart's own validation is not asked" in ran.err


@pytest.mark.parametrize(
    ("fail_on", "content", "code"),
    [
        ("error", "huble: {}\n", 1),
        ("none", "huble: {}\n", 0),
        ("error", "", 0),
        ("info", "", 1),
        ("warning", "tls: {secretsBackend: k8s}\n", 1),
    ],
)
def test_the_threshold_decides_on_the_exit_code(here: Path, fail_on: str, content: str, code: int) -> None:
    assert call(here, "lint", "-", "--no-render", "--fail-on", fail_on, stdin=content).code == code


def test_json_has_the_findings_with_file_and_line(here: Path) -> None:
    (here / "my.yaml").write_text(OLD)
    ran = call(here, "lint", "my.yaml", "--no-render", "-o", "json")
    assert ran.code == 1
    assert ran.json["kind"] == "ValuesLint"
    assert ran.json["ok"] is False
    first = ran.json["data"]["findings"][0]
    assert {"code", "severity", "key", "message", "translation", "file", "line"} <= first.keys()
    assert (first["code"], first["file"], first["line"]) == ("CV301", "my.yaml", 3)
    assert first["translation"] == {"hubble.enabled": True}


def test_fix_writes_the_translated_file_to_standard_output_and_the_rest_beside_it(here: Path) -> None:
    ran = call(here, "lint", "-", "--fix", "--no-render", "-q", stdin=OLD)
    assert ran.code == 1
    assert ran.out == (
        "routingMode: native   # no overlay\nhuble: {}\noperator: {replicas: two}\nhubble:\n  enabled: true\n"
    )
    assert "huble" in ran.err
    assert "tunnel" not in ran.err


def test_fix_with_write_changes_the_file_and_a_second_run_finds_nothing_more(here: Path) -> None:
    file = here / "my.yaml"
    file.write_text("tunnel: vxlan # as ever\n")
    file.chmod(0o640)
    ran = call(here, "lint", "my.yaml", "--fix", "-w", "--no-render")
    assert ran.code == 1, "this small chart has no tunnelProtocol, so nothing is translated"
    file.write_text("tunnel: disabled # as ever\n")
    ran = call(here, "lint", "my.yaml", "--fix", "-w", "--no-render")
    assert ran.out.startswith("my.yaml: translated\n")
    assert file.read_text() == "routingMode: native # as ever\n"
    assert file.stat().st_mode & 0o777 == 0o640
    ran = call(here, "lint", "my.yaml", "--fix", "-w", "--no-render")
    assert ran.out.startswith("my.yaml: nothing to translate\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lint",), "there is nothing to check"),
        (("lint", "-", "--write"), "`--write` goes with `--fix`"),
        (("lint", "-", "--fix", "--write"), "standard input cannot be written to"),
        (("lint", "-", "-"), "`-` stands there twice"),
        (("lint", "none.yaml"), "`none.yaml` cannot be read: No such file or directory"),
        (("lint", "-", "--report", "html=x"), "`--report html=x` is not a report"),
        (("lint", "-", "--no-render", "--from", "nowhere.tgz"), "the chart"),
        (("explain", "hubble.relai", "--no-render"), "chart 1.15.6 has no value `hubble.relai`"),
    ],
)
def test_what_makes_no_sense_ends_in_2(here: Path, arguments: tuple[str, ...], message: str) -> None:
    ran = call(here, *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_several_files_are_told_apart(here: Path) -> None:
    (here / "a.yaml").write_text("huble: {}\n")
    (here / "b.yaml").write_text("- no\n")
    ran = call(here, "lint", "b.yaml", "a.yaml", "--no-render")
    assert [line.split(": ")[0] for line in ran.out.splitlines()[:2]] == ["a.yaml:1", "b.yaml:1"]


def test_sarif_names_rules_places_and_fingerprints_that_survive_a_move(here: Path) -> None:
    def log(text: str) -> dict[str, Any]:
        (here / "my values.yaml").write_text(text)
        call(here, "lint", "my values.yaml", "--no-render", "--report", "sarif=out.sarif")
        found: dict[str, Any] = json.loads((here / "out.sarif").read_text())
        return found

    first = log(OLD)
    assert first["version"] == "2.1.0"
    run_ = first["runs"][0]
    rules = run_["tool"]["driver"]["rules"]
    for result in run_["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["helpUri"].endswith(f"#{result['ruleId'].lower()}")
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "my%20values.yaml"
        assert place["region"]["startLine"] >= 1
    moved = log("# one more line\n" + OLD)["runs"][0]
    marks = [result["partialFingerprints"] for result in run_["results"]]
    assert [result["partialFingerprints"] for result in moved["results"]] == marks
    assert len({json.dumps(mark) for mark in marks}) == len(marks)


def test_a_private_key_stands_in_the_file_alone(here: Path) -> None:
    shutil.copytree(CHART, here / "chart")
    with (here / "chart" / "values.yaml").open("a") as file:
        file.write("tls: {ca: {cert: '', key: ''}}\n")
    (here / "my.yaml").write_text("hubble:\n  tls:\n    ca:\n      key: TOPSECRET\n")
    reports = [part for form in ("sarif", "junit", "markdown", "json") for part in ("--report", f"{form}={form}.txt")]
    asked = ("values", "lint", "my.yaml", "--no-render", "--chart", "chart")
    for output in ("table", "json"):
        ran = run(*asked, "-o", output, *reports, env=quiet_environ(here))
        assert "tls.ca.key" in ran.out
        assert secrets.HIDDEN in ran.out
        assert "TOPSECRET" not in ran.out + ran.err + "".join(file.read_text() for file in here.glob("*.txt"))
    run(*asked, "--fix", "--write", env=quiet_environ(here))
    assert (here / "my.yaml").read_text() == "tls:\n  ca:\n    key: TOPSECRET\n"


def test_a_file_whose_comments_are_lost_stays_beside_it(here: Path) -> None:
    old = "# words\nx: &x\n  tunnel: disabled\n<<: *x\n"
    (here / "my.yaml").write_text(old)
    (here / "my.yaml.bak").write_text("of somebody's")
    ran = call(here, "lint", "my.yaml", "--no-render", "--fix", "--write")
    assert "translated, without its comments, which could not be kept: `my.yaml.bak1` has them" in ran.out
    assert "words" not in (here / "my.yaml").read_text()
    assert (here / "my.yaml.bak1").read_text() == old
    assert (here / "my.yaml.bak").read_text() == "of somebody's"


def test_values_are_shown_without_secrets_unless_asked_for(here: Path) -> None:
    values = {"tls": {"ca": {"key": "TOPSECRET"}}, "extraEnv": [{"name": "MY_PASSWORD", "value": "TOPSECRET"}]}
    helm = StubHelm(here)
    helm.answer(values=values, stdout="v3.22.0")
    (here / "my.yaml").write_text(json.dumps(values))
    asked = ("show", "--offline", "-f", "my.yaml", "--helm", str(helm.path))
    for output in ("table", "json"):
        ran = call(here, *asked, "-o", output)
        assert "tls.ca.key" in ran.out, ran.err
        assert "TOPSECRET" not in ran.out + ran.err
        assert "TOPSECRET" in call(here, *asked, "-o", output, "--show-secrets").out


def test_junit_has_a_failure_for_each_finding_and_a_pass_for_a_good_file(here: Path) -> None:
    (here / "bad.yaml").write_text("huble: {}\n")
    (here / "good.yaml").write_text("hubble: {enabled: true}\n")
    call(here, "lint", "bad.yaml", "good.yaml", "--no-render", "--report", "junit=out.xml")
    bad, good = ET.parse(here / "out.xml").getroot().findall("testsuite")  # noqa: S314 - written by us
    assert (bad.get("failures"), good.get("failures"), good.get("tests")) == ("1", "0", "1")
    case = bad.find("testcase")
    assert case is not None
    assert (case.get("name"), case.get("file"), case.get("line")) == ("CV101 huble", "bad.yaml", "1")


def test_github_hears_of_errors_with_their_file_and_line(here: Path) -> None:
    (here / "bad.yaml").write_text("huble: {}\n")
    ran = call(here, "lint", "bad.yaml", "--no-render", GITHUB_ACTIONS="true")
    assert "::error file=bad.yaml,line=1,title=CV101 huble::" in ran.err


def test_sarif_is_no_report_where_findings_have_no_place(here: Path) -> None:
    ran = run("connectivity", "test", "--report", "sarif=x", env=quiet_environ(here))
    assert ran.code == 2
    assert "`--report sarif=x` is not a report" in ran.err


def test_from_tells_what_changes_and_a_newer_one_is_a_way_back(here: Path) -> None:
    old = here / "old"
    shutil.copytree(CHART, old)
    (old / "Chart.yaml").write_text((old / "Chart.yaml").read_text().replace("1.15.6", "1.14.19"))
    (old / "values.yaml").write_text((old / "values.yaml").read_text().replace("replicas: 2", "replicas: 1"))
    ran = call(here, "lint", "-", "--no-render", "--from", str(old), "-v", stdin="hubble: {}\n")
    assert "info: `operator.replicas`: it was `1` in 1.14.19 and is `2` in 1.15.6 [CV402]" in ran.out
    ran = call(here, "lint", "-", "--no-render", "--from", str(old), stdin="operator: {replicas: 3}\n")
    assert "operator.replicas" not in ran.out
    (old / "Chart.yaml").write_text((old / "Chart.yaml").read_text().replace("1.14.19", "1.16.0"))
    ran = call(here, "lint", "-", "--no-render", "--from", str(old), stdin="hubble: {}\n")
    assert "1.16.0 is newer than chart 1.15.6: a way back" in ran.out


def test_a_version_whose_chart_cannot_be_had_is_judged_by_the_rules(here: Path) -> None:
    ran = call(
        here,
        "lint",
        "-",
        "--no-render",
        "--from",
        "1.13.18",
        "--repository",
        "http://127.0.0.1:9",
        stdin="hubble: {}\n",
    )
    assert "chart 1.13.18 is not at hand" in ran.err
    assert "dnsProxy.minTtl" in ran.out


def test_a_value_is_explained(here: Path) -> None:
    ran = call(here, "explain", "operator.replicas", "--no-render")
    assert ran.code == 0
    assert "integer" in ran.out
    assert "2" in ran.out
    ran = call(here, "explain", "hubble", "--no-render", "-o", "json")
    assert [below["key"] for below in ran.json["data"]["below"]] == [
        "hubble.enabled",
        "hubble.relay.enabled",
        "hubble.ui.enabled",
    ]


def test_what_became_of_an_old_value_is_explained(here: Path) -> None:
    ran = call(here, "explain", "tunnel", "--no-render")
    assert ran.code == 0
    assert "chart 1.15.6 ignores it with `disabled`" in ran.out


def test_reports_are_written_when_nothing_could_be_checked(here: Path) -> None:
    reports = ("--report", "sarif=out.sarif", "--report", "junit=out.xml", "--report", "json=out.json")
    ran = call(here, "lint", "-", "--no-render", "--version", "1.20.0", *reports, stdin="a: 1\n")
    assert ran.code == 2
    assert json.loads((here / "out.json").read_text())["error"]["code"] == "usage"
    invocation = json.loads((here / "out.sarif").read_text())["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert ET.parse(here / "out.xml").getroot().get("errors") == "1"  # noqa: S314 - written by us
