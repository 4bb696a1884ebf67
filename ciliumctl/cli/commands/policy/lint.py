"""Check network policies: misspelt, refused, without effect, open to everybody, in each other's way.

Of files, folders or standard input no cluster is asked. With `--cluster` they are held against the pods, namespaces and
settings of the cluster that they are for; without files the cluster's own policies are checked.

Exit codes: 0 without a finding as grave as --fail-on, 1 with one.

Examples:
  ciliumctl policy lint policies/
  ciliumctl policy lint web.yaml --cluster
  ciliumctl policy lint --cluster --fail-on warning
  kustomize build . | ciliumctl policy lint - --report sarif=policies.sarif
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.commands.policy import _choosing as choosing
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer, envelope
from ciliumctl.errors import CiliumctlError, UsageError

if TYPE_CHECKING:
    from ciliumctl.findings import FailOn
    from ciliumctl.policies.lint import PolicyLint

KIND = "PolicyLint"


def command(
    ctx: typer.Context,
    *,
    files: Annotated[
        list[str] | None, argument(metavar="[FILE|FOLDER]...", help="Manifests; - for standard input")
    ] = None,
    cluster: Annotated[bool, option("--cluster", help="For the cluster, or without files: its own")] = False,
    namespace: choosing.Namespace = "",
    fail_on: reporting.FailOn = "error",
    report: reporting.FileReports = None,
) -> None:
    """Check, tell."""
    from ciliumctl.policies import lint
    from ciliumctl.policies.lint import reporting as made
    from ciliumctl.policies.lint import running

    session = session_of(ctx)
    session.allow("name")
    session.deadline(120.0)
    reports = reporting.wanted(report, "sarif")
    names = list(files or ())
    if not names and not cluster:
        raise UsageError("there is nothing to check", hint="name a file, or check the cluster with `--cluster`")
    if names and namespace:
        raise UsageError("`-n` is for the cluster's own policies", hint="leave it out: files say where policies are")
    if names.count("-") > 1:
        raise UsageError("`-` stands there twice, and standard input can be read once", hint="leave one of them out")
    try:
        found = running.look(session.kube, session.settings.namespace) if cluster else None
        shape = running.shape(session.kube) if cluster else None
        if found is not None and not names:
            result = lint.in_cluster(found, shape, namespace=namespace)
        else:
            around = found.around if found is not None else None
            result = lint.in_files(names, sys.stdin.buffer.read, around=around, shape=shape)
    except CiliumctlError as error:
        data = envelope(KIND, None, error)
        failed = {"sarif": partial(made.as_sarif, error, Path.cwd())}
        lost = reporting.publish(reports, made.TITLE, made.not_begun(error), data, session.environ, more=failed)
        reporting.tell(session, lost)
        raise
    result = replace(result, fail_on=cast("FailOn", fail_on), cluster=session.kube.context if cluster else "")
    more = {"sarif": partial(made.as_sarif, result, Path.cwd())}
    lost = reporting.publish(
        reports, made.TITLE, made.suites(result), envelope(KIND, result), session.environ, more=more
    )
    reporting.end(session, result, render, None, lost)


def render(out: Writer, result: PolicyLint) -> None:
    """A line for each finding, as compilers write them, and the sum."""
    from ciliumctl.findings import summary

    for finding in result.findings:
        reporting.show(out, finding)
    policies = f"{result.policies} {'policy' if result.policies == 1 else 'policies'}"
    where = f" of {result.cluster}" if result.cluster and not result.files else ""
    out.line(f"{policies}{where}: {summary(result.findings)}")
