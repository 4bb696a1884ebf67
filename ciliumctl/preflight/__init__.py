"""Look before a change: run the checks of `ciliumctl.checks` on a cluster and on what is to be installed into it."""

from __future__ import annotations

from ciliumctl.preflight.choosing import Choice, NodeChecks, choice_of, from_baseline, suppressions
from ciliumctl.preflight.looking import Subject, Using
from ciliumctl.preflight.result import CheckList, CheckResult, Explanation, Preflight
from ciliumctl.preflight.running import explained, listed, run, unreachable

__all__ = [
    "CheckList",
    "CheckResult",
    "Choice",
    "Explanation",
    "NodeChecks",
    "Preflight",
    "Subject",
    "Using",
    "choice_of",
    "explained",
    "from_baseline",
    "listed",
    "run",
    "suppressions",
    "unreachable",
]
