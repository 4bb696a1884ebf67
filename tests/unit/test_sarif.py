from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest

from ciliumctl import sarif

KINDS = [sarif.Kind(id=code, name=code.lower(), about=f"about {code}", help="https://x.example/") for code in "ABC"]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("values/my file.yaml", "values/my%20file.yaml"),
        ("/srv/repo/a.yaml", "a.yaml"),
        ("/elsewhere/a.yaml", "file:///elsewhere/a.yaml"),
        ("", ""),
    ],
)
def test_a_file_is_named_relative_to_the_folder(file: str, uri: str) -> None:
    assert sarif.address(file, PurePosixPath("/srv/repo")) == uri


def log(*results: sarif.Result, failure: str = "") -> dict[str, object]:
    text = sarif.document(
        KINDS, results, tool="x", version="1.0.0", page="https://x.example/", folder=PurePosixPath("/"), failure=failure
    )
    run: dict[str, object] = json.loads(text)["runs"][0]
    return run


def test_only_the_kinds_that_were_found_are_listed() -> None:
    run = log(sarif.Result(kind="C", level="note", message="m"), sarif.Result(kind="A", level="error", message="m"))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["A", "C"]  # type: ignore[index]
    assert [result["ruleIndex"] for result in run["results"]] == [1, 0]  # type: ignore[attr-defined]


def test_two_findings_of_a_kind_about_one_thing_have_marks_of_their_own() -> None:
    same = sarif.Result(kind="A", level="error", message="m", subject="key", file="a.yaml", line=1)
    marks = [result["partialFingerprints"]["subject/v1"] for result in log(same, same)["results"]]  # type: ignore[attr-defined]
    assert len(set(marks)) == 2


def test_what_has_no_place_has_no_location_and_a_run_that_failed_says_so() -> None:
    run = log(sarif.Result(kind="A", level="error", message="m"), failure="no chart")
    assert "locations" not in run["results"][0]  # type: ignore[index]
    assert run["invocations"][0]["executionSuccessful"] is False  # type: ignore[index]
