"""What lint finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from ciliumctl import templates
from ciliumctl.findings import FailOn, Severity, reaches


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
class Finding:
    """One thing to know about one policy.

    Attributes:
        policy: Such as `CiliumNetworkPolicy shop/web`; empty where it is about a file.
        key: The field, such as `spec.ingress[0].toPorts`; empty for a whole policy.
        file: Where it stands; empty for a policy that was read from the cluster.
        line: From 1; 0 where there is none.
    """

    code: str
    severity: Severity
    message: str
    policy: str = ""
    key: str = ""
    file: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """Such as `my.yaml:12`, or the policy's name."""
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
        return not any(reaches(finding.severity, self.fail_on) for finding in self.findings)

    @property
    def names(self) -> list[str]:
        """For `-o name`: the policies that something is wrong with."""
        return sorted({finding.policy for finding in self.findings if finding.policy})
