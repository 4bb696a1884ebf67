"""Show where a migration stands, node by node.

Read from the cluster alone: a ConfigMap, and a label and an annotation on each node. Five requests.

Exit codes: 0 no node is half-way, 1 one is.

Examples:
  ciliumctl migrate status
  ciliumctl migrate status -o json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.migrate import _showing
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.migration.model import MigrationStatus

KIND = "MigrationStatus"


def command(ctx: typer.Context) -> None:
    """Look once."""
    from ciliumctl.migration import standing

    session = session_of(ctx)
    session.allow("name", "wide")
    session.deadline(60)
    session.finish(standing.look(session.kube, session.settings.namespace), render)


def render(out: Writer, result: MigrationStatus) -> None:
    """The networks, then a line a node."""
    from ciliumctl.migration.admitting import ways_on

    if result.old is None or result.new is None:
        out.line(f"no migration has begun on {result.context}")
        out.hint("`ciliumctl migrate plan` shows what it would do")
        return
    out.line(
        (f"{result.migrated} of {len(result.nodes)} nodes migrated", "head"),
        f", begun {result.begun} by {result.who}",
    )
    _showing.show_networks(out, result.old, result.new)
    out.line()
    rows: list[tuple[Cell, ...]] = [
        (
            node.node,
            _showing.PHASES[node.phase],
            ("ready", "good") if node.ready else ("not ready", "bad"),
            "yes" if node.schedulable else ("no, cordoned", "warn"),
            ("ready", "good") if node.agent else ("not ready", "bad"),
            str(node.old),
            str(node.cilium),
        )
        for node in result.nodes
    ]
    old = result.old.name
    out.table(("node", "phase", "state", "takes pods", "agent", f"pods of {old}", "pods of Cilium"), rows)
    for node in result.nodes:
        if node.node in result.unfinished:
            out.hint(ways_on(node.node, node.phase))
    if result.migrated == len(result.nodes) and result.nodes:
        out.hint("all nodes are done: `ciliumctl migrate finish` ends the migration")
