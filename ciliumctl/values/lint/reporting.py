"""Findings for other programs: test cases for JUnit and Markdown, results for SARIF."""

from __future__ import annotations

from pathlib import PurePath

from ciliumctl import __version__, sarif, yaml_files
from ciliumctl.errors import CiliumctlError
from ciliumctl.reports import Case, Suite
from ciliumctl.values.lint.model import CODES, Finding, Lint, reaches
from ciliumctl.values.lint.running import STDIN

TITLE = "Values for Cilium"
_PAGE = "https://ciliumctl.readthedocs.io/"
_LEVELS: dict[str, sarif.Level] = {"error": "error", "warning": "warning", "info": "note"}


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
    places = [*names, *sorted({finding.file for finding in result.findings} - set(names))]
    found = []
    for place in places:
        cases = tuple(_case(finding, result) for finding in result.findings if finding.file == place)
        if not cases:
            about = f"every value is known to chart {result.version}"
            cases = (Case(name="values", about=about, outcome="passed", file=_file(place)),)
        found.append(Suite(name=place or "upgrade", cases=cases, properties={"chart": result.version}))
    return tuple(found)


def _case(finding: Finding, result: Lint) -> Case:
    name = f"{finding.code} {finding.key}".strip()
    failed = reaches(finding.severity, result.fail_on)
    return Case(
        name=name,
        about=f"{finding.severity} in {finding.where}" if finding.file else finding.severity,
        outcome="failed" if failed else "skipped",
        message=finding.message,
        details=(advice(finding),) if advice(finding) else (),
        file=_file(finding.file),
        line=finding.line,
    )


def _file(place: str) -> str:
    return "" if place == STDIN or place.startswith("--") else place


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    details = (error.hint,) if error.hint else ()
    case = Case(name="values", about="the values are checked", outcome="error", message=error.message, details=details)
    return (Suite(name="setup", cases=(case,)),)


def as_sarif(result: Lint | CiliumctlError, folder: PurePath) -> str:
    """The findings, or why there are none, as SARIF; `folder` is the one that files are named relative to."""
    kinds = [
        sarif.Kind(id=code, name=name, about=about, help=f"{_PAGE}reference/values-lint/#{code.lower()}")
        for code, (name, about) in CODES.items()
    ]
    results = [
        sarif.Result(
            kind=finding.code,
            level=_LEVELS[finding.severity],
            message=_sentence(finding),
            subject=finding.key,
            file=_file(finding.file),
            line=finding.line,
        )
        for finding in (result.findings if isinstance(result, Lint) else ())
    ]
    failure = "" if isinstance(result, Lint) else result.message
    return sarif.document(
        kinds, results, tool="ciliumctl", version=__version__, page=_PAGE, folder=folder, failure=failure
    )


def _sentence(finding: Finding) -> str:
    start = f"`{finding.key}`: " if finding.key else ""
    end = f". Instead {advice(finding)}" if advice(finding) else ""
    return f"{start}{finding.message}{end}"
