"""What became of assertions, for people and for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ciliumctl.errors import CiliumctlError
from ciliumctl.policies.trying.assertions import Assertion
from ciliumctl.reports import Case, Suite

TITLE = "Network policy tests"
Outcome = Literal["passed", "failed", "error", "planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One assertion.

    Attributes:
        asked: The connection in words; `expected` is `allow` or `deny`.
        seen: What happened: `connected`, `refused`, `timed out`, `answered 403`, …
        policies: What the evaluator says: `allowed`, `denied`, `audited`, `unknown`; empty when it was not asked.
        why: Why it passed or failed, in a sentence; `rule` is what decides by the evaluator.
        dropped: The reasons that Hubble gave for drops of this connection.
    """

    name: str
    asked: str
    expected: str
    outcome: Outcome
    seen: str = ""
    policies: str = ""
    why: str = ""
    rule: str = ""
    dropped: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """All of a file's assertions, in its order."""

    kind: ClassVar[str] = "PolicyTest"

    file: str
    tried: tuple[Tried, ...]
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether every assertion holds."""
        return not any(one.outcome in {"failed", "error"} for one in self.tried)


def planned(assertion: Assertion) -> Tried:
    """One that was only read."""
    return Tried(name=assertion.name, asked=assertion.asked, expected=assertion.expect, outcome="planned")


def suites(result: PolicyTest) -> tuple[Suite, ...]:
    """One suite, a case for each assertion."""
    cases = tuple(
        Case(
            name=one.name,
            about=f"{one.asked}: {one.expected}",
            outcome="skipped" if one.outcome == "planned" else one.outcome,
            seconds=one.seconds,
            message=one.why,
            details=tuple(filter(None, (f"seen: {one.seen}", f"policies: {one.policies}", one.rule))),
        )
        for one in result.tried
    )
    return (Suite(name=result.file, cases=cases),)


def not_begun(error: CiliumctlError) -> tuple[Suite, ...]:
    """What is reported where nothing could be tried."""
    case = Case(name="setup", about="assertions are tried", outcome="error", message=error.message)
    return (Suite(name="setup", cases=(case,)),)


def tap(result: PolicyTest | CiliumctlError) -> str:
    """The result in the Test Anything Protocol, version 13."""
    if isinstance(result, CiliumctlError):
        return f"TAP version 13\nBail out! {result.message}\n"
    lines = ["TAP version 13", f"1..{len(result.tried)}"]
    for number, one in enumerate(result.tried, 1):
        good = one.outcome in {"passed", "planned"}
        skip = " # SKIP dry run" if one.outcome == "planned" else ""
        # A `#` in a name would start a directive.
        lines.append(f"{'ok' if good else 'not ok'} {number} - {one.name.replace('#', '')}{skip}")
        if not good:
            lines += ["  ---", f"  reason: {_quoted(one.why)}", f"  seen: {_quoted(one.seen)}", "  ..."]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''").replace("\n", " ")
    return f"'{escaped}'"
