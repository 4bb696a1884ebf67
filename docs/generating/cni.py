"""`cni-lint.md` and `cnis.md`: what `cni lint` finds, and what `cni compare` shows."""

from __future__ import annotations

from ciliumctl.cni import comparing, plugins
from ciliumctl.cni.codes import CODES
from docs.generating.text import NOTICE, codes, table

_LINT = """\
# Findings about CNI configurations

What [`ciliumctl cni lint`](../how-to/look-at-the-cni.md) finds. A code never changes its meaning, so scripts and SARIF
readers can go by it. The rules are those of the [specification](https://www.cni.dev/docs/spec/), of its reference
library, which container runtimes use, and of the plugins themselves.

"""
_COMPARE = """\
# CNIs and their technologies

What [`ciliumctl cni compare`](../how-to/look-at-the-cni.md) shows. Where a project's own pages and these tables differ,
believe them. [What a CNI is](../explanation/cni.md) explains the rest.

"""


def lint_page() -> str:
    """The codes, then the plugins whose keys are known."""
    text = NOTICE + _LINT
    text += codes(CODES)
    text += "## Plugins\n\nOf other plugins only what the specification says is checked.\n\n"
    what = {"interface": "makes the pod's interface", "meta": "changes what others made", "ipam": "hands out addresses"}
    rows = []
    for name, entry in plugins.known().items():
        keys = ", ".join(f"`{key}`" for key in entry.get("keys", ())) or ("any" if entry.get("open") else "")
        rows.append((f"`{name}`", what[entry["does"]], keys))
    text += table(("plugin", "what it does", "its keys"), rows)
    return text.rstrip() + "\n"


def compare_page() -> str:
    """The CNIs aspect by aspect, then every technology."""
    found = comparing.compare()
    text = NOTICE + _COMPARE + "## Four of them\n\n"
    text += table(("", *found.names), ((one.name, *(one.of[name] for name in found.names)) for one in found.aspects))
    text += "## The technologies\n\n"
    text += table(
        ("technology", "how", "who", "what it costs", "seen by `ciliumctl cni detect`"),
        ((one.title, one.about, one.used, one.cost, one.seen) for one in found.technologies),
    )
    return text.rstrip() + "\n"
