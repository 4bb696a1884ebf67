"""Findings about files: what lint commands find, with stable codes, as text for people and as reports for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from ciliumctl import __version__, sarif
from ciliumctl.errors import CiliumctlError
from ciliumctl.reports import Case, Suite

Severity = Literal["error", "warning", "info"]
#: The mildest severity that ends a command with 1.
FailOn = Literal["error", "warning", "info", "none"]

#: From mild to grave.
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
#: What stands for standard input where a file's name is meant: as it is typed.
STDIN = "-"
#: Places that are no files: standard input, and the flags that set a value.
_NO_FILES = (STDIN, "<stdin>")
PAGE = "https://ciliumctl.readthedocs.io/"
_LEVELS: Mapping[Severity, sarif.Level] = {"error": "error", "warning": "warning", "info": "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about a file.

    Attributes:
        code: What kind of finding it is; a code never changes its meaning.
        subject: What in the file it is about, such as a key; empty where it is the file.
        advice: What to do, as a command or in a few words.
        line: From 1; 0 where there is none.
    """

    code: str
    severity: Severity
    message: str
    subject: str = ""
    advice: str = ""
    file: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """Such as `10-net.conflist:12`."""
        return f"{self.file}:{self.line}" if self.line else self.file


def reaches(severity: Severity, fail_on: FailOn) -> bool:
    """Whether a severity is as grave as the threshold."""
    return fail_on != "none" and SEVERITIES.index(severity) >= SEVERITIES.index(fail_on)


def fails(found: Sequence[Finding], fail_on: FailOn) -> bool:
    """Whether one of the findings is as grave as the threshold."""
    return any(reaches(finding.severity, fail_on) for finding in found)


def ordered(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """By file, in the order of the first finding in each, and by line."""
    files = {file: number for number, file in enumerate(dict.fromkeys(finding.file for finding in found))}
    return tuple(sorted(found, key=lambda finding: (files[finding.file], finding.line, finding.code)))


def summary(found: Sequence[Finding]) -> str:
    """Such as `2 errors, 1 warning`; `nothing found` without any."""
    counted: Counter[str] = Counter(finding.severity for finding in found)
    words = [
        f"{counted[severity]} {noun}{'' if counted[severity] == 1 or severity == 'info' else 's'}"
        for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "info"))
        if counted[severity]
    ]
    return ", ".join(words) or "nothing found"


def suites(
    found: Sequence[Finding],
    files: Sequence[str],
    fail_on: FailOn,
    *,
    subject: str,
    good: str,
    properties: Mapping[str, str] | None = None,
) -> tuple[Suite, ...]:
    """A suite for each file: each finding a case, and one that passes, saying `good`, where there is none.

    `subject` is what is checked, in one word; `properties` are told of each suite.
    """
    places = [*files, *sorted({finding.file for finding in found} - set(files))]
    return tuple(
        Suite(
            name=place or subject,
            cases=tuple(_case(finding, fail_on) for finding in found if finding.file == place)
            or (Case(name=subject, about=good, outcome="passed", file=_file(place)),),
            properties=properties or {},
        )
        for place in places
    )


def _case(finding: Finding, fail_on: FailOn) -> Case:
    return Case(
        name=f"{finding.code} {finding.subject}".strip(),
        about=f"{finding.severity} in {finding.where}" if finding.file else finding.severity,
        outcome="failed" if reaches(finding.severity, fail_on) else "skipped",
        message=finding.message,
        details=(finding.advice,) if finding.advice else (),
        file=_file(finding.file),
        line=finding.line,
    )


def not_begun(error: CiliumctlError, subject: str) -> tuple[Suite, ...]:
    """What is reported where nothing could be checked."""
    details = (error.hint,) if error.hint else ()
    case = Case(name=subject, about=f"{subject} are checked", outcome="error", message=error.message, details=details)
    return (Suite(name="setup", cases=(case,)),)


def as_sarif(
    codes: Mapping[str, tuple[str, str]],
    outcome: Sequence[Finding] | CiliumctlError,
    *,
    page: str,
    folder: PurePath,
) -> str:
    """The findings, or why there are none, as SARIF.

    `codes` maps a code to its name and what it means; `page` is the reference that has an anchor for each, such as
    `reference/cni-lint/`. Files are named relative to `folder`.
    """
    kinds = [
        sarif.Kind(id=code, name=name, about=about, help=f"{PAGE}{page}#{code.lower()}")
        for code, (name, about) in codes.items()
    ]
    results = [
        sarif.Result(
            kind=finding.code,
            level=_LEVELS[finding.severity],
            message=_sentence(finding),
            subject=finding.subject,
            file=_file(finding.file),
            line=finding.line,
        )
        for finding in (() if isinstance(outcome, CiliumctlError) else outcome)
    ]
    return sarif.document(
        kinds,
        results,
        tool="ciliumctl",
        version=__version__,
        page=PAGE,
        folder=folder,
        failure=outcome.message if isinstance(outcome, CiliumctlError) else "",
    )


def _file(place: str) -> str:
    return "" if place.startswith(_NO_FILES) else place


def _sentence(finding: Finding) -> str:
    start = f"`{finding.subject}`: " if finding.subject else ""
    return f"{start}{finding.message}" + (
        f". {finding.advice[0].upper()}{finding.advice[1:]}" if finding.advice else ""
    )
