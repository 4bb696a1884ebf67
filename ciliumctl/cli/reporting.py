"""`--report FORMAT=FILE`, and what GitHub is told by itself: annotations and the step's summary."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from ciliumctl.cli.options import choice, option
from ciliumctl.cli.output import Writer
from ciliumctl.cli.sinks import github_escape
from ciliumctl.errors import CiliumctlError, Partial, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.output import Render, Result
    from ciliumctl.cli.session import Session
    from ciliumctl.findings import Finding
    from ciliumctl.reports import Suite

FORMATS = ("junit", "markdown", "json")
#: GitHub shows ten errors of a step: nine from here, and room for the one that ends a run.
_ANNOTATIONS = 9

Reports = Annotated[
    list[str] | None,
    option("--report", metavar="FORMAT=FILE", help="Also write junit, markdown or json into a file; repeatable"),
]


#: The same, for commands whose findings stand in files.
FileReports = Annotated[
    list[str] | None,
    option("--report", metavar="FORMAT=FILE", help="Also write sarif, junit, markdown or json into a file; repeatable"),
]


#: From which severity on findings in files end a command with 1.
FailOn = Annotated[
    str, choice("error", "warning", "info", "none", flags=("--fail-on",), help="What ends in 1 (default: error)")
]
_STYLES = {"error": "bad", "warning": "warn", "info": "dim"}


def wanted(given: Sequence[str] | None, *more: str) -> list[tuple[str, Path]]:
    """The reports that were asked for, of the common formats and `more` ones.

    Raises `UsageError` before anything is done, also for what cannot be written.
    """
    from ciliumctl.files import why_unwritable

    found = []
    for text in given or ():
        form, _equals, file = text.partition("=")
        known = (*more, *FORMATS)
        if form not in known or not file:
            raise UsageError(f"`--report {text}` is not a report", hint=f"write `--report {'|'.join(known)}=FILE`")
        if Path(file).is_dir():
            raise UsageError(f"`{file}` is a folder", hint="name a file")
        if why := why_unwritable(Path(file)):
            raise UsageError(f"`{file}` cannot be written: {why}", hint="name another file")
        found.append((form, Path(file)))
    return found


def publish(
    reports: Sequence[tuple[str, Path]],
    title: str,
    suites: Sequence[Suite],
    data: Mapping[str, Any],
    environ: Mapping[str, str],
    remarks: Sequence[str] = (),
    more: Mapping[str, Callable[[], str]] | None = None,
) -> Partial | None:
    """Write the reports, those of formats in `more` by its functions, and tell GitHub where that runs us.

    Returns what is to be told of those that failed.
    """
    from ciliumctl import files
    from ciliumctl import reports as made

    page = made.markdown(title, suites, remarks)
    texts: dict[str, Callable[[], str]] = {
        "markdown": lambda: page,
        "junit": lambda: made.junit(title, suites),
        "json": lambda: _json(data),
        **(more or {}),
    }
    failed = []
    for form, path in reports:
        try:
            files.write_whole(path, texts[form]())
        except OSError as error:
            failed.append(f"`{path}` ({error.strerror or error})")
    if environ.get("GITHUB_ACTIONS") == "true":
        _annotate(suites)
        summary = environ.get("GITHUB_STEP_SUMMARY", "")
        if summary:
            _summarize(Path(summary), page)
    if not failed:
        return None
    reason = f"{'a report' if len(failed) == 1 else 'reports'} could not be written: {', '.join(failed)}"
    return Partial(reason, hint="free some space, or name another file")


def end(
    session: Session, result: Result, render: Render, late: CiliumctlError | None, lost: Partial | None
) -> NoReturn:
    """Write the result and end as it is: with its own error `late`, well or not; then tell what `publish` lost.

    The exit code is the result's own; 7 where that would be 0 and a report is lost.
    """
    if late is not None:
        try:
            session.fail(late, result, render)
        finally:
            tell(session, lost)
    if lost is not None:
        session.fail(lost, result, render, exit_code=None if result.ok else 1)
    session.finish(result, render)


def show(out: Writer, finding: Finding) -> None:
    """A finding as compilers write them, so that editors and pipelines find the place; what to do in a line below."""
    where = f"{finding.where}: " if finding.file else ""
    subject = f"`{finding.subject}`: " if finding.subject else ""
    severity = (f"{finding.severity}: ", _STYLES[finding.severity])
    out.line((where, "head"), severity, f"{subject}{finding.message} ", (f"[{finding.code}]", "dim"))
    if finding.advice:
        out.line("    ", finding.advice)


def tell(session: Session, lost: Partial | None) -> None:
    """Say which reports could not be written, beside an error that ends the command."""
    if lost is not None:
        session.explain(lost)


def _summarize(path: Path, page: str) -> None:
    """GitHub's own page: nothing that a result hangs on."""
    try:
        with path.open("a", encoding="utf-8") as out:
            out.write(page)
    except OSError as error:
        text = github_escape(f"the step's summary cannot be written: {error.strerror or error}")
        sys.stderr.write(f"::warning title=ciliumctl::{text}\n")


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _annotate(suites: Sequence[Suite]) -> None:
    bad = [case for suite in suites for case in suite.cases if case.outcome in {"failed", "error"}]
    shown = bad if len(bad) <= _ANNOTATIONS else bad[: _ANNOTATIONS - 1]
    for case in shown:
        text = "\n".join((f"{case.about}: {case.message}", *case.details[:6]))
        # In a property a comma and a colon end it.
        file = github_escape(case.file).replace(",", "%2C").replace(":", "%3A")
        where = f"file={file}," if case.file else ""
        where += f"line={case.line}," if case.line else ""
        sys.stderr.write(f"::error {where}title={github_escape(case.name)}::{github_escape(text)}\n")
    if len(bad) > len(shown):
        sys.stderr.write(f"::error title=ciliumctl::and {len(bad) - len(shown)} more failed; see the summary\n")
    sys.stderr.flush()
