"""Hand nodes over to Cilium, one after the other.

Each node is cordoned and drained (evictions, so that PodDisruptionBudgets are respected; pods of DaemonSets and of the
host's network stay), labelled, and its agent restarted, which then writes its CNI configuration. The connectivity
suite's smoke profile is run between it and a node of each network; what a DaemonSet keeps there is made anew, and the
node opened again. A red test stops it: the node stays cordoned, and can be tried again or put back. Killed anywhere
and run again, it goes on.

Exit codes: 0 done, or done already; 1 a node's test is red; 3 refused, or not confirmed; 4 a time ran out.

Examples:
  ciliumctl migrate node worker-1
  ciliumctl migrate node worker-1 worker-2 --delete-emptydir-data
  ciliumctl migrate node --all --yes --drain-timeout 15m
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.migrate import _options, _turning
from ciliumctl.cli.options import argument, option

KIND = "MigrationNodes"


def command(
    ctx: typer.Context,
    nodes: Annotated[list[str] | None, argument(metavar="[NODE...]", help="Nodes, in any order")] = None,
    *,
    all: Annotated[bool, option("--all", help="All nodes that wait, control planes last")] = False,
    drain: _options.DrainOptions,
    test: _options.TestOptions,
) -> None:
    """Choose, ask, take their turns."""
    _turning.turn(session_of(ctx), "node", nodes or [], everything=all, drain=drain, test=test)
