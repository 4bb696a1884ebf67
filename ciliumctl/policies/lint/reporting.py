"""Findings for other programs: test cases for JUnit and Markdown, results for SARIF."""

from __future__ import annotations

from pathlib import PurePath

from ciliumctl import __version__, sarif
from ciliumctl.errors import CiliumctlError
from ciliumctl.policies.lint.model import Finding, Lint, codes
from ciliumctl.policies.lint.running import STDIN
from ciliumctl.reports import Case, Suite
from ciliumctl.values.lint.model import reaches

TITLE = "Network policies"
_PAGE = "https://ciliumctl.readthedocs.io/"
_HELP = f"{_PAGE}reference/policy-lint/#"
_LEVELS: dict[str, sarif.Level] = {"error": "error", "warning": "warning", "info": "note"}


def suites(result: Lint) -> tuple[Suite, ...]:
    """A suite for each file, or one for the cluster: each finding a case, and one that passes where there is none."""
    places = [*result.files, *sorted({one.file for one in result.findings} - set(result.files))] or [""]
    found = []
    for place in places:
        cases = tuple(_case(one, result) for one in result.findings if one.file == place)
        if not cases:
            cases = (Case(name="policies", about="nothing is wrong", outcome="passed", file=_file(place)),)
        found.append(Suite(name=place or result.cluster or "policies", cases=cases))
    return tuple(found)


def _case(finding: Finding, result: Lint) -> Case:
    return Case(
        name=" ".join(part for part in (finding.code, finding.policy, finding.key) if part),
        about=f"{finding.severity} in {finding.where}" if finding.where else finding.severity,
        outcome="failed" if reaches(finding.severity, result.fail_on) else "skipped",
        message=finding.message,
        details=(codes()[finding.code].do,),
        file=_file(finding.file),
        line=finding.line,
    )


def _file(place: str) -> str:
    return "" if place == STDIN else place


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    details = (error.hint,) if error.hint else ()
    case = Case(name="policies", about="policies are checked", outcome="error", message=error.message, details=details)
    return (Suite(name="setup", cases=(case,)),)


def as_sarif(result: Lint | CiliumctlError, folder: PurePath) -> str:
    """The findings, or why there are none, as SARIF; `folder` is the one that files are named relative to."""
    kinds = [
        sarif.Kind(
            id=one.code, name=one.name, about=one.about, help=f"{_PAGE}reference/policy-lint/#{one.code.lower()}"
        )
        for one in codes().values()
    ]
    results = [
        sarif.Result(
            kind=one.code,
            level=_LEVELS[one.severity],
            message=f"`{one.key}`: {one.message}" if one.key else one.message,
            subject=f"{one.policy} {one.key}".strip(),
            file=_file(one.file),
            line=one.line,
        )
        for one in (result.findings if isinstance(result, Lint) else ())
    ]
    failure = "" if isinstance(result, Lint) else result.message
    return sarif.document(
        kinds, results, tool="ciliumctl", version=__version__, page=_PAGE, folder=folder, failure=failure
    )
