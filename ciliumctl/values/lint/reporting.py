"""Findings for other programs: test cases for JUnit and Markdown, results for SARIF."""

from __future__ import annotations

from pathlib import PurePath

from ciliumctl import findings, yaml_files
from ciliumctl.errors import CiliumctlError
from ciliumctl.reports import Suite
from ciliumctl.values.lint.model import CODES, Finding, Lint

TITLE = "Values for Cilium"


def advice(finding: Finding) -> str:
    """What to write instead, in one phrase; empty when nothing is known."""
    if not finding.fixable:
        return ""
    if not finding.translation:
        return "leave it out"
    pairs = [
        f"{key}: {yaml_files.dump_flow(value).strip().removesuffix('...').strip()}"
        for key, value in finding.translation.items()
    ]
    return f"write {', '.join(f'`{pair}`' for pair in pairs)}"


def suites(result: Lint, names: tuple[str, ...]) -> tuple[Suite, ...]:
    """A suite for each file: each finding a case, and one that passes where there is none."""
    return findings.suites(
        [plain(finding) for finding in result.findings],
        names,
        result.fail_on,
        subject="values",
        good=f"every value is known to chart {result.version}",
        properties={"chart": result.version},
    )


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    return findings.not_begun(error, "values")


def as_sarif(result: Lint | CiliumctlError, folder: PurePath) -> str:
    """The findings, or why there are none, as SARIF; `folder` is the one that files are named relative to."""
    outcome = [plain(finding) for finding in result.findings] if isinstance(result, Lint) else result
    return findings.as_sarif(CODES, outcome, page="reference/values-lint/", folder=folder)


def plain(finding: Finding) -> findings.Finding:
    """A finding as those of other commands are, with what to write instead as its advice."""
    return findings.Finding(
        code=finding.code,
        severity=finding.severity,
        message=finding.message,
        subject=finding.key,
        advice=advice(finding),
        file=finding.file,
        line=finding.line,
    )
