"""Find out where and what to install, changing nothing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ciliumctl import charts, cni, flavour, owners, permissions, release, versions
from ciliumctl.clients.helm import Helm, Inputs, Release, unpack_chart
from ciliumctl.clients.kube import NAMESPACES, Kube, Resource
from ciliumctl.clients.web import Web
from ciliumctl.errors import BadFile, Forbidden, LegacyValues
from ciliumctl.installation import guards
from ciliumctl.installation.plan import Means, Plan, Survey, Wanted
from ciliumctl.installation.rendering import render
from ciliumctl.parallel import together
from ciliumctl.report import Reporter
from ciliumctl.values import lint, presets, secrets
from ciliumctl.values.layers import Layer, MergedValues, of_file, of_flags, trace
from ciliumctl.values.paths import difference, get, merge, split
from ciliumctl.yaml_files import dump

# How many values a line of progress names.
_NAMED = 4
_MISSING: Any = object()


def prepare(wanted: Wanted, kube: Kube, means: Means, storage: Resource, scratch: Path) -> Plan:
    """Find out all that is needed to install, changing nothing.

    Raises:
        Refused: something is in charge already, or the release is stuck; each kind has its own class.
        CiliumctlError: the chart or the values cannot be used, or the cluster cannot be asked.
    """
    report = means.report
    try:
        seen = survey(wanted, kube, report, storage)
    except Forbidden as error:
        name_all_rights(wanted, kube, means, scratch)
        raise error from None
    existing, facts = seen.existing, seen.facts
    taken_over = guards.taken_over(seen.owner, wanted)
    owner = None if taken_over else seen.owner
    if existing is None:
        guards.refuse_others(owner, seen.others, beside=wanted.beside)
    elif existing.pending:
        raise guards.stuck(existing)
    elif owner is not None:
        raise owners.foreign(owner, "install")
    if taken_over and existing is None:
        wanted = _as_running(wanted, kube)
    chart = chart_for(wanted, existing, means, scratch)
    detection = flavour.detect(facts, chart_version=chart.version) if wanted.detect else None
    if detection is not None:
        for warning in detection.warnings:
            report.warn(warning)
    user = user_inputs(wanted, means.web, scratch)
    with report.step("Merging the values") as step:
        inputs, own, config = layered(wanted, user, detection.values if detection else {}, means.helm, report, chart)
        step.finish(_counted(chart, config))
    changes = flavour.changes_for(detection, facts, config) if detection is not None else ()
    needs = flavour.needs_of(detection, facts, config) if detection is not None else ()
    return Plan(
        wanted=wanted,
        chart=chart,
        inputs=inputs,
        config=config,
        fingerprint=_fingerprint(wanted, own),
        detection=detection,
        changes=changes,
        needs=needs,
        namespace_exists=seen.namespace_exists,
        existing=existing,
        survey=seen,
        taken_over=taken_over,
    )


def _as_running(wanted: Wanted, kube: Kube) -> Wanted:
    """Without a wish, the version of the Cilium that runs without a release is meant, not the newest."""
    if wanted.chart.version or wanted.chart.chart:
        return wanted
    return replace(wanted, chart=replace(wanted.chart, version=versions.running(kube, wanted.namespace)))


def name_all_rights(wanted: Wanted, kube: Kube, means: Means, scratch: Path) -> None:
    """Where the first look was refused already: name every right that is missing, not only the first."""
    with means.report.step("Checking this user's rights"):
        plan = offline(wanted, means, scratch)
        manifest = render(plan, means, kube_version=kube.version())
        permissions.check(kube, manifest, wanted.namespace, creates_namespace=False)


def _counted(chart: charts.Chart, config: Mapping[str, Any]) -> str:
    """How the values differ from the chart's own, in a few words."""
    others = difference(chart.values, merge(chart.values, config))
    if not others:
        return "the chart's own"
    listed = ", ".join(others[:_NAMED]) + (" and more" if len(others) > _NAMED else "")
    return f"{len(others)} other than the chart's own: {listed}"


def survey(wanted: Wanted, kube: Kube, report: Reporter, storage: Resource) -> Survey:
    """See what is there: some seventeen requests at once. Raises the first that fails, and refuses nothing."""
    with report.step("Looking at the cluster") as step:
        existing, owner, others, facts, namespace = together(
            partial(release.current, kube, wanted.release, wanted.namespace, storage),
            partial(owners.of_cilium, kube, namespace=wanted.namespace, release_name=wanted.release),
            partial(cni.in_charge, kube),
            partial(flavour.look, kube),
            partial(kube.find, NAMESPACES, wanted.namespace),
        )
        step.finish(f"context `{kube.context}`, {flavour.detect(facts).flavour}")
    return Survey(existing=existing, owner=owner, others=others, facts=facts, namespace_exists=namespace is not None)


def _pull(helm: Helm, reference: str, folder: Path, version: str) -> Path:
    return helm.pull(reference, folder, version=version)


def chart_for(wanted: Wanted, existing: Release | None, means: Means, scratch: Path) -> charts.Chart:
    """The chart that is asked for; without a wish the one that is installed, or the stable one."""
    request = wanted.chart
    if existing is not None and not (request.version or request.chart):
        # Nothing upgrades by itself: without a wish the installed version is meant.
        return charts.read(unpack_chart(existing, scratch / "installed"), "the installed release")
    return charts.resolve(
        request, web=means.web, cache=means.cache, report=means.report, pull=partial(_pull, means.helm)
    )


def check_files(wanted: Wanted) -> None:
    """Refuse values files that are not there, before anything is asked of a cluster. Raises `BadFile`.

    They are not opened: one may be a pipe, which can be read only once.
    """
    for name in wanted.files:
        if urlsplit(name).scheme in {"http", "https"}:
            continue
        path = Path(name).expanduser()
        try:
            why = "it is a folder" if stat.S_ISDIR(path.stat().st_mode) else ""
        except OSError as error:
            why = error.strerror or str(error)
        if not why and not os.access(path, os.R_OK):
            why = "permission denied"
        if why:
            raise BadFile(f"values file `{name}` cannot be read: {why}", hint="check `-f`")


def user_inputs(wanted: Wanted, web: Web, scratch: Path) -> Inputs:
    """The user's files and flags for Helm; files from the web are fetched into `scratch` first."""
    files = [_local(name, web, scratch, number) for number, name in enumerate(wanted.files)]
    return Inputs(files=tuple(files), flags=wanted.flags)


def _local(name: str, web: Web, scratch: Path, number: int) -> Path:
    if urlsplit(name).scheme in {"http", "https"}:
        path = scratch / f"values-{number}.yaml"
        path.write_bytes(web.get(name).body)
        return path
    return Path(name).expanduser()


def layered(
    wanted: Wanted, user: Inputs, detected: Mapping[str, Any], helm: Helm, report: Reporter, chart: charts.Chart
) -> tuple[Inputs, Mapping[str, Any], Mapping[str, Any]]:
    """The inputs with what was detected and the presets below what the user gave.

    Returns the inputs, the user's own values and all of them merged, both by Helm itself. What the chart does not take
    as it is meant is warned of.

    Raises:
        LegacyValues: the chart would ignore some of the user's values, with consequences, and they were not to be
            translated.
    """
    generated: dict[str, Any] = dict(detected)
    for name in wanted.presets:
        preset = presets.load(name)
        generated = merge(generated, preset.values)
        for need in preset.needs:
            report.note(f"preset `{name}`: {need}")
    own = helm.merge(user) if user.files or user.flags else {}
    if not own:
        return Inputs(generated=generated), own, helm.merge(Inputs(generated=generated))
    facts = lint.Facts(chart)
    translation = lint.translate(own, chart.version, facts=facts) if wanted.translate else None
    if translation is not None and (translation.moved or translation.lost):
        _tell(translation, report)
        checked(translation.values, generated, facts, report)
        generated = merge(generated, translation.values)
        return Inputs(generated=generated), translation.values, generated
    checked(own, generated, facts, report)
    inputs = Inputs(generated=generated, files=user.files, flags=user.flags)
    return inputs, own, helm.merge(inputs)


def _tell(translation: lint.Translation, report: Reporter) -> None:
    for before, after in translation.moved:
        report.note(f"`{before}` is {'written anew' if before == after else f'`{after}` now'}")
    for key, why in translation.lost:
        report.warn(f"`{key}` is left out: {why}")
    for text in translation.notes:
        report.note(text)


def checked(own: Mapping[str, Any], below: Mapping[str, Any], facts: lint.Facts, report: Reporter) -> None:
    """Refuse values that the chart ignores with consequences; warn of everything else that is wrong with them.

    `below` is what they are laid over. No helm is run: the chart's own validation has its say when it is rendered.
    """
    layers = [Layer(origin="", values=below), Layer(origin="", values=own)]
    errors = [
        finding
        for finding in lint.check(layers, facts.chart, facts=facts).errors
        if finding.key and get(own, split(finding.key), _MISSING) is not _MISSING
    ]
    ignored = [finding for finding in errors if finding.lost or finding.code == "CV301"]
    if ignored:
        raise _ignored_error(ignored, lint.translate(own, facts.chart.version, facts=facts), facts.chart)
    for finding in errors:
        report.warn(f"`{finding.key}`: {finding.message}", hint="`ciliumctl values lint` says more")


def _ignored_error(ignored: Sequence[lint.Finding], translation: lint.Translation, chart: charts.Chart) -> LegacyValues:
    keys = [finding.key for finding in ignored]
    named = ", ".join(f"`{key}`" for key in keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
    meaning = "; ".join(dict.fromkeys(finding.lost for finding in ignored if finding.lost))
    meaning = meaning or "nothing of it would be installed"
    left = "".join(f"\n# left out: {key} ({why})" for key, why in translation.lost)
    written = dump(secrets.hidden(translation.values)).rstrip() if translation.values else "# nothing"
    since = "since 1.9" if all(finding.code == "CV301" for finding in ignored) else "now"
    who = "Cilium's charts have ignored" if since == "since 1.9" else f"chart {chart.version} ignores"
    end = f" {since}" if since == "since 1.9" else ""
    if not all(finding.fixable for finding in ignored):
        first = next(finding for finding in ignored if not finding.fixable)
        return LegacyValues(
            f"{who} {named}{end}: {meaning}",
            hint=f"leave `{first.key}` out, and set what does its work now; `ciliumctl values lint` says more",
        )
    return LegacyValues(
        f"{who} {named}{end}: {meaning}",
        hint=f"add `--translate-values`, mend the file with `ciliumctl values lint --fix`, or write this instead:\n"
        f"{written}{left}",
    )


def _fingerprint(wanted: Wanted, own: Mapping[str, Any]) -> str:
    """A mark of what the user asked for, kept in the release's description.

    So the same command is known again even when detection would decide otherwise today.
    """
    asked = json.dumps([wanted.chart.version, wanted.chart.chart, wanted.presets, own], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:12]


def offline(wanted: Wanted, means: Means, scratch: Path) -> Plan:
    """The plan as far as it goes without a cluster: nothing is detected."""
    chart = chart_for(wanted, None, means, scratch)
    inputs, own, config = layered(wanted, user_inputs(wanted, means.web, scratch), {}, means.helm, means.report, chart)
    return Plan(wanted=wanted, chart=chart, inputs=inputs, config=config, fingerprint=_fingerprint(wanted, own))


def values_of(
    wanted: Wanted,
    kube: Kube | None,
    means: Means,
    storage: Resource,
    scratch: Path,
    *,
    everything: bool,
) -> MergedValues:
    """All values as Helm merges them, with the origin of each; without `everything` only what is not the chart's."""
    existing = release.current(kube, wanted.release, wanted.namespace, storage) if kube is not None else None
    if kube is not None and existing is None:
        wanted = _as_running(wanted, kube)
    chart = chart_for(wanted, existing, means, scratch)
    layers = [Layer(origin="chart", values=chart.values)]
    detected: Mapping[str, Any] = {}
    if kube is not None and wanted.detect:
        detection = flavour.detect(flavour.look(kube), chart_version=chart.version)
        detected = detection.values
        layers += [
            Layer(origin=f"detected: {conclusion.subject} is {conclusion.value}", values=conclusion.values)
            for conclusion in detection.conclusions
            if conclusion.values
        ]
    layers += [Layer(origin=f"preset {name}", values=presets.load(name).values) for name in wanted.presets]
    user = user_inputs(wanted, means.web, scratch)
    inputs, _own, config = layered(wanted, user, detected, means.helm, means.report, chart)
    if inputs.files or inputs.flags:
        layers += [of_file(path, name=name) for path, name in zip(user.files, wanted.files, strict=True)]
        layers += of_flags(user.flags, means.helm.merge)
    elif user.files or user.flags:
        layers.append(Layer(origin="translated", values=inputs.generated))
    merged = means.helm.merge(inputs, chart.values)
    shown = trace(layers, merged)
    if not everything:
        different = set(difference(chart.values, merged))
        shown = tuple(value for value in shown if value.key in different or value.origin != "chart")
    return MergedValues(
        chart=chart.source, version=chart.version, values=shown, merged=merged if everything else config
    )
