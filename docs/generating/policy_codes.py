"""`policy-lint.md`: what `policy lint` finds."""

from __future__ import annotations

from ciliumctl.findings import Severity
from ciliumctl.policies import lint
from docs.generating.text import NOTICE, codes

_INTRODUCTION = """\
# Findings about policies

What [`ciliumctl policy lint`](../how-to/policies.md) finds. A code never changes its meaning, so scripts and SARIF
readers can go by it. Codes from CP201 to CP205, CP402, CP406, CP407 and CP501 need a cluster (`--cluster`); of misspelt
labels the pods and workloads in the same files tell, too.

"""
_SEVERITIES: dict[Severity, str] = {"error": "an error", "warning": "a warning", "info": "only told"}


def page() -> str:
    """The codes in a table, then each with what to do."""
    known = lint.codes().values()
    more = {one.code: f"{one.do} As a rule {_SEVERITIES[one.severity]}." for one in known}
    text = NOTICE + _INTRODUCTION + codes({one.code: (one.name, one.about) for one in known}, more)
    return text.rstrip() + "\n"
