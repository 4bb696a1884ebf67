"""The checks of `ciliumctl preflight` on an installation: asked for by themselves, or as the gate before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ciliumctl import charts, flavour, preflight
from ciliumctl.clients.kube import Kube, Resource
from ciliumctl.errors import ClusterError, Forbidden, PreflightFailed
from ciliumctl.installation.plan import Means, Plan, Survey, Wanted
from ciliumctl.installation.prepare import chart_for, layered, name_all_rights, survey, user_inputs
from ciliumctl.installation.rendering import render
from ciliumctl.preflight import Choice, Preflight, Subject
from ciliumctl.report import Reporter

# The check whether the chart renders at all.
_RENDERS = "CIL-VAL-001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How the checks run: which of them, and what the programs of others get to know."""

    choice: Choice = field(default_factory=Choice)
    storage: Resource
    environ: Mapping[str, str] = field(default_factory=dict)
    address: Mapping[str, str] = field(default_factory=dict)

    def using(self, means: Means) -> preflight.Using:
        """What a run works with."""
        return preflight.Using(
            helm=means.helm,
            web=means.web,
            cache=means.cache,
            report=means.report,
            environ=self.environ,
            address=self.address,
        )


def check(wanted: Wanted, kube: Kube, means: Means, scratch: Path, gate: Gate) -> Preflight:
    """Check what `wanted` would make of this cluster; changes nothing and refuses nothing.

    With a Cilium in place and no wish for a version, it is checked as it is: its chart, its values, and the user's on
    top. With another version it is checked as an upgrade to that one would leave it. Without a Cilium it is what an
    installation would make.

    Raises:
        Forbidden: even looking is refused; every right that is missing is named.
        CiliumctlError: the chart or the values cannot be used.
    """
    before = kube.requests
    try:
        seen = _survey(wanted, kube, means, scratch, gate)
        subject = subject_of(wanted, seen, means, scratch, gate.storage)
        found = preflight.run(subject, kube, gate.using(means), gate.choice)
    except Forbidden:
        raise
    except ClusterError as error:
        return preflight.unreachable(
            error, context=kube.context, namespace=wanted.namespace, release=wanted.release, choice=gate.choice
        )
    return replace(found, requests=kube.requests - before)


def _survey(wanted: Wanted, kube: Kube, means: Means, scratch: Path, gate: Gate) -> Survey:
    try:
        return survey(wanted, kube, means.report, gate.storage)
    except Forbidden as error:
        name_all_rights(wanted, kube, means, scratch)
        raise error from None


def subject_of(wanted: Wanted, seen: Survey, means: Means, scratch: Path, storage: Resource) -> Subject:
    """What would be installed, decided as an installation or an upgrade decides it."""
    chart = chart_for(wanted, seen.existing, means, scratch)
    found = flavour.detect(seen.facts, chart_version=chart.version)
    # What was detected once is in the release's own values.
    below: Mapping[str, Any] = found.values if wanted.detect else {}
    if seen.existing is not None:
        below = seen.existing.config
    with means.report.step("Merging the values"):
        user = user_inputs(wanted, means.web, scratch)
        inputs, _own, config = layered(wanted, user, below, means.helm, means.report, chart)
    return _subject(wanted, seen, chart, found.flavour, storage, inputs=inputs, config=config)


def refuse_what_breaks(plan: Plan, kube: Kube, means: Means, gate: Gate, *, manifest: str = "") -> Preflight | None:
    """Run the checks before an installation; warnings are said, and what fails is refused.

    The rights are known to be there, and `manifest` is what was rendered to ask for them.

    Raises:
        PreflightFailed: a check failed; each is named, and how to go on all the same.
    """
    if plan.survey is None or "all" in gate.choice.skip:
        return None
    kind = plan.detection.flavour if plan.detection else flavour.detect(plan.survey.facts).flavour
    subject = _subject(plan.wanted, plan.survey, plan.chart, kind, gate.storage, inputs=plan.inputs, config=plan.config)
    subject = replace(subject, manifest=manifest, allowed=True)
    # The values were looked through when they were merged. What is taken over is somebody else's by its nature.
    settled = ["CIL-VAL-002", *(("CIL-REL-001", "CIL-REL-003") if plan.taken_over else ())]
    if plan.wanted.beside:
        # The other CNI is meant to be there, and its pods are not Cilium's yet.
        settled += ["CIL-CNI-001", "CIL-POD-001"]
    choice = replace(gate.choice, skip=(*gate.choice.skip, *settled))
    found = preflight.run(subject, kube, gate.using(means), choice)
    if any(one.id == _RENDERS for one in found.of("failed")):
        # The chart's own refusal, in its words and with Helm's exit code: no option goes past it.
        render(plan, means, kube_version=plan.survey.facts.kubernetes)
    tell(found, means.report)
    return found


def _subject(wanted: Wanted, seen: Survey, chart: charts.Chart, kind: str, storage: Resource, **values: Any) -> Subject:
    return Subject(
        namespace=wanted.namespace,
        release=wanted.release,
        chart=chart,
        facts=seen.facts,
        flavour=kind,
        existing=seen.existing,
        owner=seen.owner,
        others=seen.others,
        request=wanted.chart,
        storage=storage,
        **values,
    )


def tell(found: Preflight, report: Reporter) -> None:
    """Say the warnings; raise `PreflightFailed` for what failed."""
    for one in found.of("warning"):
        report.warn(f"{one.id}: {one.message}", one.hint)
    failed = found.of("failed")
    if not failed:
        return
    said = "; ".join(f"{one.id}: {one.message}" for one in failed)
    skipping = " ".join(f"--skip-preflight {one.id}" for one in failed)
    lines = [f"{one.id}: {finding.text}" for one in failed for finding in one.findings]
    first = failed[0]
    count = f"{len(failed)} checks failed" if len(failed) > 1 else "a check failed"
    raise PreflightFailed(
        f"{count} before anything was changed: {said}",
        hint=f"{first.hint or f'`ciliumctl preflight --explain {first.id}` says what to do'}; "
        f"to go on all the same: `{skipping}`",
        detail="\n".join(lines),
    )
