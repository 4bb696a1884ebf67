"""What is made, what became of it, and how it answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

NAME = "nginx"
#: What our objects are known by, beside their name.
LABEL = "ciliumctl.io/demo"
SELECTOR = f"{LABEL}={NAME}"

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the application is made. An empty `image` and a `port` of 0 stand for the template's."""

    namespace: str
    replicas: int = 2
    type: str = "NodePort"
    image: str = ""
    registry: str = ""
    port: int = 0
    arguments: tuple[str, ...] = ()
    pull_secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeployed:
    """The application as it is now; `changed` says whether anything had to be made or changed."""

    kind: ClassVar[str] = "DemoDeployed"

    namespace: str
    image: str
    replicas: int
    ready: int
    type: str
    node_port: int
    changed: bool
    waited: bool

    @property
    def ok(self) -> bool:
        """Whether every replica answers, where that was waited for."""
        return not self.waited or self.ready >= self.replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoUrl:
    """Where the application is reached from here; `said` is why it does not answer, or has no address."""

    kind: ClassVar[str] = "DemoUrl"

    url: str
    type: str
    answers: bool
    said: str
    others: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it answers from here."""
        return self.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One way to the application, and whether it leads there."""

    name: str
    source: str
    target: str
    outcome: Outcome
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTest:
    """All ways that were tried."""

    kind: ClassVar[str] = "DemoTest"

    namespace: str
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Path, ...]:
        """Those that do not lead there."""
        return tuple(path for path in self.paths if path.outcome == "failed")

    @property
    def ok(self) -> bool:
        """Whether some were tried, and none failed."""
        return not self.failed and any(path.outcome == "passed" for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeleted:
    """What was removed, as `Kind/name`; empty when nothing was there."""

    kind: ClassVar[str] = "DemoDeleted"

    namespace: str
    removed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Always: nothing of it is left."""
        return True
