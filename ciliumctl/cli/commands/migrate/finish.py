"""End a migration: Cilium's usual values, the other CNI retired, its traces removed from the nodes.

All nodes must be migrated, and no pod have an address of the old network. Policies are enforced from then on, and the
CiliumNodeConfig goes. The other CNI's DaemonSet, ConfigMap, accounts and roles are deleted, and its files, links and
rules removed from every node, by a pod on each. It cannot be undone, and wants `--confirm CONTEXT`. Run again, it goes
on, or finds nothing to do.

Exit codes: 0 done, now or before; 3 refused, or not confirmed; 4 not healthy in time; 7 some of the old one is left.

Examples:
  ciliumctl migrate finish --dry-run
  ciliumctl migrate finish --confirm my-context
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.migrate import _options
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.migration.model import Finished

KIND = "MigrationFinish"
_SECONDS = 900.0


def command(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would change and what would go")] = False,
    ebpf_host_routing: Annotated[
        bool,
        option(
            "--ebpf-host-routing", help="Route past the host's stack from now on; a moment's interruption on each node"
        ),
    ] = False,
    node_image: _options.NodeImage = "",
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be undone")
    ] = "",
) -> None:
    """Preview, ask, end it."""
    from ciliumctl.change import How
    from ciliumctl.errors import NeedsConfirmation
    from ciliumctl.migration import finishing, state

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(_SECONDS)
    found = _options.installed(session)
    nothing = finishing.nothing_left(session.kube, found)
    if nothing is not None:
        session.finish(nothing, render, then="status")
    state.needed(session.kube)
    how = How(
        helm=session.helm,
        holder=session.holder("migrate finish"),
        where=_installing.where(session),
        deadline=deadline,
        report=session.report,
        operation="migrate finish",
    )
    wish = finishing.Wish(ebpf_host_routing=ebpf_host_routing, node_image=node_image)
    with _installing.scratch() as folder:
        ending = finishing.prepare(session.kube, found, how, wish, folder)
        preview = finishing.dry_run(session.kube, ending)
        if dry_run:
            session.finish(preview, render)
        if not session.settings.quiet:
            render(session.stderr(), preview)
        if confirm != session.kube.context:
            raise NeedsConfirmation(
                f"the end of a migration removes {ending.state.old.name} for good",
                hint=f"confirm it with the context's name: `--confirm {session.kube.context}`",
            )
        result = finishing.finish(session.kube, ending, how)
    failed = finishing.partial_error(result)
    if failed is not None:
        session.fail(failed, result, render)
    session.finish(result, render, then="status")


def render(out: Writer, result: Finished) -> None:
    """What changed, what is gone, what is left."""
    if result.outcome == "unchanged":
        out.line(f"no migration is left to finish on {result.context}: no other CNI is in charge beside Cilium")
        return
    word = {"dry-run": "would be", "finished": "is", "partial": "is only partly"}[result.outcome]
    out.line((f"The migration from {result.old} on {result.context} {word} finished", "head"))
    for title, lines in (
        ("values", result.values),
        ("goes" if result.outcome == "dry-run" else "gone", result.removed),
    ):
        for number, line in enumerate(lines):
            out.line(f"  {title + ':' if not number else '':8}", line)
    for line in result.kept:
        out.line(("  left:   ", "warn"), line)
    if result.outcome == "dry-run":
        out.line(f"  nodes:  {len(result.nodes)}, cleaned by a pod on each: files, links and rules of {result.old}")
        return
    for node in result.nodes:
        if node.ok:
            out.line("  node ", node.node, f": clean, {len(node.removed)} things removed")
        else:
            out.line("  node ", (node.node, "bad"), f": {node.detail or 'still there: ' + ', '.join(node.left)}")
