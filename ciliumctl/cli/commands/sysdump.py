"""Collect what somebody else needs to understand this cluster, in one file.

Reads, and changes nothing: nodes, pods, events and policies; Cilium's objects, workloads, settings and logs; what its
agents say (a command in each, as `kubectl exec` would run it). No Secret goes into it; tokens, keys, certificates and
passwords are taken out of everything else. Look at it before you hand it on all the same: names, labels, addresses and
the words of logs stay.

Works with other CNIs too, without the parts of Cilium. What cannot be had is listed in the archive, in `problems.txt`.

Exit codes: 0 complete, 7 written, but some parts are missing.

Examples:
  ciliumctl sysdump
  ciliumctl sysdump --dry-run
  ciliumctl sysdump --nodes node-1,node-2 --since 2h --output-filename outage.zip
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import duration, listed, option, size
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.sysdump import Sysdump

KIND = "Sysdump"
_SECONDS = 300.0
_MOST_REASONS = 8
_MOST_NAMES = 3


def command(
    ctx: typer.Context,
    *,
    output_filename: Annotated[
        str, option("--output-filename", metavar="FILE", help="The archive (default: ciliumctl-sysdump-DATE-TIME.zip)")
    ] = "",
    nodes: Annotated[
        str,
        option("--nodes", metavar="LIST|all", help="Nodes whose agents are asked (default: 20, the unwell ones first)"),
    ] = "",
    since: Annotated[float, duration("--since", help="Only logs of this last time, such as 2h (default: all)")] = 0.0,
    max_size: Annotated[
        int | None, size("--max-size", help="Largest archive, such as 500M (default: 100M); logs are left out first")
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="List what would be read, and read nothing of it")] = False,
) -> None:
    """Look, collect, write."""
    from ciliumctl import release, sysdump

    session = session_of(ctx)
    session.allow("name", "wide")
    path = sysdump.free(output_filename, datetime.now().astimezone())
    wanted = sysdump.Wanted(
        path=path,
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        storage=release.storage(session.environ),
        nodes=listed(nodes),
        since=since,
        max_size=max_size or sysdump.MAX_SIZE,
    )
    session.deadline(_SECONDS)
    if dry_run:
        session.finish(sysdump.preview(session.kube, wanted), render)
    result = sysdump.collect(session.kube, wanted, session.report)
    failed = sysdump.partial_error(result)
    if failed is not None:
        session.fail(failed, result, render)
    session.finish(result, render)


def render(out: Writer, result: Sysdump) -> None:
    """The archive, its size, what is missing by the reason; in a dry run the list."""
    if result.dry_run:
        out.table(("file", "what it is"), [(piece.file, (piece.about, "dim")) for piece in result.pieces])
        out.line()
        out.line(f"{len(result.pieces)} files would be read from ", (result.context, "head"), "; nothing was written")
    else:
        out.line(("written: ", "good"), result.file, f" ({_size(result.size)}, {len(result.pieces)} files)")
    if len(result.nodes) < result.all_nodes:
        out.line(f"agents asked: {len(result.nodes)} of {result.all_nodes}; `--nodes all` asks every one")
    reasons = sorted(result.reasons.items(), key=lambda item: -len(item[1]))
    for reason, files in reasons[:_MOST_REASONS]:
        more = f" and {len(files) - _MOST_NAMES} more" if len(files) > _MOST_NAMES else ""
        out.line(("missing: ", "warn"), f"{', '.join(files[:_MOST_NAMES])}{more}: {reason}")
    if len(reasons) > _MOST_REASONS:
        out.line(f"missing for other reasons, too ({len(reasons) - _MOST_REASONS}); `-o json` has them all")
    if not result.dry_run:
        out.line(("secrets were taken out; names, addresses and logs are in it: look before you hand it on", "dim"))


def _size(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size / 1024:.0f} KiB"
