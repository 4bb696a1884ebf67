from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ciliumctl.checks._model import Finding, Verdict
from ciliumctl.errors import BadFile, UsageError
from ciliumctl.preflight import choice_of, from_baseline, suppressions
from ciliumctl.preflight.choosing import Choice, chosen, skips, without

TODAY = date(2026, 6, 1)
BAD = Verdict(
    outcome="failed",
    message="2 nodes",
    findings=(
        Finding(text="a", object="Node//worker-1"),
        Finding(text="b", severity="warning", object="Node//worker-2"),
    ),
    hint="do",
)


def ids(choice: Choice) -> set[str]:
    return {check.id for check in chosen(choice)}


def test_checks_are_chosen_by_id_category_and_pattern() -> None:
    assert ids(choice_of(only=["cil-net-001"])) == {"CIL-NET-001"}
    assert ids(choice_of(only=["network"])) == {"CIL-NET-001", "CIL-NET-002", "CIL-NET-003"}
    assert ids(choice_of(only=["CIL-KPR-*"])) == {"CIL-KPR-001", "CIL-KPR-002"}
    assert skips(choice_of(skip=["nodes"]), "CIL-NODE-001", "nodes")
    assert not skips(choice_of(skip=["nodes"]), "CIL-NET-001", "network")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        choice_of(only=["CIL-NETT-001"])
    assert "CIL-NET-001" in caught.value.hint
    with pytest.raises(UsageError):
        choice_of(skip=["nodez"])


@pytest.mark.parametrize("pattern", ["CIL-NOD-001", "cil-nope-*", "netwrok", "nodez"])
def test_the_programs_of_others_do_not_make_a_typo_a_name(pattern: str) -> None:
    with pytest.raises(UsageError):
        choice_of(only=[pattern], programs=["acme"])
    with pytest.raises(UsageError):
        choice_of(skip=[pattern], programs=["acme"])
    with pytest.raises(UsageError):
        choice_of(suppress=suppressions([f"{pattern}=Node/x"]), programs=["acme"])


def test_a_name_that_only_a_program_can_have_is_left_to_it() -> None:
    assert choice_of(only=["ACME-1"], suppress=suppressions(["ACME-*=*"]), programs=["acme"]).only == ("ACME-1",)


@pytest.mark.parametrize("pattern", ["nosuch", "nodes"])
def test_what_is_suppressed_is_a_check_by_its_id(pattern: str) -> None:
    with pytest.raises(UsageError, match=f"no check is called `{pattern}`"):
        choice_of(suppress=suppressions([f"{pattern}=Node/x"]))


def test_a_choice_of_nothing_is_refused_where_something_must_be_checked() -> None:
    with pytest.raises(UsageError, match="nothing to check"):
        choice_of(only=["api"], skip=["api"], some=True)
    assert choice_of(skip=["all"]).skip == ("all",)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("CIL-NODE-001=Node/worker-1", ["b"]),
        ("CIL-NODE-001=Node//worker-1", ["b"]),
        ("CIL-NODE-001=node/worker-*", []),
        ("CIL-NODE-*=*", []),
        ("CIL-NODE-002=*", ["a", "b"]),
        ("CIL-NODE-001=Node/kube-system/worker-1", ["a", "b"]),
        ("CIL-NODE-001=Pod/worker-1", ["a", "b"]),
        ("CIL-NODE-001=worker-1", ["a", "b"]),
    ],
)
def test_findings_about_an_object_can_be_left_out(pattern: str, left: list[str]) -> None:
    verdict, gone = without(BAD, "CIL-NODE-001", suppressions([pattern]))
    assert [finding.text for finding in verdict.findings] == left
    assert len(gone) + len(left) == 2


def test_what_is_left_decides_how_bad_it_is() -> None:
    verdict, _gone = without(BAD, "CIL-NODE-001", suppressions(["CIL-NODE-001=Node/worker-1"]))
    assert (verdict.outcome, verdict.message, verdict.hint) == ("warning", "2 nodes (1 suppressed)", "do")
    verdict, _gone = without(BAD, "CIL-NODE-001", suppressions(["CIL-NODE-001=*"]))
    assert (verdict.outcome, verdict.message) == ("passed", "2 suppressed, nothing else")


@pytest.mark.parametrize("text", ["CIL-NODE-001", "CIL-NODE-001=", "=Node/x"])
def test_a_suppression_needs_both_sides(text: str) -> None:
    with pytest.raises(UsageError):
        suppressions([text])


def baseline(folder: Path, text: str) -> Path:
    path = folder / "baseline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_baseline_holds_until_its_day_and_is_told_of_after_it(tmp_path: Path) -> None:
    path = baseline(
        tmp_path,
        "findings:\n"
        "- {check: CIL-NODE-001, object: Node/old, reason: goes in July, until: 2026-06-01}\n"
        "- {check: CIL-NODE-002, object: Node/old, reason: was to go in May, until: 2026-05-31}\n"
        "- {check: CIL-TLS-001, reason: no Hubble here, until: '2027-01-01'}\n",
    )
    kept, expired = from_baseline(path, TODAY)
    assert [(one.check, one.object, one.why) for one in kept] == [
        ("CIL-NODE-001", "Node/old", "goes in July"),
        ("CIL-TLS-001", "*", "no Hubble here"),
    ]
    assert expired == ("`baseline.yaml`: CIL-NODE-002 for Node/old ran out on 2026-05-31 (was to go in May)",)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "findings: {}",
        "findings: [x]",
        "findings: [{check: CIL-NODE-001, until: 2026-07-01}]",
        "findings: [{check: CIL-NODE-001, reason: because}]",
        "findings: [{check: CIL-NODE-001, reason: '', until: 2026-07-01}]",
        "findings: [{check: CIL-NODE-001, reason: because, until: soon}]",
        "findings: [",
    ],
)
def test_a_baseline_entry_needs_a_reason_and_a_date(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile):
        from_baseline(baseline(tmp_path, text), TODAY)
