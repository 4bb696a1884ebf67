"""Switch Hubble's parts on and off through the installed chart's values."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl import change, status
from ciliumctl.clients.helm import Inputs, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Refused
from ciliumctl.hubble import metering
from ciliumctl.values.paths import get, merge, put

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
    metrics: tuple[str, ...] = ()
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as wanted, and healthy where that was waited for."""
        return self.status is None or self.status.ok


def states(found: Release) -> dict[str, bool]:
    """Which parts the release's values switch on."""
    values = merge(found.defaults, found.config)
    return {part: get(values, path, default=False) is True for part, path in PARTS.items()}


def switch(kube: Kube, how: change.How, wanted: Mapping[str, bool], metrics: metering.Metrics | None = None) -> Changed:
    """Switch the named parts and metrics, and no others; wait for the rollout as `status` does.

    The relay needs Hubble and the UI the relay: what is needed is switched on too, what needs it off.
    """
    found = change.installed(kube, how.where, "change values")
    values = merge(found.defaults, found.config)
    now = states(found)
    goal = _with_needs(now, wanted)
    wishes: dict[tuple[str, ...], Any] = {PARTS[part]: on for part, on in goal.items() if on != now[part]}
    if metrics is not None:
        metering.check_version(metrics.on, found.app_version)
        wishes |= metering.changes(values, metrics)
    if not wishes:
        how.report.note("Hubble is as asked for: unchanged")
        return _result("unchanged", found.revision, goal, metering.on_now(values))
    changes: dict[str, Any] = {}
    for path, value in wishes.items():
        put(changes, path, value)
    with tempfile.TemporaryDirectory() as scratch:
        chart = change.stored_chart(found, Path(scratch))
        with how.report.step("Rendering the change"):
            target = change.aim(found, chart, Inputs(generated=merge(found.config, changes)), how.helm)
        made = change.perform(kube, target, how)
    result = _result("changed", made.revision, goal, metering.on_now(merge(values, changes)))
    return replace(result, status=made.status)


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


def _result(
    outcome: Literal["changed", "unchanged"], revision: int, goal: Mapping[str, bool], metrics: tuple[str, ...]
) -> Changed:
    return Changed(
        outcome=outcome,
        revision=revision,
        hubble=goal["hubble"],
        relay=goal["relay"],
        ui=goal["ui"],
        metrics=metrics,
    )
