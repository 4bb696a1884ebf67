"""Carry a plan out, step by step, and take it back where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ciliumctl import __version__, journal, lock, permissions, release, status
from ciliumctl.clients.helm import Helm, Release
from ciliumctl.clients.kube import NAMESPACES, PODS, Kube
from ciliumctl.errors import (
    CiliumctlError,
    Exists,
    Forbidden,
    Invalid,
    NotFound,
    OutsideError,
    TimedOut,
    UsageError,
)
from ciliumctl.installation.adopting import taking_over
from ciliumctl.installation.checking import Gate, refuse_what_breaks
from ciliumctl.installation.guards import unchanged
from ciliumctl.installation.plan import Installed, Means, Outcome, Plan, Wanted, result_of
from ciliumctl.installation.rendering import render
from ciliumctl.report import Reporter
from ciliumctl.values.paths import difference, get, merge, put
from ciliumctl.wait import Deadline, overtime, poll

#: Seconds for each step back, when the time was up already.
_TAKING_BACK = 60.0

PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


def dry_run(plan: Plan, kube: Kube, means: Means, *, server: bool) -> Installed:
    """Render, and with `server` let the API server check every object; changes nothing."""
    wanted = plan.wanted
    for need in plan.needs:
        means.report.warn(f"`{'.'.join(need.key)}` is left out: {need.why}", need.hint)
    with means.report.step("Rendering the chart") as step:
        if server and not plan.namespace_exists:
            step.finish(f"namespace `{wanted.namespace}` does not exist yet: checked without the server")
            server = False
        if server:
            manifest = str(_helm_install(plan, means, dry_run=True))
        else:
            manifest = render(plan, means, kube_version=kube.version(), api_versions=_api_versions(kube))
    return result_of(plan, kube, "dry-run", revision=0, manifest=manifest)


def _api_versions(kube: Kube) -> list[str]:
    return [f"{group}/{version}" for group, versions in kube.groups().items() for version in versions]


def _helm_install(plan: Plan, means: Means, *, dry_run: bool = False) -> Release | str:
    return means.helm.install(
        plan.wanted.release,
        str(plan.chart.path),
        plan.inputs,
        namespace=plan.wanted.namespace,
        description=_description(plan),
        dry_run=dry_run,
        take_ownership=bool(plan.taken_over),
    )


def _description(plan: Plan) -> str:
    return f"ciliumctl {__version__} install ({plan.fingerprint})"


_TAKEN_BACK = "everything was taken back; mend the cause and install again, without `--atomic` to look at what fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to install: whether to wait, whether to take everything back on failure, whom to ask.

    `first` is done under the lock, with the release as it was planned, before anything is changed.
    """

    holder: lock.Holder
    consent: Callable[[str], None]
    deadline: Deadline
    where: status.Where
    wait: bool = False
    atomic: bool = False
    gate: Gate | None = None
    first: Callable[[], None] | None = None


def install(plan: Plan, kube: Kube, means: Means, how: How) -> Installed:
    """Do it. What was done is said step by step; with `atomic` it is taken back when it does not get healthy.

    Raises:
        CiliumctlError: a step failed; nothing that this run made is left when `atomic` was asked for.
    """
    if unchanged(plan):
        means.report.note("Cilium is installed as asked for: unchanged")
        result = result_of(plan, kube, "unchanged", revision=plan.existing.revision if plan.existing else 0)
        return _with_status(result, kube, means, how) if how.wait else result
    manifest = ""
    if not permissions.is_admin(kube):
        with means.report.step("Checking this user's rights"):
            manifest = render(plan, means, kube_version=kube.version())
            permissions.check(kube, manifest, plan.wanted.namespace, creates_namespace=not plan.namespace_exists)
    asked = bool(plan.needs)
    plan = _with_needs(plan, means, how)
    if how.gate is not None:
        # What was rendered before the cloud was asked lacks its values.
        refuse_what_breaks(plan, kube, means, how.gate, manifest="" if asked else manifest)
    for change in plan.changes:
        how.consent(f"{change.info.title}: {change.info.why}")
    if plan.taken_over:
        how.consent(
            taking_over(plan, kube, render(plan, means, kube_version=kube.version(), api_versions=_api_versions(kube)))
        )
    with lock.held(kube, how.holder, means.report):
        _check_still_so(plan, kube, how)
        if how.first is not None:
            how.first()
        return _install(plan, kube, means, how)


def _check_still_so(plan: Plan, kube: Kube, how: How) -> None:
    """The plan was made before the lock was held. Raises `Exists` when somebody was faster."""
    there = release.current(kube, plan.wanted.release, plan.wanted.namespace, how.where.storage)
    revision = there.revision if there is not None else 0
    planned = plan.existing.revision if plan.existing is not None else 0
    if revision != planned:
        raise Exists(
            f"Helm release `{plan.wanted.release}` was changed meanwhile: it is at revision {revision}, not {planned}",
            hint="look at it with `ciliumctl status`, then run the command again",
        )


def _with_needs(plan: Plan, means: Means, how: How) -> Plan:
    """The plan with the values that only the cloud knows, asked with consent."""
    for need in plan.needs:
        if not need.available:
            raise UsageError(f"`{'.'.join(need.key)}` is needed: {need.why}", hint=need.hint)
        how.consent(f"run `{' '.join(need.command)}`: {need.why}")
        with means.report.step(f"Asking `{need.command[0]}`") as step:
            values: dict[str, Any] = {}
            put(values, need.key, need.ask())
            step.finish(f"{'.'.join(need.key)} is {get(values, need.key)}")
        inputs = replace(plan.inputs, generated=merge(plan.inputs.generated, values))
        plan = replace(plan, inputs=inputs, config=merge(plan.config, values), needs=())
    return plan


Undo = list[tuple[str, Callable[[], object]]]


def _install(plan: Plan, kube: Kube, means: Means, how: How) -> Installed:
    wanted = plan.wanted
    undo: Undo = []
    try:
        if not plan.namespace_exists:
            _create_namespace(kube, wanted.namespace, means.report)
            undo.append((f"namespace `{wanted.namespace}`", lambda: kube.delete(NAMESPACES, wanted.namespace)))
        if plan.existing is None:
            undo.append(("the journal", lambda: journal.forget(kube, wanted.namespace)))
        with journal.keeping(kube, wanted.namespace, _entry(plan, how), means.report) as record:
            result = _carry_out(plan, kube, means, how, undo, record)
            record.judged(result.status)
    except CiliumctlError:
        if how.atomic:
            _take_back(undo, kube, means)
        raise
    if how.atomic and not result.ok:
        _take_back(undo, kube, means)
        return replace(result, outcome="taken-back")
    return result


def _entry(plan: Plan, how: How) -> journal.Entry:
    there = plan.existing
    return journal.entry(
        how.holder,
        "install",
        plan.wanted.release,
        from_revision=there.revision if there is not None else 0,
        version=plan.chart.version,
        values=tuple(difference(there.config if there is not None else {}, plan.config)),
    )


def _carry_out(plan: Plan, kube: Kube, means: Means, how: How, undo: Undo, record: journal.Record) -> Installed:
    report = means.report
    if plan.changes:
        with report.step("Checking the release with the server"):
            _helm_install(plan, means, dry_run=True)
    for change in plan.changes:
        with report.step(change.info.title):
            change.apply(kube)
        undo.append((change.info.title, partial(change.undo, kube)))
    report.resume = (
        "`ciliumctl status` shows what is there; `ciliumctl install` or `ciliumctl recover` goes on, "
        "`ciliumctl uninstall` ends it"
    )
    with report.step("Creating the Helm release") as step:
        if plan.existing is None:
            undo.append(("the Helm release", partial(_remove_release, means.helm, plan.wanted)))
        try:
            made = _create_release(plan, means)
        except Exists:
            # Somebody else's, made since we looked: not ours to take back.
            undo[:] = [item for item in undo if item[0] not in {"the Helm release", "the journal"}]
            raise
        step.finish(f"{made.name} revision {made.revision}, Cilium {made.chart_version}")
    record.made(made.revision)
    outcome: Outcome = "continued" if plan.existing is not None else "installed"
    result = result_of(plan, kube, outcome, revision=made.revision)
    if not (how.wait or how.atomic):
        return result
    report.resume = "Cilium is installed and still starting: `ciliumctl status --wait` goes on waiting"
    return _with_status(result, kube, means, how)


def _create_release(plan: Plan, means: Means) -> Release:
    if plan.existing is None:
        made = _helm_install(plan, means)
        if isinstance(made, str):
            raise OutsideError("helm answered an installation with a manifest")
        return made
    # A first installation failed: the same name can only be upgraded.
    return means.helm.upgrade(
        plan.wanted.release,
        str(plan.chart.path),
        plan.inputs,
        namespace=plan.wanted.namespace,
        description=_description(plan),
        take_ownership=bool(plan.taken_over),
    )


def _with_status(result: Installed, kube: Kube, means: Means, how: How) -> Installed:
    found = status.wait(kube, how.where, deadline=how.deadline, report=means.report)
    return replace(result, status=found)


def late(result: Installed, deadline: Deadline) -> TimedOut | None:
    """The error of an installation that was not healthy in time; `None` for any other end."""
    error = status.unhealthy(result.status, deadline) if result.status is not None else None
    if error is not None and result.outcome == "taken-back":
        error.hint = _TAKEN_BACK
    return error


def _take_back(undo: Sequence[tuple[str, Callable[[], object]]], kube: Kube, means: Means) -> None:
    """Undo in the opposite order; what cannot be undone is said and does not stop the rest."""
    for name, step in reversed(undo):
        try:
            with means.report.step(f"Taking back {name}"), overtime(kube, means.helm, seconds=_TAKING_BACK):
                step()
        except NotFound:
            continue
        except CiliumctlError as error:
            means.report.warn(f"{name} could not be taken back: {error.message}", error.hint)


def _remove_release(helm: Helm, wanted: Wanted) -> None:
    helm.uninstall(wanted.release, namespace=wanted.namespace)


def _create_namespace(kube: Kube, name: str, report: Reporter) -> None:
    """Create the namespace, labelled for privileged pods where the cluster would refuse them otherwise."""
    with report.step(f"Creating namespace `{name}`") as step:
        kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if _refuses_privileged_pods(kube, name):
            kube.patch(NAMESPACES, name, {"metadata": {"labels": PRIVILEGED}})
            step.finish("labelled `privileged`: this cluster enforces PodSecurity")


def _refuses_privileged_pods(kube: Kube, namespace: str) -> bool:
    """Ask the server with a pod that is never made. A new namespace has no service account for a moment."""
    container = {"name": "probe", "image": "probe", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ciliumctl-probe"},
        "spec": {"containers": [container], "hostNetwork": True, "automountServiceAccountToken": False},
    }

    def ask() -> str:
        try:
            kube.create(PODS, pod, namespace, dry_run=True)
        except (Forbidden, Invalid) as error:
            return error.detail
        return ""

    answer = poll(ask, lambda text: "serviceaccount" not in text, deadline=Deadline.after(5.0), interval=0.2)
    return "PodSecurity" in answer
