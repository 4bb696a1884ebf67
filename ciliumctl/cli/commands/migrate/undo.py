"""Put nodes back into the network that they had before.

The other way round than `ciliumctl migrate node`: cordoned and drained, its label taken off, its agent restarted, the
other CNI's configuration put back by a pod on the node, tested, what a DaemonSet keeps there made anew, uncordoned.
Possible until `ciliumctl migrate finish`, also for a node at which `ciliumctl migrate node` was stopped.

Exit codes: 0 done, or nothing to do; 1 a node's test is red; 3 refused, or not confirmed; 4 a time ran out.

Examples:
  ciliumctl migrate undo worker-1
  ciliumctl migrate undo --all --yes
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
    all: Annotated[bool, option("--all", help="All nodes that are migrated, or half-way")] = False,
    drain: _options.DrainOptions,
    test: _options.TestOptions,
) -> None:
    """Choose, ask, take their turns."""
    _turning.turn(session_of(ctx), "undo", nodes or [], everything=all, drain=drain, test=test)
