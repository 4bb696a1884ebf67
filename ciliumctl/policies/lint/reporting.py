"""Findings for other programs: test cases for JUnit and Markdown, results for SARIF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from ciliumctl import findings
from ciliumctl.errors import CiliumctlError
from ciliumctl.policies.lint.model import Finding, Lint, codes
from ciliumctl.reports import Suite

TITLE = "Network policies"


def suites(result: Lint) -> tuple[Suite, ...]:
    """A suite for each file, or one for the cluster: each finding a case, and one that passes where there is none."""
    found = [_plain(finding) for finding in result.findings]
    return findings.suites(found, result.files or ("",), result.fail_on, subject="policies", good="nothing is wrong")


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    return findings.not_begun(error, "policies")


def as_sarif(result: Lint | CiliumctlError, folder: PurePath) -> str:
    """The findings, or why there are none, as SARIF; `folder` is the one that files are named relative to."""
    known = {one.code: (one.name, one.about) for one in codes().values()}
    outcome = [_plain(finding) for finding in result.findings] if isinstance(result, Lint) else result
    return findings.as_sarif(known, outcome, page="reference/policy-lint/", folder=folder)


def _plain(finding: Finding) -> findings.Finding:
    subject = f"{finding.policy} {finding.key}".strip()
    return replace(finding, subject=subject, advice=codes()[finding.code].do.rstrip("."))
