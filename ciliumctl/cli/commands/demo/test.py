"""Ask the demo application on every way there is, a line each.

From up to three of its pods: to the other pods, to the service by address and by name, to the node port of up to five
nodes. From here: to the node port of up to twenty nodes, to the load balancer, by a forwarded port. Any answer over
HTTP counts. From inside, the pods' own `curl` or `wget` asks; where there is neither, that part is skipped.

Exit codes: 0 all ways lead to it, 1 some do not.

Examples:
  ciliumctl demo test
  ciliumctl demo test -n shop -o json | jq '.data.paths[] | select(.outcome != "passed")'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.demo import _shared
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.demo import DemoTest

KIND = "DemoTest"
_SIGNS = {"passed": ("✔", "good"), "failed": ("✗", "bad"), "skipped": ("-", "dim")}


def command(ctx: typer.Context, *, namespace: _shared.Namespace = "") -> None:
    """Try every way."""
    from ciliumctl import demo

    session = session_of(ctx)
    session.allow()
    session.deadline(120.0)
    place = namespace or session.kube.namespace
    result = demo.run(session.kube, _shared.direct(session), place, session.report)
    session.finish(result, render)


def render(out: Writer, result: DemoTest) -> None:
    """A line for each way, and what is to be known besides."""
    out.table(
        ("", "way", "from", "to", "result"),
        [
            (_SIGNS[path.outcome], path.name, path.source, path.target, path.said or path.outcome)
            for path in result.paths
        ],
    )
    for note in result.notes:
        out.line(("note: ", "dim"), note)
    if result.failed:
        out.line()
        out.line((f"{len(result.failed)} of {len(result.paths)} ways do not lead to the application", "bad"))
        out.hint("`ciliumctl connectivity test` tries the network thoroughly; `ciliumctl status` shows Cilium's state")
