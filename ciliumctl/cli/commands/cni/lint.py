"""Check CNI configuration files against the specification and against what their plugins read.

Required keys, versions, the order of a chain, capabilities, IPAM ranges and routes; a folder is checked as a runtime
reads it, which names the file that it takes. No cluster is asked. Codes never change their meaning.

Exit codes: 0 without a finding as grave as --fail-on, 1 with one.

Examples:
  ciliumctl cni lint 10-flannel.conflist
  ciliumctl cni lint /etc/cni/net.d --programs /opt/cni/bin
  kubectl exec -n kube-system ds/cilium -- cat /host/etc/cni/net.d/05-cilium.conflist | ciliumctl cni lint -
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer, envelope
from ciliumctl.errors import CiliumctlError, Partial

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.cni.linting import CniLint
    from ciliumctl.findings import FailOn

KIND = "CniLint"


def command(
    ctx: typer.Context,
    files: Annotated[
        list[str], argument(metavar="FILE...", help="Files, folders as /etc/cni/net.d, or - for standard input")
    ],
    *,
    programs: Annotated[
        str, option("--programs", metavar="FOLDER", help="Where the plugins' programs are, such as /opt/cni/bin")
    ] = "",
    fail_on: reporting.FailOn = "error",
    report: reporting.FileReports = None,
) -> None:
    """Check and tell."""
    from ciliumctl.cni import linting, reading

    session = session_of(ctx)
    session.allow()
    reports = reporting.wanted(report, "sarif")
    try:
        sources = reading.sources(files, sys.stdin.buffer.read)
        there = reading.programs(programs) if programs else None
        result = linting.lint(sources, fail_on=cast("FailOn", fail_on), programs=there)
    except CiliumctlError as error:
        reporting.tell(session, _publish(session, reports, error))
        raise
    reporting.end(session, result, render, None, _publish(session, reports, result))


def _publish(session: Session, reports: list[tuple[str, Path]], outcome: CniLint | CiliumctlError) -> Partial | None:
    from ciliumctl import findings
    from ciliumctl.cni.codes import CODES

    if isinstance(outcome, CiliumctlError):
        suites, data = findings.not_begun(outcome, "files"), envelope(KIND, None, outcome)
    else:
        good = "it is as the specification has it"
        suites = findings.suites(outcome.findings, outcome.files, outcome.fail_on, subject="file", good=good)
        data = envelope(KIND, outcome)
    found = outcome if isinstance(outcome, CiliumctlError) else outcome.findings
    more = {"sarif": lambda: findings.as_sarif(CODES, found, page="reference/cni-lint/", folder=Path.cwd())}
    return reporting.publish(reports, "CNI configurations", suites, data, session.environ, more=more)


def render(out: Writer, result: CniLint) -> None:
    """A line for each finding, as compilers write them, and their sum."""
    from ciliumctl.findings import summary

    for finding in result.findings:
        reporting.show(out, finding)
    count = "1 file" if len(result.files) == 1 else f"{len(result.files)} files"
    out.line(f"{summary(result.findings)} in {count}")
