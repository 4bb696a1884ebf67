"""What GitHub is told of a run by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.cli.reporting import publish
from ciliumctl.reports import Case, Suite


@pytest.mark.parametrize(("failed", "last"), [(1, "t0"), (9, "t8"), (10, "and 2 more"), (30, "and 22 more")])
def test_github_gets_nine_errors_at_most_and_hears_of_the_rest(
    failed: int, last: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cases = [Case(name=f"t{number}", about="a pod answers", outcome="failed") for number in range(failed)]
    summary = tmp_path / "summary"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    publish([], "title", [Suite(name="pods", cases=tuple(cases))], {}, environ)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("::error title=") for line in lines)
    assert len(lines) == min(failed, 9)
    assert last in lines[-1]
    assert f"{failed} failed" in summary.read_text()
