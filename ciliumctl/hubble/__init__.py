"""Hubble: how its parts are, and where they are reached from here; switching them is another matter, and module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ciliumctl import services, status
from ciliumctl.clients.kube import Kube, PodPort
from ciliumctl.errors import NotFound

RELAY, UI = "hubble-relay", "hubble-ui"


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
