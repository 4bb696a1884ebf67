"""Hubble: switch its parts on and off through the installed chart's values, and reach them from here."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl import __version__, journal, lock, owners, release, services, status
from ciliumctl.clients.helm import Helm, Inputs, Release, unpack_chart
from ciliumctl.clients.kube import DAEMON_SETS, Kube, PodPort
from ciliumctl.errors import NotFound, Refused
from ciliumctl.installation import stuck
from ciliumctl.report import Reporter
from ciliumctl.values.paths import difference, get, merge
from ciliumctl.wait import Deadline

RELAY, UI = "hubble-relay", "hubble-ui"
#: The parts that can be switched, with the value that does it.
PARTS: dict[str, tuple[str, ...]] = {
    "hubble": ("hubble", "enabled"),
    "relay": ("hubble", "relay", "enabled"),
    "ui": ("hubble", "ui", "enabled"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a switch did."""

    kind: ClassVar[str] = "HubbleChange"

    outcome: Literal["changed", "unchanged"]
    revision: int
    hubble: bool
    relay: bool
    ui: bool
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as wanted, and healthy where that was waited for."""
        return self.status is None or self.status.ok


@dataclass(frozen=True, slots=True, kw_only=True)
class HubbleStatus:
    """Hubble's parts as they are."""

    kind: ClassVar[str] = "HubbleStatus"

    server: bool
    relay: status.Component
    ui: status.Component
    problems: tuple[status.Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether what is on is well."""
        return not any(problem.severity == "error" for problem in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to change the release."""

    helm: Helm
    holder: lock.Holder
    where: status.Where
    deadline: Deadline
    report: Reporter
    wait: bool = True


def installed(kube: Kube, where: status.Where) -> Release:
    """The release to change.

    Raises:
        NotFound: there is none; ForeignOwner: something else manages Cilium; ReleaseStuck: it is pending.
    """
    found = release.current(kube, where.release, where.namespace, where.storage)
    owners.refuse_foreign(kube, namespace=where.namespace, release_name=where.release, intention="change values")
    if found is None:
        raise NotFound(
            f"there is no Helm release `{where.release}` in namespace `{where.namespace}`",
            hint="install Cilium first: `ciliumctl install`, or name the right namespace with `-n`",
        )
    if found.pending:
        raise stuck(found)
    return found


def states(found: Release) -> dict[str, bool]:
    """Which parts the release's values switch on."""
    values = merge(found.defaults, found.config)
    return {part: get(values, path, default=False) is True for part, path in PARTS.items()}


def switch(kube: Kube, how: How, wanted: Mapping[str, bool]) -> Changed:
    """Switch the named parts, and no others; wait for the rollout as `status` does.

    The relay needs Hubble and the UI the relay: what is needed is switched on too, what needs it off.
    """
    found = installed(kube, how.where)
    now = states(found)
    goal = _with_needs(now, wanted)
    if goal == now:
        how.report.note("Hubble is as asked for: unchanged")
        return _result("unchanged", found.revision, goal)
    changes: dict[str, Any] = {}
    for part, on in goal.items():
        if on != now[part]:
            changes = merge(changes, _nested(PARTS[part], value=on))
    config = merge(found.config, changes)
    changed = difference(found.config, config)
    entry = journal.entry(
        how.holder,
        how.holder.command.removeprefix("ciliumctl "),
        found.name,
        from_revision=found.revision,
        from_version=found.chart_version,
        version=found.chart_version,
        values=tuple(changed),
    )
    with (
        lock.held(kube, how.holder, how.report),
        journal.keeping(kube, found.namespace, entry, how.report) as record,
    ):
        revision = _upgrade(found, config, how, changed)
        record.made(revision)
        if goal["hubble"] != now["hubble"]:
            # Agents read their configuration when they start, and no chart restarts them.
            _restart_agents(kube, how)
        result = _result("changed", revision, goal)
        if not how.wait:
            return result
        how.report.resume = "the change is made and still rolled out: `ciliumctl status --wait`"
        found_status = status.wait(kube, how.where, deadline=how.deadline, report=how.report)
        record.judged(found_status)
        return replace(result, status=found_status)


def _with_needs(now: Mapping[str, bool], wanted: Mapping[str, bool]) -> dict[str, bool]:
    goal = {**now, **wanted}
    if wanted.get("ui"):
        goal["relay"] = True
    if wanted.get("relay") or wanted.get("ui"):
        goal["hubble"] = True
    if wanted.get("hubble") is False:
        goal["relay"] = False
    if goal["relay"] is False and "ui" not in wanted:
        goal["ui"] = False
    if goal["ui"] and not goal["relay"]:
        raise Refused("the UI needs the relay", hint="switch both off, or none")
    return goal


def _nested(path: tuple[str, ...], *, value: bool) -> dict[str, Any]:
    nested: dict[str, Any] = {path[-1]: value}
    for key in reversed(path[:-1]):
        nested = {key: nested}
    return nested


def _upgrade(found: Release, config: Mapping[str, Any], how: How, changed: list[str]) -> int:
    """Upgrade with the chart that Helm keeps with the release: no repository is needed, and no version changes."""
    how.report.resume = "`ciliumctl status` shows how the release stands"
    with how.report.step("Changing the Helm release") as step, tempfile.TemporaryDirectory() as scratch:
        chart = unpack_chart(found, Path(scratch))
        made = how.helm.upgrade(
            found.name,
            str(chart),
            Inputs(generated=config),
            namespace=found.namespace,
            description=f"ciliumctl {__version__} hubble: {', '.join(changed)}",
        )
        step.finish(f"revision {made.revision}: {', '.join(changed)}")
        return made.revision


def _restart_agents(kube: Kube, how: How) -> None:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": moment}}}
    with how.report.step("Restarting the agents, node by node"):
        kube.patch(DAEMON_SETS, "cilium", {"spec": {"template": template}}, how.where.namespace)


def _result(outcome: Literal["changed", "unchanged"], revision: int, goal: Mapping[str, bool]) -> Changed:
    return Changed(outcome=outcome, revision=revision, hubble=goal["hubble"], relay=goal["relay"], ui=goal["ui"])


def look(kube: Kube, where: status.Where) -> HubbleStatus:
    """Hubble's part of the status."""
    found = status.look(kube, where)
    parts = {component.name: component for component in found.components}
    mine = {"hubble relay", "hubble ui"} | (set() if found.installed else {"agent"})
    return HubbleStatus(
        server=found.features.get("hubble") == "on",
        relay=parts["hubble relay"],
        ui=parts["hubble ui"],
        problems=tuple(problem for problem in found.problems if problem.component in mine),
    )


def relay_target(kube: Kube, namespace: str) -> PodPort:
    """A ready relay pod. Raises `NotFound` with the command that switches the relay on."""
    return _target(kube, namespace, RELAY, "`ciliumctl hubble enable`")


def ui_target(kube: Kube, namespace: str) -> PodPort:
    """A ready UI pod. Raises `NotFound` with the command that switches the UI on."""
    return _target(kube, namespace, UI, "`ciliumctl hubble enable --ui`")


def _target(kube: Kube, namespace: str, service: str, command: str) -> PodPort:
    try:
        return services.target(kube, namespace, service)
    except NotFound as error:
        raise NotFound(error.message, hint=error.hint or f"switch it on: {command}") from error
