"""Findings for other programs: test cases for JUnit and Markdown, results for SARIF."""

from __future__ import annotations

from pathlib import PurePath

from ciliumctl import findings
from ciliumctl.errors import CiliumctlError
from ciliumctl.policies.lint.model import PolicyLint, codes
from ciliumctl.reports import Suite

TITLE = "Network policies"


def suites(result: PolicyLint) -> tuple[Suite, ...]:
    """A suite for each file, or one for the cluster: each finding a case, and one that passes where there is none."""
    places = result.files or ("",)
    return findings.suites(result.findings, places, result.fail_on, subject="policies", good="nothing is wrong")


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    return findings.not_begun(error, "policies")


def as_sarif(result: PolicyLint | CiliumctlError, folder: PurePath) -> str:
    """The findings, or why there are none, as SARIF; `folder` is the one that files are named relative to."""
    known = {one.code: (one.name, one.about) for one in codes().values()}
    outcome = result.findings if isinstance(result, PolicyLint) else result
    return findings.as_sarif(known, outcome, page="reference/policy-lint/", folder=folder)
