"""What lint finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from ciliumctl import findings, templates
from ciliumctl.findings import FailOn, Severity, fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of finding; it never changes its meaning. `do` is what to do about it."""

    code: str
    name: str
    severity: Severity
    about: str
    do: str


@cache
def codes() -> dict[str, Code]:
    """Every kind of finding: `templates/policies/lint/codes.yaml`."""
    return {entry["code"]: Code(**entry) for entry in templates.load("policies/lint/codes.yaml")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(findings.Finding):
    """One thing to know about one policy: `CiliumNetworkPolicy shop/web`; about a file where `policy` is empty."""

    policy: str = ""


def finding(
    code: str, message: str, *, policy: str = "", key: str = "", file: str = "", line: int = 0, severity: Any = ""
) -> Finding:
    """A finding with what `codes` says of its kind. `key` is the field, such as `spec.ingress[0].toPorts`."""
    kind = codes()[code]
    return Finding(
        code=code,
        severity=severity or kind.severity,
        message=message,
        subject=f"{policy} {key}".strip(),
        advice=kind.do.rstrip("."),
        file=file,
        line=line,
        policy=policy,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLint:
    """What is wrong with policies. `cluster` is the context that was asked, if any."""

    kind: ClassVar[str] = "PolicyLint"

    policies: int
    files: tuple[str, ...] = ()
    cluster: str = ""
    findings: tuple[Finding, ...] = ()
    fail_on: FailOn = "error"

    @property
    def ok(self) -> bool:
        """Whether no finding is as grave as `fail_on`."""
        return not fails(self.findings, self.fail_on)

    @property
    def names(self) -> list[str]:
        """For `-o name`: the policies that something is wrong with."""
        return sorted({finding.policy for finding in self.findings if finding.policy})
