"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ciliumctl.checks._scene import Scene

Outcome = Literal["passed", "warning", "failed", "skipped"]
Severity = Literal["error", "warning"]

#: Where the reference page of the checks is.
DOCS = "https://ciliumctl.readthedocs.io/reference/preflight-checks/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `object` is `Kind/namespace/name`, empty where it is about no object."""

    text: str
    severity: Severity = "error"
    object: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says. `message` is one line; `evidence` is what it rests on, `findings` what is wrong."""

    outcome: Outcome
    message: str = ""
    evidence: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check as data, and the function that judges.

    `reads` names the parts of the scene that it judges: only what some check reads is asked for, and a part that could
    not be read makes the check skipped, unless it judges failures itself. `after` are fatal checks that must not have
    failed.
    """

    id: str
    category: str
    title: str
    why: str
    remedy: str
    look: Callable[[Scene], Verdict]
    reads: tuple[str, ...] = ()
    judges_failures: bool = False
    after: tuple[str, ...] = ("CIL-API-001",)
    fatal: bool = False

    @property
    def docs(self) -> str:
        """Where the documentation says more."""
        return f"{DOCS}#{self.id.lower()}"


def passed(message: str = "", *evidence: str) -> Verdict:
    """It is as it should be."""
    return Verdict(outcome="passed", message=message, evidence=evidence)


def skipped(reason: str) -> Verdict:
    """It cannot be said, or is of no matter here."""
    return Verdict(outcome="skipped", message=reason)


def judged(findings: Iterable[Finding], *, good: str, bad: str, hint: str, evidence: Iterable[str] = ()) -> Verdict:
    """As bad as the worst finding; passed without any. `good` and `bad` are the messages of the two ends."""
    listed = tuple(findings)
    if not listed:
        return passed(good, *evidence)
    worst: Outcome = "failed" if any(finding.severity == "error" for finding in listed) else "warning"
    return Verdict(outcome=worst, message=bad, evidence=tuple(evidence), findings=listed, hint=hint)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 node`, `3 nodes`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
