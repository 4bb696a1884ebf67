"""Run the checks: read once, judge each, skip what hangs on a fatal one that failed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ciliumctl import checks, nodefacts
from ciliumctl.checks._model import Check, Finding, Verdict, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import ClusterError, UsageError
from ciliumctl.parallel import beside
from ciliumctl.preflight import external
from ciliumctl.preflight.choosing import (
    EXTERNAL,
    Choice,
    NodeChecks,
    asked,
    chosen,
    matches,
    nothing_left,
    skips,
    wants,
    without,
)
from ciliumctl.preflight.looking import Look, Subject, Using, look
from ciliumctl.preflight.result import CheckList, CheckResult, Explanation, Preflight

_API = "CIL-API-001"


def run(subject: Subject, kube: Kube, using: Using, choice: Choice | None = None) -> Preflight:
    """Run the chosen checks on what is to be installed; changes nothing.

    Only what some chosen check reads is asked for. Other people's checks run at the same time.
    """
    choice = choice or Choice()
    start, before = time.monotonic(), kube.requests
    told, ours = chosen(choice), asked(choice)
    if choice.nodes is not None and any("node_reports" in check.reads for check in ours):
        using.report.note("a privileged pod is run on every node for a moment, in a namespace of its own")
        # Not in a thread: what it makes is taken away by whoever is interrupted.
        subject = replace(subject, node_reports=_node_reports(subject, kube, using, choice.nodes))
    # On an interrupt this thread leaves, and the programs of others go with it.
    with using.report.step("Checking") as step, external.Running() as at_work:
        found, said = beside(
            partial(look, kube, subject, using, _with_fatal(ours), check_images=choice.check_images),
            partial(_others, subject, kube, using, choice, at_work),
        )
        others = _of_others(said, choice)
        if choice.some and not ours and not others:
            raise nothing_left()
        results = (*_judge(told, found, choice), *others)
        step.finish(_counted(results))
    return Preflight(
        context=kube.context,
        namespace=subject.namespace,
        release=subject.release,
        installed=found.scene.version,
        target=subject.chart.version,
        kubernetes=subject.facts.kubernetes,
        flavour=subject.flavour,
        nodes=len(found.scene.nodes) or subject.facts.node_count,
        checks=results,
        fail_on=choice.fail_on,
        requests=kube.requests - before,
        seconds=time.monotonic() - start,
        notes=(*choice.notes, *_without_meaning(choice, said)),
    )


def _without_meaning(choice: Choice, said: Sequence[external.Said]) -> list[str]:
    """A sentence for each pattern that no check has answered to: ours, or one of the programs' that ran."""
    names = [(check.id, check.category) for check in checks.all_of_them()] + [(one.id, one.category) for one in said]
    return [
        f"no check is called `{pattern}`"
        for pattern in (*choice.only, *choice.skip)
        if said and pattern != EXTERNAL and not pattern.startswith(external.PREFIX)
        if not any(matches(pattern, name, category) for name, category in names)
    ]


def _node_reports(subject: Subject, kube: Kube, using: Using, wanted: NodeChecks) -> nodefacts.NodeReports:
    return nodefacts.read(
        kube,
        namespace=subject.namespace,
        values=subject.target.values,
        owner=wanted.owner,
        report=using.report,
        node_image=wanted.image,
    )


def unreachable(error: ClusterError, *, context: str, namespace: str, release: str, choice: Choice) -> Preflight:
    """The result where the cluster cannot be asked at all: the first check failed, and everything hangs on it."""
    reason = f"({_API} failed)"
    results = []
    for check in chosen(choice):
        verdict = skipped(reason)
        if check.id == _API:
            findings = (Finding(text=error.message),)
            verdict = Verdict(outcome="failed", message=error.message, findings=findings, hint=error.hint)
        results.append(_result(check, verdict, 0.0))
    return Preflight(
        context=context,
        namespace=namespace,
        release=release,
        installed="",
        target="",
        kubernetes="",
        flavour="",
        nodes=0,
        checks=tuple(results),
        fail_on=choice.fail_on,
        notes=choice.notes,
        _error=error,
    )


def _with_fatal(asked: Sequence[Check]) -> list[Check]:
    """The checks, and the fatal ones that they hang on: those are judged although nobody is told."""
    names = {name for check in asked for name in check.after} | {check.id for check in asked}
    return [check for check in checks.all_of_them() if check.id in names]


def _judge(told: Sequence[Check], found: Look, choice: Choice) -> list[CheckResult]:
    verdicts: dict[str, Verdict] = {}
    results: dict[str, CheckResult] = {}
    for check in _with_fatal(asked(choice)):
        start = time.monotonic()
        verdict = _verdict(check, found.scene, verdicts)
        verdict, gone = without(verdict, check.id, choice.suppress)
        verdicts[check.id] = verdict
        reading = max((found.seconds.get(part, 0.0) for part in check.reads), default=0.0)
        results[check.id] = _result(check, verdict, reading + time.monotonic() - start, gone)
    by_name = skipped(choice.skip_reason)
    listed = [results.get(check.id) or _result(check, by_name, 0.0) for check in told]
    return sorted(listed, key=lambda result: (checks.CATEGORIES.index(result.category), result.id))


def _verdict(check: Check, scene: Scene, verdicts: Mapping[str, Verdict]) -> Verdict:
    for name in check.after:
        if name in verdicts and verdicts[name].outcome == "failed":
            return skipped(f"({name} failed)")
    if "node_reports" in check.reads and scene.node_reports is None:
        return skipped("add `--node-checks`")
    broken = [part for part in check.reads if part in scene.failures]
    if broken and not check.judges_failures:
        part = broken[0]
        return skipped(f"{part.replace('_', ' ')} cannot be read: {scene.failures[part].message}")
    return check.look(scene)


def _result(check: Check, verdict: Verdict, seconds: float, gone: tuple[Finding, ...] = ()) -> CheckResult:
    return CheckResult(
        id=check.id,
        category=check.category,
        title=check.title,
        outcome=verdict.outcome,
        message=verdict.message,
        evidence=verdict.evidence,
        findings=verdict.findings,
        suppressed=gone,
        hint=verdict.hint if verdict.outcome in {"failed", "warning"} else "",
        docs=check.docs,
        seconds=round(seconds, 4),
    )


def _others(
    subject: Subject, kube: Kube, using: Using, choice: Choice, at_work: external.Running
) -> tuple[external.Said, ...]:
    if not choice.external:
        return ()
    which = [
        program
        for program in external.programs(using.environ)
        if _wanted(choice, program) and not skips(choice, f"{external.PREFIX}{program.name}", EXTERNAL)
    ]
    if not which:
        return ()
    environ = {
        **using.environ,
        **using.address,
        "CILIUMCTL_NAMESPACE": subject.namespace,
        "CILIUMCTL_HELM_RELEASE_NAME": subject.release,
        "CILIUMCTL_CHECK_TARGET": subject.chart.version,
        "CILIUMCTL_CHECK_INSTALLED": subject.existing.chart_version if subject.existing else "",
    }
    return external.run(which, environ, kube.deadline, at_work)


def _wanted(choice: Choice, program: external.Program) -> bool:
    """Whether a program may have something of what is wanted: which ids it has is only known once it has run."""
    ours = {name for check in checks.all_of_them() for name in (check.id, check.category)}
    return not choice.only or any(
        matches(pattern, f"{external.PREFIX}{program.name}", EXTERNAL)
        or not any(matches(pattern, name, name) for name in ours)
        for pattern in choice.only
    )


def _of_others(said: Iterable[external.Said], choice: Choice) -> list[CheckResult]:
    results = []
    for one in said:
        broken = one.category == EXTERNAL
        meant = wants(choice, one.id, one.category) or wants(choice, EXTERNAL, EXTERNAL) or broken
        if not meant or skips(choice, one.id, one.category):
            continue
        verdict, gone = without(one.verdict, one.id, choice.suppress)
        results.append(
            CheckResult(
                id=one.id,
                category=one.category,
                title=one.title,
                outcome=verdict.outcome,
                message=verdict.message,
                evidence=verdict.evidence,
                findings=verdict.findings,
                suppressed=gone,
                hint=verdict.hint,
                docs=one.docs,
                source=one.source,
                seconds=round(one.seconds, 4),
            )
        )
    return results


def _counted(results: Sequence[CheckResult]) -> str:
    words = (("passed", "passed"), ("warning", "with warnings"), ("failed", "failed"), ("skipped", "skipped"))
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome, _word in words}
    return ", ".join(f"{counts[outcome]} {word}" for outcome, word in words if counts[outcome])


def explained(name: str) -> Explanation:
    """What one check is about, without any cluster. Raises `UsageError`."""
    for check in checks.all_of_them():
        if check.id.lower() == name.lower():
            return _explanation(check)
    near = [check.id for check in checks.all_of_them() if name.lower() in f"{check.id} {check.category}".lower()]
    listed = f"is it one of {', '.join(near[:5])}? " if near else ""
    raise UsageError(f"no check is called `{name}`", hint=f"{listed}`ciliumctl preflight --list` shows them all")


def listed(choice: Choice, environ: Mapping[str, str]) -> CheckList:
    """The checks that a run would have, and the programs of others, without any cluster."""
    ours = [_explanation(check) for check in asked(choice)]
    ours.sort(key=lambda one: (checks.CATEGORIES.index(one.category), one.id))
    theirs = [
        Explanation(
            id=f"{external.PREFIX}{program.name}",
            category=EXTERNAL,
            title="a program of somebody else's",
            source=str(program.path),
        )
        for program in (external.programs(environ) if choice.external else [])
        if _wanted(choice, program)
    ]
    return CheckList(checks=(*ours, *theirs))


def _explanation(check: Check) -> Explanation:
    return Explanation(
        id=check.id,
        category=check.category,
        title=check.title,
        why=check.why,
        remedy=check.remedy,
        docs=check.docs,
        fatal=check.fatal,
        after=check.after,
        reads=check.reads,
    )
