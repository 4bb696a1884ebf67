"""What GitHub is told of a run by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.cli.reporting import publish
from ciliumctl.reports import Case, Suite
from tests.world.devices import device


@pytest.mark.parametrize(("failed", "last"), [(1, "t0"), (9, "t8"), (10, "and 2 more"), (30, "and 22 more")])
def test_github_gets_nine_errors_at_most_and_hears_of_the_rest(
    failed: int, last: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cases = [Case(name=f"t{number}", about="a pod answers", outcome="failed") for number in range(failed)]
    summary = tmp_path / "summary"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    assert publish([], "title", [Suite(name="pods", cases=tuple(cases))], {}, environ) is None
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("::error title=") for line in lines)
    assert len(lines) == min(failed, 9)
    assert last in lines[-1]
    assert f"{failed} failed" in summary.read_text()


def test_a_summary_that_cannot_be_written_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(device(tmp_path, "full"))}
    assert publish([], "title", [Suite(name="pods", cases=())], {}, environ) is None
    assert capsys.readouterr().err == (
        "::warning title=ciliumctl::the step's summary cannot be written: No space left on device\n"
    )


def test_all_reports_are_written_and_those_that_were_lost_are_named(tmp_path: Path) -> None:
    full = device(tmp_path, "full")
    link = tmp_path / "link.md"
    link.symlink_to("page.md")
    reports = [("junit", full), ("markdown", link), ("json", tmp_path), ("json", tmp_path / "a" / "b")]
    lost = publish(reports, "title", [], {"ok": True}, {})
    assert lost is not None
    assert lost.message == (
        f"reports could not be written: `{full}` (No space left on device), `{tmp_path}` (Is a directory)"
    )
    assert link.is_symlink()
    assert (tmp_path / "page.md").read_text().startswith("## title")
    assert (tmp_path / "a" / "b").read_text() == '{\n  "ok": true\n}\n'
