"""What many failures have in common, and the reports."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ciliumctl.connectivity import failed_in, not_begun, repeated, suites
from ciliumctl.connectivity import result as results
from ciliumctl.connectivity.result import Connectivity, Outcome, Probed, patterns
from ciliumctl.errors import BadFile, Forbidden
from ciliumctl.reports import junit, markdown


def probed(
    source: str,
    target: str,
    *,
    ok: bool,
    address: str = "203.0.113.1",
    denied: bool = False,
    anywhere: bool = False,
) -> Probed:
    return Probed(
        name="HTTP",
        ok=ok,
        source="client",
        source_node=source,
        target="pod far",
        target_node=target,
        address=address,
        expected="no answer" if denied else "an answer",
        seen="exit code 28: timed out",
        paste="kubectl exec …",
        denied=denied,
        anywhere=anywhere,
    )


def ended(name: str, outcome: Outcome, *probes: Probed, reason: str = "", attempts: int = 1) -> results.Tested:
    return results.Tested(
        name=name,
        about=f"what {name} shows",
        category="pods",
        outcome=outcome,
        seconds=0.5,
        reason=reason,
        probes=probes,
        attempts=attempts,
    )


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode())  # noqa: S314 - it is our own


def run(*scenarios: results.Tested) -> Connectivity:
    return Connectivity(
        context="prod",
        namespace="ciliumctl-test-1-0",
        nodes=("one", "two"),
        families=(4, 6),
        profile="smoke",
        scenarios=scenarios,
    )


def test_a_broken_direction_is_named_once() -> None:
    found = patterns(
        (
            ended("a", "failed", probed("one", "two", ok=False), probed("two", "one", ok=True)),
            ended("b", "failed", probed("one", "two", ok=False), probed("one", "one", ok=True)),
        )
    )
    assert found == ("nothing gets through from one to two: all 2 probes failed",)


def test_a_lossy_direction_is_told_with_its_share() -> None:
    found = patterns((ended("a", "failed", probed("one", "two", ok=False), probed("one", "two", ok=True)),))
    assert found == ("from one to two: 1 of 2 probes failed",)


def test_a_broken_family_is_told() -> None:
    six = "2001:db8::1"
    failing = (probed("one", "two", ok=False, address=six), probed("one", "two", ok=True))
    assert patterns((ended("a", "failed", *failing),))[-1] == "only IPv6 is affected"
    failing = (probed("one", "two", ok=True, address=six), probed("one", "two", ok=False))
    assert patterns((ended("a", "failed", *failing),))[-1] == "IPv6 is not affected"


def test_denied_probes_that_get_through_are_no_broken_direction() -> None:
    assert patterns((ended("a", "failed", probed("one", "two", ok=False, denied=True)),)) == ()


def test_an_answer_that_may_have_come_from_any_node_says_nothing_about_a_direction() -> None:
    anybody = probed("one", "two", ok=True, anywhere=True)
    broken = probed("one", "two", ok=False)
    assert patterns((ended("a", "failed", broken, broken), ended("b", "passed", anybody))) == (
        "nothing gets through from one to two: all 2 probes failed",
    )
    assert patterns((ended("a", "failed", probed("one", "two", ok=False, anywhere=True)),)) == ()


def test_a_run_is_good_only_when_something_passed_and_nothing_failed() -> None:
    assert run(ended("a", "passed"), ended("b", "skipped")).ok
    assert run(ended("a", "flaky")).ok
    assert not run(ended("a", "skipped")).ok
    assert not run(ended("a", "passed"), ended("b", "error")).ok


def test_junit_tells_failures_from_errors_skips_and_flakes() -> None:
    result = run(
        ended("good", "passed"),
        ended("bad", "failed", probed("one", "two", ok=False)),
        ended("broken", "error", reason="pods \x1b[31m gone"),
        ended("left out", "skipped", reason="one node"),
        ended("odd", "flaky", attempts=2),
    )
    root = parsed(junit("run", suites(result)))
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("5", "1", "1", "1")
    (suite,) = root
    assert suite.get("name") == "pods"
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    failure = cases["bad"].find("failure")
    assert failure is not None
    assert failure.get("message") == "1 of 1 probes failed"
    assert "from client on one to pod far on two" in (failure.text or "")
    assert cases["left out"].find("skipped") is not None
    flaky = cases["odd"].find("flakyFailure")
    assert flaky is not None
    assert flaky.get("message") == "passed at attempt 2"


def test_markdown_says_the_sum_first_and_what_failed_in_full() -> None:
    result = run(ended("good", "passed"), ended("bad", "failed", probed("one", "two", ok=False)))
    page = markdown("run", suites(result), ["nothing gets through"])
    assert page.startswith("## run\n\n**1 passed, 1 failed, 0 skipped**\n\n- nothing gets through\n")
    assert "### ❌ bad" in page
    assert "| ✅ | good | 0.5 |" in page


def test_a_run_that_could_not_begin_is_an_error_in_the_reports() -> None:
    text = junit("run", not_begun(Forbidden("user `jane` may not create `namespaces`", hint="ask")))
    root = parsed(text)
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert "may not create" in text


def test_what_failed_is_read_back_from_a_report(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    scenarios = [
        {"name": "a", "outcome": "failed"},
        {"name": "b", "outcome": "passed"},
        {"name": "c", "outcome": "error"},
    ]
    file.write_text(json.dumps({"kind": "Connectivity", "data": {"scenarios": scenarios}}))
    assert failed_in(file) == frozenset({"a", "c"})


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "Connectivity", "data": None, "error": {"code": "forbidden"}},
        {"kind": "Connectivity", "data": {"scenarios": []}, "error": {"code": "timeout"}},
        {"kind": "Connectivity", "data": {"scenarios": [{"name": "a", "outcome": "skipped"}]}},
    ],
)
def test_a_run_that_tested_nothing_does_not_count_as_good(tmp_path: Path, content: object) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(content))
    assert failed_in(file) is None


def test_a_run_in_which_everything_was_skipped_is_an_error_in_the_reports() -> None:
    text = junit("run", suites(run(ended("left out", "skipped", reason="one node"))))
    assert parsed(text).get("errors") == "1"
    assert "nothing was tested" in text
    assert not run(ended("left out", "skipped")).ok


def test_nothing_left_to_repeat_is_good() -> None:
    assert repeated("smoke").ok
    assert suites(repeated("smoke")) == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "Status", "data": {"scenarios": []}}', '{"kind": "Connectivity"}']
)
def test_a_file_that_is_no_such_report_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(content)
    with pytest.raises(BadFile, match=str(file)):
        failed_in(file)
    with pytest.raises(BadFile, match="cannot be read"):
        failed_in(tmp_path / "none.json")
