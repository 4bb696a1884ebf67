"""Findings as text: a line each, as compilers write them, so that editors and pipelines find the place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ciliumctl.cli import reporting
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.values.lint.model import Finding, Fixed, Lint


def findings(out: Writer, result: Lint, *, verbose: bool) -> None:
    """The findings by file and line, what to write instead, and their sum."""
    for fixed in result.fixed:
        _fixed(out, fixed)
    # Dozens of defaults differ between any two charts: those without consequences are told on request.
    quiet = [finding for finding in result.findings if finding.code == "CV402" and not verbose]
    for finding in result.findings:
        if finding not in quiet:
            _line(out, finding)
    if quiet:
        _more(out, len(quiet))
    out.line(_sum(result))
    fixable = sum(finding.fixable for finding in result.findings)
    if fixable and not result.fixed:
        what = "it" if fixable == 1 else f"{fixable} of them"
        out.hint(f"`ciliumctl values lint --fix` translates {what}")


def beside(session: Session, _out: Writer, result: Lint) -> None:
    """The findings on standard error, where standard output has the translated file."""
    for fixed in result.fixed:
        if not fixed.kept:
            _fixed(session.stderr(), fixed)
    for finding in result.findings:
        if finding.code != "CV402":
            _line(session.stderr(), finding)


def _line(out: Writer, finding: Finding) -> None:
    from ciliumctl.values.lint.reporting import plain

    reporting.show(out, plain(finding))


def _more(out: Writer, count: int) -> None:
    noun = "other default differs" if count == 1 else "other defaults differ"
    out.line((f"info: {count} {noun}; `-v` lists them [CV402]", "dim"))


def _fixed(out: Writer, fixed: Fixed) -> None:
    if not fixed.changed:
        out.line(f"{fixed.file}: nothing to translate")
    elif fixed.written:
        lost = f", without its comments, which could not be kept: `{fixed.backup}` has them"
        out.line(f"{fixed.file}: translated" + ("" if fixed.kept else lost))
    elif not fixed.kept:
        out.line(("warning: ", "warn"), f"{fixed.file}: its comments could not be kept")


def _sum(result: Lint) -> str:
    counted: Counter[str] = Counter(finding.severity for finding in result.findings)
    words = [
        f"{counted[severity]} {noun if counted[severity] == 1 else plural}"
        for severity, noun, plural in (("error", "error", "errors"), ("warning", "warning", "warnings"))
        if counted[severity]
    ]
    how = "" if result.rendered else ", not rendered"
    return f"{' and '.join(words) or 'nothing wrong'} for chart {result.version}{how}"
