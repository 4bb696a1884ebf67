"""`--report FORMAT=FILE`, and what GitHub is told by itself: annotations and the step's summary."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ciliumctl.cli.options import option
from ciliumctl.cli.sinks import github_escape
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.reports import Suite

FORMATS = ("junit", "markdown", "json")
#: GitHub shows ten errors of a step: nine from here, and room for the one that ends a run.
_ANNOTATIONS = 9

Reports = Annotated[
    list[str] | None,
    option("--report", metavar="FORMAT=FILE", help="Also write junit, markdown or json into a file; repeatable"),
]


def wanted(given: Sequence[str] | None) -> list[tuple[str, Path]]:
    """The reports that were asked for. Raises `UsageError` before anything is done."""
    found = []
    for text in given or ():
        form, _equals, file = text.partition("=")
        if form not in FORMATS or not file:
            raise UsageError(f"`--report {text}` is not a report", hint=f"write `--report {'|'.join(FORMATS)}=FILE`")
        if Path(file).is_dir():
            raise UsageError(f"`{file}` is a folder", hint="name a file")
        found.append((form, Path(file)))
    return found


def publish(
    reports: Sequence[tuple[str, Path]],
    title: str,
    suites: Sequence[Suite],
    data: Mapping[str, Any],
    environ: Mapping[str, str],
    remarks: Sequence[str] = (),
) -> None:
    """Write the reports, and tell GitHub where that runs us. Raises `UsageError` for a file that cannot be written."""
    from ciliumctl import reports as made

    page = made.markdown(title, suites, remarks)
    texts = {"markdown": lambda: page, "junit": lambda: made.junit(title, suites), "json": lambda: _json(data)}
    for form, path in reports:
        try:
            made.write(path, texts[form]())
        except OSError as error:
            raise UsageError(f"`{path}` cannot be written: {error.strerror}", hint="name another file") from error
    if environ.get("GITHUB_ACTIONS") == "true":
        _annotate(suites)
        summary = environ.get("GITHUB_STEP_SUMMARY", "")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as out:
                out.write(page)


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _annotate(suites: Sequence[Suite]) -> None:
    bad = [case for suite in suites for case in suite.cases if case.outcome in {"failed", "error"}]
    shown = bad if len(bad) <= _ANNOTATIONS else bad[: _ANNOTATIONS - 1]
    for case in shown:
        text = "\n".join((f"{case.about}: {case.message}", *case.details[:6]))
        sys.stderr.write(f"::error title={github_escape(case.name)}::{github_escape(text)}\n")
    if len(bad) > len(shown):
        sys.stderr.write(f"::error title=ciliumctl::and {len(bad) - len(shown)} more failed; see the summary\n")
    sys.stderr.flush()
