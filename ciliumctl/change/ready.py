"""Is a change ready to be made? What becomes of the values, what the cluster says, what it does to the network.

`upgrade`, `apply` and `config set` ask here before they ask the user.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ciliumctl import charts, cni, flavour, preflight
from ciliumctl.change import impact
from ciliumctl.change.impact import Effect, Impact, Restart, ValueChange
from ciliumctl.change.planning import Confirmation
from ciliumctl.change.rules import LEVELS, Level, worst
from ciliumctl.change.target import Target
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import LegacyValues
from ciliumctl.installation import Gate, Means
from ciliumctl.installation.checking import tell
from ciliumctl.parallel import together
from ciliumctl.preflight import CheckResult, Subject
from ciliumctl.values import lint
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import Facts, Finding
from ciliumctl.values.paths import get, split
from ciliumctl.yaml_files import dump_flow

_ORIGIN = "the release"
# The check whether Kubernetes is of a version that Cilium's is tested with.
_TAKES_VERSION = "CIL-API-002"
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one step of a change is going to do. `findings` are lint's, `checks` those of preflight that warn."""

    from_version: str
    version: str
    values: tuple[ValueChange, ...]
    restarts: tuple[Restart, ...]
    effects: tuple[Effect, ...]
    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    @property
    def worst(self) -> Level:
        """The worst level of all effects."""
        return worst([effect.level for effect in self.effects])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a change is going to do, step by step, and the confirmation that it needs for it."""

    outlooks: tuple[Outlook, ...]

    @property
    def impact(self) -> Impact:
        """The steps as one change."""
        effects = [effect for one in self.outlooks for effect in one.effects]
        return Impact(
            effects=tuple(sorted(effects, key=lambda effect: -LEVELS.index(effect.level))),
            restarts=tuple(restart for one in self.outlooks for restart in one.restarts),
            values=self.outlooks[0].values if self.outlooks else (),
        )

    @property
    def confirmation(self) -> Confirmation:
        """Nothing, a yes, or the name of the cluster."""
        return self.impact.confirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Which looks are taken: `gate` says how the checks of `preflight` run, `None` that they do not."""

    lint: bool = True
    gate: Gate | None = None


def ready(kube: Kube, targets: Sequence[Target], before: charts.Chart, means: Means, wishes: Wishes) -> Ready:
    """Look at every step of a change, the first of which starts from the chart `before`. Changes nothing.

    Raises:
        LegacyValues: values that are set now mean nothing, or something else, to a chart on the way.
        PreflightFailed: a check failed.
    """
    outlooks = []
    facts = Facts(before)
    with means.report.step("Checking the values and what the change does") as step:
        for target in targets:
            following = Facts(target.chart)
            outlooks.append(_outlook(target, facts, following))
            facts = following
        step.finish(_summed(outlooks))
    if wishes.lint:
        for one in outlooks:
            _refuse_lost(one, targets[0])
    if wishes.gate is not None and "all" not in wishes.gate.choice.skip:
        outlooks = _checked(kube, targets, outlooks, means, wishes.gate)
    return Ready(outlooks=tuple(outlooks))


def _checked(
    kube: Kube, targets: Sequence[Target], outlooks: Sequence[Outlook], means: Means, gate: Gate
) -> list[Outlook]:
    """Run the checks for the first step; for those after it only what says whether the cluster takes that version."""
    first = targets[0].before
    # The release is known, and that nobody else manages it: whoever asks has refused that.
    with means.report.step("Looking at the cluster") as step:
        facts, others = together(partial(flavour.look, kube), partial(cni.in_charge, kube))
        kind = flavour.detect(facts).flavour
        step.finish(f"context `{kube.context}`, {kind}")
    checked = []
    for number, (target, outlook) in enumerate(zip(targets, outlooks, strict=True)):
        subject = Subject(
            namespace=first.namespace,
            release=first.name,
            chart=target.chart,
            inputs=target.inputs,
            config=target.config,
            facts=facts,
            flavour=kind,
            existing=target.before,
            others=others,
            storage=gate.storage,
            manifest=target.manifest,
        )
        # The way is `route`'s to judge, which knows what it goes through, and the values were looked through above.
        choice = replace(gate.choice, skip=(*gate.choice.skip, "upgrade", "CIL-VAL-002"))
        if number:
            choice = replace(choice, only=(_TAKES_VERSION,), external=False)
        found = preflight.run(subject, kube, gate.using(means), choice)
        tell(found, means.report)
        checked.append(replace(outlook, checks=found.of("warning")))
    return checked


def _outlook(target: Target, before: Facts, after: Facts) -> Outlook:
    found = impact.of(target)
    return Outlook(
        from_version=target.before.chart_version,
        version=target.chart.version,
        values=found.values,
        restarts=found.restarts,
        effects=found.effects,
        findings=_findings(target, before, after),
    )


def _findings(target: Target, before: Facts, after: Facts) -> tuple[Finding, ...]:
    """What lint says of the values for the new chart; what it says of them for the old one, too, is no error."""
    layers = [Layer(origin=_ORIGIN, values=target.config)]
    same = before.chart.version == after.chart.version
    coming_from: str | charts.Chart = "" if same else before.chart
    found = lint.check(layers, after.chart, coming_from=coming_from, facts=after).findings
    old = [Layer(origin=_ORIGIN, values=target.before.config)]
    known = {finding.key for finding in lint.check(old, before.chart, facts=before).errors}
    return tuple(
        replace(finding, severity="warning")
        if finding.severity == "error" and finding.key and finding.key in known
        else finding
        for finding in found
        # Every default that differs, and by that much, is what an upgrade is for.
        if finding.severity != "info"
    )


def _given(finding: Finding, first: Target) -> list[str]:
    """The flags of this very command line that the finding is about; none where the release has the value already."""
    missing = object()
    if get(first.before.config, split(finding.key), missing) is not missing:
        return []
    return [
        f"--{flag.kind} {key}"
        for flag in first.inputs.flags
        for piece in ([flag.text] if flag.kind == "set-json" else re.split(r"(?<!\\),", flag.text))
        for key in [piece.partition("=")[0]]
        if f"{key}.".startswith((f"{finding.key}.", f"{finding.key}["))
    ]


def _refuse_lost(outlook: Outlook, first: Target) -> None:
    errors = [finding for finding in outlook.findings if finding.severity == "error"]
    if not errors:
        return
    said = "; ".join(f"`{finding.key}`: {finding.message}" for finding in errors[:_NAMED])
    more = f" and {len(errors) - _NAMED} more" if len(errors) > _NAMED else ""
    given = {finding.key: flags for finding in errors if (flags := _given(finding, first))}
    taken = [flag for flags in given.values() for flag in flags]
    flags = [flag for finding in errors for flag in _instead(finding, given)]
    todo = [f"leave out `{' '.join(taken)}`"] if taken else []
    todo += [f"add `{' '.join(flags)}`"] if flags else []
    same = outlook.from_version == outlook.version
    what = f"Cilium {outlook.version}" if same else f"{outlook.from_version} → {outlook.version}"
    raise LegacyValues(
        f"{what} loses values that are set: {said}{more}",
        hint=f"{', '.join(todo)}, or go on without them: `--skip-lint`",
        detail="\n".join(f"{finding.code} {finding.key}: {finding.message}" for finding in errors),
    )


def _instead(finding: Finding, given: Container[str]) -> list[str]:
    """The flags that say the same to the new chart; what is only `given` now needs none to be taken away."""
    new = [
        f"--set-json '{path}={dump_flow(value).strip()}'"
        for path, value in finding.translation.items()
        if path != finding.key
    ]
    if finding.key in finding.translation:
        return [f"--set-json '{finding.key}={dump_flow(finding.translation[finding.key]).strip()}'", *new]
    return new if finding.key in given else [f"--set {finding.key}=null", *new]


def _summed(outlooks: Sequence[Outlook]) -> str:
    findings = [finding for one in outlooks for finding in one.findings]
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = sum(finding.severity == "warning" for finding in findings)
    level = worst([one.worst for one in outlooks])
    return f"{level}; {errors} errors and {warnings} warnings about values"
