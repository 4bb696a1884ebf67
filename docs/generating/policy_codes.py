"""`policy-lint.md`: what `policy lint` finds."""

from __future__ import annotations

from ciliumctl.policies.lint import codes
from docs.generating.text import NOTICE, prose, table

_INTRODUCTION = """\
# Findings about policies

What [`ciliumctl policy lint`](../how-to/policies.md) finds. A code never changes its meaning, so scripts and SARIF
readers can go by it. Codes from CP201 to CP205, CP402, CP406, CP407 and CP501 need a cluster (`--cluster`); of misspelt
labels the pods and workloads in the same files tell, too.

"""


def page() -> str:
    """The codes in a table, then each with what to do."""
    text = NOTICE + _INTRODUCTION
    rows = (
        (f"[`{one.code}`](#{one.code.lower()})", f"`{one.name}`", one.severity, prose(one.about))
        for one in codes().values()
    )
    text += table(("code", "name", "severity", "meaning"), rows)
    for one in codes().values():
        text += f"## {one.code}\n\n{prose(one.about)} {prose(one.do)}\n\n"
    return text.rstrip() + "\n"
