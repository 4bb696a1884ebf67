"""What lint finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

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
    """One thing to know about one policy.

    Attributes:
        policy: Such as `CiliumNetworkPolicy shop/web`; empty where it is about a file.
        key: The field, such as `spec.ingress[0].toPorts`; empty for a whole policy.
    """

    policy: str = ""
    key: str = ""

    @property
    def place(self) -> str:
        """Such as `my.yaml:12`; the policy's name where it was read from the cluster."""
        if not self.file:
            return self.policy
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What is wrong with policies. `cluster` is the context that was asked, if any."""

    kind: ClassVar[str] = "PolicyLint"

    policies: int
    files: tuple[str, ...] = ()
    cluster: str = ""
    findings: tuple[Finding, ...] = ()
    fail_on: FailOn = "warning"

    @property
    def ok(self) -> bool:
        """Whether no finding is as grave as `fail_on`."""
        return not fails(self.findings, self.fail_on)

    @property
    def names(self) -> list[str]:
        """For `-o name`: the policies that something is wrong with."""
        return sorted({finding.policy for finding in self.findings if finding.policy})
