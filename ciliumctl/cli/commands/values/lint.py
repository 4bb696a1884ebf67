"""Check values against a chart: unknown, old, mistyped and refused ones, each with its line.

What the chart at hand knows counts first, so charts that are newer than this program are checked, too. Where helm is
found the values are rendered, which finds what only the chart's own validation knows. No cluster is asked.
`--from` adds the defaults that change on the way from another version, for values that are not set.
`--fix` writes the file in the chart's words to standard output, `--fix --write` into its place. Comments stay.

Exit codes: 0 without a finding as grave as --fail-on, 1 with one.

Examples:
  ciliumctl values lint values.yaml --version 1.20.0
  ciliumctl values lint values.yaml --chart cilium-1.20.0.tgz --from 1.15.6
  ciliumctl values lint --fix --write values.yaml
  helm get values cilium -n kube-system -o yaml | ciliumctl values lint - --report sarif=values.sarif
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.values import _showing as showing
from ciliumctl.cli.commands.values._asking import means
from ciliumctl.cli.options import (
    ChartOptions,
    Set,
    SetFile,
    SetJson,
    SetString,
    argument,
    option,
)
from ciliumctl.cli.output import emit, envelope
from ciliumctl.errors import CiliumctlError, Partial, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.findings import FailOn
    from ciliumctl.values.lint.model import Lint
    from ciliumctl.values.lint.running import Wanted

KIND = "ValuesLint"


def command(
    ctx: typer.Context,
    *,
    files: Annotated[list[str] | None, argument(metavar="[FILE]...", help="Values files; - for standard input")] = None,
    which: ChartOptions,
    coming_from: Annotated[
        str,
        # `from` alone could not be set in a configuration file: it is no name in Python.
        option(
            "--from",
            "--coming-from",
            metavar="VERSION|CHART",
            help="Also tell the defaults that change on the way from there",
        ),
    ] = "",
    set: Set = None,
    set_string: SetString = None,
    set_file: SetFile = None,
    set_json: SetJson = None,
    fix: Annotated[bool, option("--fix", help="Write the file in the chart's words to standard output")] = False,
    write: Annotated[bool, option("--write", "-w", help="With --fix: write into the file itself")] = False,
    render: Annotated[
        bool, option("--render/--no-render", help="Ask the chart's own validation, with helm (default: yes)")
    ] = True,
    kubernetes_version: Annotated[
        str, option("--kubernetes-version", metavar="VERSION", help="What it is rendered for (default: 1.34.0)")
    ] = "1.34.0",
    fail_on: reporting.FailOn = "error",
    report: reporting.FileReports = None,
) -> None:
    """Check, translate, tell."""
    from ciliumctl.values.lint import running

    session = session_of(ctx)
    session.allow()
    session.deadline(120.0)
    reports = reporting.wanted(report, "sarif")
    names = list(files or ())
    flags = _installing.set_flags((set, set_string, set_file, set_json))
    _sensible(names, fix=fix, write=write, flags=bool(flags), table=session.settings.output == "table")
    wanted = running.Wanted(
        sources=running.sources(names, sys.stdin.buffer.read),
        flags=flags,
        chart=_installing.request(which),
        coming_from=coming_from,
        kube_version=kubernetes_version,
        fail_on=cast("FailOn", fail_on),
        fix=fix,
        write=write,
    )
    try:
        result = running.run(wanted, means(session, render=render, needed=bool(flags)))
    except CiliumctlError as error:
        reporting.tell(session, _publish(session, reports, wanted, error))
        raise
    if fix and not write and session.settings.output == "table":
        emit("".join(new.text for new in result.fixed))
        show = partial(showing.beside, session)
    else:
        show = partial(showing.findings, verbose=session.settings.verbose > 0)
    reporting.end(session, result, show, None, _publish(session, reports, wanted, result))


def _publish(
    session: Session, reports: list[tuple[str, Path]], wanted: Wanted, outcome: Lint | CiliumctlError
) -> Partial | None:
    """Write the reports of a run, or of one that came to nothing; returns what is to be told of those that failed."""
    from ciliumctl.values.lint import reporting as made

    if isinstance(outcome, CiliumctlError):
        suites, data = made.not_begun(outcome), envelope(KIND, None, outcome)
    else:
        names = tuple(name for name, _content in wanted.sources)
        suites, data = made.suites(outcome, names), envelope(KIND, outcome)
    more = {"sarif": lambda: made.as_sarif(outcome, Path.cwd())}
    return reporting.publish(reports, made.TITLE, suites, data, session.environ, more=more)


def _sensible(names: list[str], *, fix: bool, write: bool, flags: bool, table: bool) -> None:
    if not names and not flags:
        raise UsageError("there is nothing to check", hint="name a file, or `-` for standard input")
    if write and not fix:
        raise UsageError("`--write` goes with `--fix`", hint="add `--fix`")
    if fix and not names:
        raise UsageError("`--fix` needs a file", hint="name a file, or `-` for standard input")
    if write and "-" in names:
        raise UsageError(
            "standard input cannot be written to", hint="leave `--write` out: the text goes to standard output"
        )
    if fix and not write and len(names) > 1 and table:
        raise UsageError("several files cannot go to one standard output", hint="add `--write`, or name one file")
