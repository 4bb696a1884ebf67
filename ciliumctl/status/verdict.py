"""What a look at Cilium ends in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ciliumctl.status.facts import COMPONENTS

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: an `error` makes the status unhealthy, a `warning` does not.

    `pod` is the one whose log says most, `container` which part of it; `terminal` problems do not go away by waiting.
    """

    severity: Severity
    component: str
    message: str
    hint: str = ""
    details: tuple[str, ...] = ()
    pod: str = ""
    container: str = ""
    terminal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of Cilium. `versions` maps an image tag to the number of pods that run it."""

    name: str
    state: Literal["healthy", "unhealthy", "disabled", "missing"]
    desired: int = 0
    ready: int = 0
    updated: int = 0
    restarts: int = 0
    images: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One node and the agent on it."""

    name: str
    state: str
    agent: str
    agent_state: str
    restarts: int
    age: str
    kubelet: str
    kernel: str
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """What one agent says of itself; `messages` is empty when all is well. Only with `--deep`."""

    node: str
    pod: str
    state: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of an installation."""

    kind: ClassVar[str] = "Status"

    context: str
    namespace: str
    installed: bool
    healthy: bool
    version: str
    release: str
    revision: int
    release_status: str
    components: tuple[Component, ...]
    features: Mapping[str, str]
    nodes: tuple[NodeLine, ...]
    simulated_nodes: int
    networked_pods: int | None
    unmanaged_pods: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    agents: tuple[AgentView, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether Cilium is installed and healthy."""
        return self.healthy

    @property
    def terminal(self) -> bool:
        """Whether some error will not mend itself."""
        return any(problem.terminal for problem in self.problems if problem.severity == "error")

    @property
    def names(self) -> list[str]:
        """The workloads, for `-o name`."""
        there = {component.name for component in self.components if component.desired}
        return [f"{kind.lower()}/{name}" for component, (kind, name) in COMPONENTS.items() if component in there]
