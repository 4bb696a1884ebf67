"""Check whether an installation or an upgrade would go well.

Changes nothing; only `--node-checks` makes something, a pod on every node, and takes it away again. Without Cilium it
is checked what `ciliumctl install` would install, with the same options; with Cilium, what is there, or with `--to` the
upgrade to another version with the values that are there. Every check has an id, says what it rests on and what to do;
`--explain ID` says more, without a cluster.

`install` runs the same checks by itself.

Exit codes: 0 nothing failed, 1 a check failed (`--fail-on`), 5 the cluster cannot be reached, 7 a report could not be
written.

Examples:
  ciliumctl preflight
  ciliumctl preflight --to 1.20
  ciliumctl preflight --version 1.19.6 -f values.yaml --fail-on warning
  ciliumctl preflight --only nodes --only 'CIL-NET-*' -v
  ciliumctl preflight --suppress CIL-NODE-001=Node/worker-3 --report junit=preflight.xml
  ciliumctl preflight --node-checks --only node-reports
  ciliumctl preflight --explain CIL-NET-001
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.commands import _checking, _installing
from ciliumctl.cli.options import ChartOptions, ValuesOptions, choice, option
from ciliumctl.cli.output import Cell, Render, Writer, envelope, to_json

if TYPE_CHECKING:
    from ciliumctl.checks._model import Outcome
    from ciliumctl.errors import CiliumctlError
    from ciliumctl.preflight import CheckList, CheckResult, Explanation, Preflight
    from ciliumctl.reports import Outcome as Ended
    from ciliumctl.reports import Suite

KIND = "Preflight"
#: Findings of a check that are told without `-v`.
_MOST = 5
_SIGNS: dict[str, Cell] = {
    "passed": ("✔ ", "good"),
    "warning": ("⚠ ", "warn"),
    "failed": ("✗ ", "bad"),
    "skipped": ("- ", "dim"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChartOptions(ChartOptions):
    """Which chart; the version is the one that is gone to."""

    version: Annotated[
        str,
        option(
            "--version", "--to", metavar="VERSION", help="Version to check for: 1.20.0, 1.20 (newest patch), stable"
        ),
    ] = ""


def command(
    ctx: typer.Context,
    *,
    which: _ChartOptions,
    given: ValuesOptions,
    autodetect: Annotated[
        bool, option("--autodetect/--no-autodetect", help="Let the kind of cluster decide on values (default: yes)")
    ] = True,
    translate_values: Annotated[
        bool, option("--translate-values", help="Translate values of charts before 1.9 instead of refusing them")
    ] = False,
    list: Annotated[bool, option("--list", help="List the checks; asks no cluster")] = False,
    explain: Annotated[
        str, option("--explain", metavar="ID", help="Say why a check matters and what to do; asks no cluster")
    ] = "",
    only: Annotated[
        list[str] | None, option("--only", metavar="ID|CATEGORY", help="Only these; shell patterns; repeatable")
    ] = None,
    skip: Annotated[
        list[str] | None, option("--skip", metavar="ID|CATEGORY", help="Not these; shell patterns; repeatable")
    ] = None,
    suppress: Annotated[
        list[str] | None,
        option("--suppress", metavar="ID=KIND/NS/NAME", help="Leave out findings about an object; repeatable"),
    ] = None,
    baseline: Annotated[
        str, option("--baseline", metavar="FILE", help="Leave out the findings of a file, each with reason and date")
    ] = "",
    fail_on: Annotated[
        str, choice("error", "warning", "never", flags=("--fail-on",), help="What makes it end with 1 (default: error)")
    ] = "error",
    check_images: Annotated[
        bool, option("--check-images", help="Ask the registries for the images, from this machine")
    ] = False,
    external_checks: Annotated[
        bool,
        option(
            "--external-checks/--no-external-checks", help="Run programs `ciliumctl-check-*` on PATH (default: yes)"
        ),
    ] = True,
    node_checks: Annotated[
        bool, option("--node-checks", help="Look at every node, too, by a privileged pod that is taken away again")
    ] = False,
    node_image: Annotated[
        str, option("--node-image", metavar="IMAGE", help="What `--node-checks` runs, instead of the agent's image")
    ] = "",
    report: reporting.Reports = None,
) -> None:
    """Check, or say what would be checked."""
    from typing import cast

    from ciliumctl import installation, preflight
    from ciliumctl.errors import CiliumctlError, UsageError
    from ciliumctl.preflight.result import FailOn

    session = session_of(ctx)
    session.allow("wide", "name")
    if explain:
        session.finish(preflight.explained(explain), show_explanation)
    if node_image and not node_checks:
        raise UsageError(
            "`--node-image` says what `--node-checks` runs, which is not asked for", hint="add `--node-checks`"
        )
    reports = reporting.wanted(report)
    wanted_checks = _checking.choice(
        session,
        only=only,
        skip=skip,
        suppress=suppress,
        baseline=baseline,
        fail_on=cast("FailOn", fail_on),
        check_images=check_images,
        external=external_checks,
        some=not list,
        nodes=preflight.NodeChecks(image=node_image, owner=session.holder("preflight").who) if node_checks else None,
    )
    if list:
        session.finish(preflight.listed(wanted_checks, session.environ), show_list)
    session.deadline(300.0 if node_checks else 120.0)
    try:
        wanted = _installing.wanted(
            session,
            which,
            given,
            detect=autodetect,
            translate=translate_values,
        )
        with _installing.scratch() as folder:
            gate = _checking.gate(session, wanted_checks)
            result = installation.check(wanted, session.kube, _installing.means(session), folder, gate)
    except CiliumctlError as error:
        data = envelope(KIND, None, error)
        reporting.tell(session, reporting.publish(reports, "Preflight", not_begun(error), data, session.environ))
        raise
    lost = reporting.publish(reports, _title(result), suites(result), to_json(result), session.environ, result.notes)
    shown = render(verbose=bool(session.settings.verbose), wide=session.settings.output == "wide")
    reporting.end(session, result, shown, result.error, lost)


def render(*, verbose: bool, wide: bool) -> Render:
    """The renderer: `verbose` tells of what passed, too, `wide` how long each took."""
    return lambda out, result: show(out, result, verbose=verbose, wide=wide)


def show(out: Writer, result: Preflight, *, verbose: bool = False, wide: bool = False) -> None:
    """The checks by category, then the sum."""
    out.line((_title(result), "head"))
    category = ""
    for check in result.checks:
        if check.outcome == "skipped" and not verbose:
            continue
        if check.category != category:
            category = check.category
            out.line()
            out.line((category, "head"))
        _check(out, check, verbose=verbose, wide=wide)
    out.line()
    counts = [f"{len(result.of(outcome))} {word}" for outcome, word in _WORDS.items() if result.of(outcome)]
    verdict: Cell = ("ready", "good") if result.ok else ("not ready", "bad")
    out.line(verdict, f": {', '.join(counts)}; {result.requests} requests, {result.seconds:.1f} s")
    if result.of("skipped") and not verbose:
        out.line(("`-v` shows why checks were skipped, and what the others rest on", "dim"))
    for note in result.notes:
        out.line(("note: ", "dim"), note)


_WORDS: dict[Outcome, str] = {"passed": "passed", "warning": "with warnings", "failed": "failed", "skipped": "skipped"}


def _title(result: Preflight) -> str:
    where = f"in namespace {result.namespace} of {result.context}"
    if not result.target:
        return f"Preflight {where}"
    nodes = f"{result.nodes} node{'' if result.nodes == 1 else 's'}, Kubernetes {result.kubernetes}"
    if result.installed and result.installed != result.target:
        return f"Preflight of Cilium {result.installed} → {result.target} {where} ({nodes})"
    if result.installed:
        return f"Preflight of Cilium {result.target} as it is installed {where} ({nodes})"
    return f"Preflight of installing Cilium {result.target} {where} ({nodes})"


def _check(out: Writer, check: CheckResult, *, verbose: bool, wide: bool) -> None:
    said = (f": {check.message}" if check.message else "") + (f"  ({check.seconds:.2f} s)" if wide else "")
    name: Cell = (f"{check.id} ", "dim")
    out.line("  ", _SIGNS[check.outcome], name, f"{check.title}{said}")
    findings = check.findings if verbose else check.findings[:_MOST]
    for finding in findings:
        if finding.text != check.message:
            out.line("      ", finding.text)
    if len(check.findings) > len(findings):
        out.line("      ", f"and {len(check.findings) - len(findings)} more (`-v` shows them)")
    if verbose:
        for line in check.evidence:
            out.line("      ", (line, "dim"))
    if check.hint:
        out.hint(check.hint, indent="      ")
    if check.outcome in {"failed", "warning"} and check.source == "ciliumctl":
        out.line("      ", (f"more: ciliumctl preflight --explain {check.id}", "dim"))


def show_list(out: Writer, result: CheckList) -> None:
    """A line for each."""
    out.table(("id", "category", "what it claims"), [(one.id, one.category, one.title) for one in result.checks])


def show_explanation(out: Writer, result: Explanation) -> None:
    """What it claims, why that matters, what to do."""
    out.line((result.id, "head"), f" ({result.category}): {result.title}")
    out.line()
    out.line(result.why)
    out.line()
    out.line(("what to do: ", "head"), result.remedy)
    out.line(("more: ", "dim"), result.docs)


def suites(result: Preflight) -> list[Suite]:
    """The checks as test cases, a suite a category."""
    from ciliumctl.reports import Case, Suite

    properties = {"context": result.context, "kubernetes": result.kubernetes, "target": result.target}
    found: dict[str, list[Case]] = {}
    for check in result.checks:
        bad = check.outcome == "failed" or (check.outcome == "warning" and result.fail_on == "warning")
        details = (*(finding.text for finding in check.findings), *((f"hint: {check.hint}",) if check.hint else ()))
        ended: Ended = "failed" if bad else "skipped" if check.outcome == "skipped" else "passed"
        case = Case(
            name=check.id,
            about=check.title,
            outcome=ended,
            seconds=check.seconds,
            message=f"warning: {check.message}" if check.outcome == "warning" else check.message,
            details=details,
        )
        found.setdefault(check.category, []).append(case)
    return [Suite(name=name, cases=tuple(cases), properties=properties) for name, cases in found.items()]


def not_begun(error: CiliumctlError) -> list[Suite]:
    """The suite of a run that came to no result: whoever reads reports must see that."""
    from ciliumctl.reports import Case, Suite

    details = (f"hint: {error.hint}",) if error.hint else ()
    about = "the checks could not be made"
    case = Case(name="set-up", about=about, outcome="error", message=error.message, details=details)
    return [Suite(name="set-up", cases=(case,))]
