"""What a run of the checks comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ciliumctl.checks._model import Finding, Outcome
from ciliumctl.errors import ClusterError

FailOn = Literal["error", "warning", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check said. `seconds` holds the reading of what it judges; parts are read at the same time.

    `message` is the reason where it was skipped. `suppressed` are findings that somebody wanted not to hear of.
    """

    id: str
    category: str
    title: str
    outcome: Outcome
    message: str = ""
    evidence: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    hint: str = ""
    docs: str = ""
    source: str = "ciliumctl"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A run of the checks. `installed` and `target` are versions of Cilium; `requests` is what the API was asked."""

    kind: ClassVar[str] = "Preflight"

    context: str
    namespace: str
    release: str
    installed: str
    target: str
    kubernetes: str
    flavour: str
    nodes: int
    checks: tuple[CheckResult, ...]
    fail_on: FailOn = "error"
    requests: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    _error: ClusterError | None = None

    def of(self, outcome: Outcome) -> tuple[CheckResult, ...]:
        """The checks that ended so."""
        return tuple(check for check in self.checks if check.outcome == outcome)

    @property
    def error(self) -> ClusterError | None:
        """Why the cluster could not be looked at at all."""
        return self._error

    @property
    def ok(self) -> bool:
        """Whether nothing is as bad as `fail_on`."""
        if self._error is not None:
            return False
        worst: dict[FailOn, tuple[Outcome, ...]] = {"error": ("failed",), "warning": ("failed", "warning"), "never": ()}
        return not any(check.outcome in worst[self.fail_on] for check in self.checks)

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the checks that failed or warn, as `-o name` prints them."""
        return tuple(f"check/{check.id}" for check in self.checks if check.outcome in {"failed", "warning"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a check looks at, why it matters and what to do about it."""

    kind: ClassVar[str] = "PreflightCheck"

    id: str
    category: str
    title: str
    why: str = ""
    remedy: str = ""
    docs: str = ""
    fatal: bool = False
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    source: str = "ciliumctl"

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckList:
    """The checks that there are."""

    kind: ClassVar[str] = "PreflightChecks"

    checks: tuple[Explanation, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(f"check/{check.id}" for check in self.checks)
