"""`preflight-checks.md`: every check with why it matters, what to do, and what it reads."""

from __future__ import annotations

from ciliumctl import checks
from ciliumctl.checks._model import Check
from docs.generating.text import NOTICE, prose, table

_INTRODUCTION = """\
# Preflight checks

What `ciliumctl preflight` looks at, and `ciliumctl install` before it changes anything. `ciliumctl preflight --explain
ID` says the same as this page, without a cluster. [Check before a change](../how-to/check-before-a-change.md) says how
to choose, to suppress and to report.

A check passes, warns, fails or is skipped with the reason. The fatal ones stop those that hang on them: these are
skipped, naming the one that failed. What several checks look at is read once, and what no chosen check looks at is not
read at all.

"""

_CONTRACT = """\
## Checks of your own

Every program named `ciliumctl-check-…` on `PATH` runs with the others, at the same time, for a minute at most. It gets
no input, and in its environment, beside its own:

| variable | what it holds |
| --- | --- |
| `KUBECONFIG`, `CILIUMCTL_CONTEXT`, `CILIUMCTL_AS` | the cluster and the user, where they were given as options |
| `CILIUMCTL_NAMESPACE`, `CILIUMCTL_HELM_RELEASE_NAME` | where Cilium is, or is to be |
| `CILIUMCTL_CHECK_TARGET` | the version of Cilium that is checked for |
| `CILIUMCTL_CHECK_INSTALLED` | the version that is there; empty for none |

It prints a list of results as JSON and ends with 0, whatever it found:

```json
[
  {
    "id": "ACME-FW-001",
    "category": "firewall",
    "title": "the firewall lets VXLAN through between all nodes",
    "outcome": "failed",
    "message": "1 of 3 nodes is closed",
    "evidence": ["asked fw.example.com"],
    "findings": [{"text": "worker-3 drops udp/8472", "severity": "error", "object": "Node//worker-3"}],
    "hint": "open it: `fwctl allow udp/8472 worker-3`",
    "docs": "https://wiki.example.com/firewall"
  }
]
```

`id`, `title` and `outcome` (`passed`, `warning`, `failed` or `skipped`) must be there. An `id` must not begin with
`CIL-`. A finding may be a text alone; its severity is `error` or `warning`. `--only`, `--skip`, `--suppress` and
baselines mean such results by their ids and categories, too. A program that ends otherwise, late, or prints something
else is a failed check under its own name; that does not disturb the rest. `--no-external-checks` leaves all of them
out.
"""


def page() -> str:
    """A table of all, then each with its own anchor."""
    every = sorted(checks.all_of_them(), key=lambda one: (checks.CATEGORIES.index(one.category), one.id))
    text = NOTICE + _INTRODUCTION
    text += table(
        ("id", "category", "what it claims"),
        ((f"[`{one.id}`](#{one.id.lower()})", one.category, prose(one.title)) for one in every),
    )
    for category in checks.CATEGORIES:
        for one in every:
            if one.category == category:
                text += _section(one)
    return text + _CONTRACT


def _section(check: Check) -> str:
    others = [name for name in check.after if name != "CIL-API-001"]
    rows = [f"Category: {check.category}."]
    if check.fatal:
        rows.append("Fatal: what hangs on it is skipped when it fails.")
    if others:
        rows.append(f"Skipped when {' or '.join(f'`{name}`' for name in others)} failed.")
    return (
        f"## {check.id}\n\n**{prose(check.title[0].upper() + check.title[1:])}.**\n\n{prose(check.why)}\n\n"
        f"What to do: {prose(check.remedy)}\n\n{' '.join(rows)}\n\n"
    )
