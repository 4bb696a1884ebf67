"""Test the cluster's network: pods, services, names, hosts, policies.

Makes small pods in namespaces of their own, lets them ask each other, says what does not get through and between which
nodes, and takes everything away again, also after Ctrl-C. Asks nothing outside the cluster unless `--external` names a
host. Works with any CNI; what needs Cilium, two nodes, IPv6 or a policy enforcer is skipped where it is not there.

Exit codes: 0 everything gets through, 1 something does not, 4 the time was up, 7 everything gets through, but the pods
of the test could not be taken away, or a report not be written.

Examples:
  ciliumctl connectivity test
  ciliumctl connectivity test --profile full --report junit=connectivity.xml
  ciliumctl connectivity test --test 'pod-to-.*' --keep
  ciliumctl connectivity test --registry registry.example.com/mirror
  ciliumctl connectivity test --sysdump-on-failure
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.commands.connectivity import _choosing as choosing
from ciliumctl.cli.commands.connectivity import _dumping as dumping
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer, envelope

if TYPE_CHECKING:
    from ciliumctl.connectivity import Connectivity, Tested

KIND = "Connectivity"
#: Failures that are told in full, and probes of each: more of them mostly say the same.
_MOST_FAILURES = 6
_MOST_PROBES = 4


def command(
    ctx: typer.Context,
    *,
    list: Annotated[bool, option("--list", help="Only say what would run here, and what would not and why")] = False,
    profile: choosing.Profile = "smoke",
    test: choosing.Test = None,
    skip: choosing.Skip = None,
    concurrency: Annotated[
        int, option("--concurrency", metavar="N", min=0, max=16, help="Lanes for policy tests (default: 1 or 3)")
    ] = 0,
    retries: Annotated[
        int, option("--retries", metavar="N", min=0, max=10, help="Try a failed test again; told as flaky (default: 0)")
    ] = 0,
    keep: Annotated[bool, option("--keep", help="Leave the pods there, and use those left before")] = False,
    single_node: choosing.SingleNode = False,
    external: choosing.External = "",
    ip_families: choosing.Families = "",
    image: choosing.Images = None,
    registry: choosing.Registry = "",
    image_pull_secret: choosing.PullSecret = "",
    node_selector: choosing.NodeSelector = None,
    toleration: choosing.Toleration = None,
    rerun_failed: Annotated[
        str, option("--rerun-failed", metavar="FILE", help="Only what failed in the run that wrote this JSON report")
    ] = "",
    report: reporting.Reports = None,
    sysdump_on_failure: dumping.OnFailure = False,
    sysdump_file: dumping.File = "",
) -> None:
    """Test, and say what was found."""
    from ciliumctl import connectivity
    from ciliumctl.cli.commands.connectivity import list as listed
    from ciliumctl.connectivity import listing
    from ciliumctl.errors import CiliumctlError

    session = session_of(ctx)
    session.allow("name")
    reports = reporting.wanted(report)
    only = connectivity.failed_in(Path(rerun_failed)) if rerun_failed else None
    if rerun_failed and only is None:
        session.report.note(f"nothing was tested in the run of `{rerun_failed}`: everything that is asked for is run")
    settings = choosing.settings(
        images=image,
        registry=registry,
        pull_secret=image_pull_secret,
        node_selector=node_selector,
        tolerations=toleration,
        single_node=single_node,
        families=ip_families,
        external=external,
    )
    wanted = connectivity.Wanted(
        owner=session.holder("connectivity test").who.rpartition(" (")[0],
        namespace=session.settings.namespace,
        settings=settings,
        profile=profile,
        tests=tuple(test or ()),
        skips=tuple(skip or ()),
        only=only or frozenset(),
        lanes=concurrency,
        retries=retries,
        keep=keep,
    )
    if list:
        session.deadline(60)
        session.finish(listing.listed(session.kube, wanted), listed.render)
    if only is not None and not only:
        result = connectivity.repeated(profile)
        data = envelope(KIND, result, None)
        lost = reporting.publish(reports, connectivity.TITLE, connectivity.suites(result), data, session.environ)
        reporting.end(session, result, render, None, lost)
    dump = dumping.Dump(session, wanted=sysdump_on_failure or bool(sysdump_file), file=sysdump_file)
    session.deadline(1800)
    try:
        result = connectivity.run(session.kube, wanted, session.report, dump)
    except CiliumctlError as error:
        dump.after(error)
        reached = None
        if dump.written:
            reached = connectivity.unfinished(session.kube.context, profile, dump.nodes, dump.written)
        error.result = reached
        data = envelope(KIND, reached, error)
        lost = reporting.publish(reports, connectivity.TITLE, connectivity.not_begun(error), data, session.environ)
        reporting.tell(session, lost)
        raise
    result = replace(result, sysdump=dump.written)
    incomplete = connectivity.incomplete(result)
    data = envelope(KIND, result, incomplete)
    suites = connectivity.suites(result)
    lost = reporting.publish(reports, connectivity.TITLE, suites, data, session.environ, result.patterns)
    reporting.end(session, result, render, incomplete, lost)


def render(out: Writer, result: Connectivity) -> None:
    """The verdict and what the failures have in common, the counts, the first failures in full, the others in short."""
    if result.repeated and not result.scenarios:
        out.line(("nothing failed in that run: there is nothing to repeat", "good"))
        return
    bad = [scenario for scenario in result.scenarios if scenario.bad]
    _verdict(out, result, len(bad))
    out.line()
    _counts(out, result)
    told: set[str] = set()
    for scenario in bad[:_MOST_FAILURES]:
        out.line()
        _explain(out, scenario, told)
    _others(out, bad[_MOST_FAILURES:])
    if result.sysdump or result.kept:
        out.line()
    if result.sysdump:
        out.line("sysdump: ", (result.sysdump, "head"), ", made before the pods were removed")
    if result.kept:
        how = out.address("`ciliumctl connectivity cleanup` removes it")
        out.line((f"kept: namespace {result.namespace}; {how}", "dim"))


def _verdict(out: Writer, result: Connectivity, failed: int) -> None:
    passed = result.count("passed")
    said: Cell = ("the network does what it should", "good")
    if failed:
        said = (f"{_some(failed, 'test')} failed", "bad")
    elif not passed:
        said = ("nothing was tested", "bad")
    out.line(said, f": {passed} passed, {failed} failed, {result.count('skipped')} skipped")
    for pattern in result.patterns:
        out.line(("✗ ", "bad"), pattern)
    families = " and ".join(f"IPv{family}" for family in result.families)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    out.line((f"{' and '.join(result.nodes)} of {result.context}, {families}; {took}; {result.execs} execs", "dim"))


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _counts(out: Writer, result: Connectivity) -> None:
    """How many of each kind; by name what was skipped, and why, and what was flaky."""
    kinds = list(dict.fromkeys(scenario.category for scenario in result.scenarios))
    rows = []
    for kind in kinds:
        found = Counter(one.outcome for one in result.scenarios if one.category == kind)
        failed = found["failed"] + found["error"]
        passed = found["passed"] + found["flaky"]
        sign: Cell = ("✗ ", "bad") if failed else ("✔ ", "good") if passed else ("• ", "dim")
        rows.append((sign, kind, str(passed), str(failed), str(found["skipped"])))
    out.table(("", "tests", "passed", "failed", "skipped"), rows)
    reasons: dict[str, list[str]] = {}
    for scenario in result.scenarios:
        if scenario.outcome == "skipped":
            reasons.setdefault(scenario.reason, []).append(scenario.name)
        elif scenario.outcome == "flaky":
            reasons.setdefault(f"passed at attempt {scenario.attempts}", []).append(scenario.name)
    if reasons:
        out.line()
    for reason, names in reasons.items():
        out.line(("• ", "dim"), reason, (f": {', '.join(names)}", "dim"))


def _explain(out: Writer, scenario: Tested, told: set[str]) -> None:
    """One failure in full, but for evidence that was `told` before."""
    out.line(("✗ ", "bad"), (scenario.name, "head"), f": {scenario.about}")
    if scenario.reason:
        out.line("    ", scenario.reason)
    for probe in scenario.failures[:_MOST_PROBES]:
        where = probe.target + (f" on {probe.target_node}" if probe.target_node else "")
        address = f" ({probe.address})" if probe.address else ""
        out.line("    ", probe.name, f": from {probe.source} on {probe.source_node} to {where}{address}")
        out.line("      expected ", probe.expected, ", seen: ", probe.seen)
    more = len(scenario.failures) - _MOST_PROBES
    if more > 0:
        out.line(f"    and {more} more; `-o json` has them all")
    if scenario.failures:
        out.line(("    try: ", "dim"), scenario.failures[0].paste)
    fresh = [line for line in scenario.evidence if line not in told]
    told.update(fresh)
    for line in fresh:
        out.line(("    | ", "dim"), (line, "dim") if line.startswith("could not ") else line)
    if len(fresh) < len(scenario.evidence):
        out.line(("    | ", "dim"), (f"{'and ' if fresh else ''}the same as above", "dim"))


def _others(out: Writer, scenarios: Sequence[Tested]) -> None:
    """Those that are not told in full, and the commands that tell them."""
    if not scenarios:
        return
    out.line()
    for scenario in scenarios:
        reason = scenario.reason or f"{len(scenario.failures)} of {_some(len(scenario.probes), 'probe')} failed"
        out.line(("✗ ", "bad"), (scenario.name, "head"), f": {reason}")
    # The names are regular expressions, and end where they end.
    one = out.address(f"ciliumctl connectivity test --test '^{scenarios[0].name}$'")
    out.line(f"    in full: `{one}`, or all of them with `-o json` or `--report json=FILE`;")
    out.line("    `--rerun-failed FILE` tests again what failed")
