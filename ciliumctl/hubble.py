"""Hubble: switch its parts on and off through the installed chart's values, and reach them from here."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl import change, lock, services, status
from ciliumctl.clients.helm import Helm, Inputs, Release
from ciliumctl.clients.kube import Kube, PodPort
from ciliumctl.errors import NotFound, Refused
from ciliumctl.report import Reporter
from ciliumctl.values.paths import get, merge
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


def states(found: Release) -> dict[str, bool]:
    """Which parts the release's values switch on."""
    values = merge(found.defaults, found.config)
    return {part: get(values, path, default=False) is True for part, path in PARTS.items()}


def switch(kube: Kube, how: How, wanted: Mapping[str, bool]) -> Changed:
    """Switch the named parts, and no others; wait for the rollout as `status` does.

    The relay needs Hubble and the UI the relay: what is needed is switched on too, what needs it off.
    """
    found = change.installed(kube, how.where, "change values")
    now = states(found)
    goal = _with_needs(now, wanted)
    if goal == now:
        how.report.note("Hubble is as asked for: unchanged")
        return _result("unchanged", found.revision, goal)
    changes: dict[str, Any] = {}
    for part, on in goal.items():
        if on != now[part]:
            changes = merge(changes, _nested(PARTS[part], value=on))
    with tempfile.TemporaryDirectory() as scratch:
        chart = change.stored_chart(found, Path(scratch))
        with how.report.step("Rendering the change"):
            target = change.aim(found, chart, Inputs(generated=merge(found.config, changes)), how.helm)
        made = change.perform(kube, target, _means(how))
    result = _result("changed", made.revision, goal)
    return replace(result, status=made.status)


def _means(how: How) -> change.How:
    return change.How(
        helm=how.helm,
        holder=how.holder,
        where=how.where,
        deadline=how.deadline,
        report=how.report,
        operation=how.holder.command.removeprefix("ciliumctl "),
        wait=how.wait,
    )


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
