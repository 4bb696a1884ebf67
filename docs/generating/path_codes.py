"""`path-codes.md`: what `debug path` can find, why it matters, and what to do."""

from __future__ import annotations

from ciliumctl.paths import Code, all_codes
from docs.generating.text import NOTICE, prose, table

_INTRODUCTION = """\
# What a path breaks at

The codes of [`ciliumctl debug path`](../how-to/find-the-broken-hop.md), in the order in which a packet meets the hops:
100 the ends, 200 the name, 300 the service, 400 identities, 500 policies, 600 the nodes and the way between them, 700
what only the probe shows. A code never changes its meaning. Some are warnings: they do not stop a packet for sure.

"""


def page() -> str:
    """A table of all, then each with its own anchor."""
    codes = all_codes().values()
    text = NOTICE + _INTRODUCTION
    text += table(("code", "what is wrong"), ((f"[`{one.id}`](#{one.id.lower()})", prose(one.title)) for one in codes))
    return (text + "".join(_section(one) for one in codes)).rstrip() + "\n"


def _section(code: Code) -> str:
    title = prose(code.title[0].upper() + code.title[1:])
    return f"## {code.id}\n\n**{title}.**\n\n{prose(code.why)}\n\nWhat to do: {prose(code.remedy)}\n\n"
