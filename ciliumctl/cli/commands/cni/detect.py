"""Show which CNIs a cluster has and which technologies they use, with how that is known.

Told by objects: DaemonSets, ConfigMaps, annotations of nodes, the objects of Calico, Multus and the SR-IOV operator.
With --node-checks the nodes tell their links and CNI files, too: a short-lived, privileged pod on each, which changes
nothing. Five requests, and one for each ConfigMap and kind of another CNI. `ciliumctl detect` tells what kind of
cluster it is.

Exit codes: 0 all was read, 7 something could not be; what was is shown.

Examples:
  ciliumctl cni detect
  ciliumctl cni detect --node-checks
  ciliumctl cni detect -o json | jq '.data.technologies[] | select(.by != [])'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.cni._asking import NodeImage
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.cni.technologies import CniDetection

KIND = "CniDetection"


def command(
    ctx: typer.Context,
    *,
    node_checks: Annotated[
        bool, option("--node-checks", help="Ask every node, too, by a privileged pod that is taken away again")
    ] = False,
    node_image: NodeImage = "",
) -> None:
    """Look and conclude."""
    from ciliumctl.cli.commands.cni import _asking
    from ciliumctl.cni import technologies

    session = session_of(ctx)
    session.allow("wide")
    if node_image and not node_checks:
        raise UsageError("`--node-image` goes with `--node-checks`", hint="add `--node-checks`")
    session.deadline(180.0 if node_checks else 60.0)
    reports = _asking.reports(session, "cni detect", node_image=node_image) if node_checks else None
    result = technologies.conclude(technologies.look(session.kube, session.settings.namespace, reports))
    wide = session.settings.output == "wide"

    def show(out: Writer, result: CniDetection) -> None:
        render(out, result, wide=wide)

    failed = technologies.partial_error(result)
    if failed is not None:
        session.fail(failed, result, show)
    session.finish(result, show)


def render(out: Writer, result: CniDetection, *, wide: bool = False) -> None:
    """The CNIs, then the technologies in use; with `wide` the others, too."""
    rows: list[tuple[Cell, ...]] = [(("Cilium", "head"), "installed", result.cilium)] if result.cilium else []
    for other in result.others:
        state = "in charge" if other.blocks else "beside" if other.running else "left over"
        rows.append(((other.name, "head"), state, "; ".join(other.evidence)))
    out.table(("cni", "state", "known by"), rows or [(("none", "warn"), "", "no DaemonSet or object of a known CNI")])
    out.line()
    used = [((one.title, "head"), ", ".join(one.by), "; ".join(one.evidence)) for one in result.technologies if one.by]
    out.table(("technology", "used by", "known by"), used or [(("none known", "warn"), "", "")])
    unseen = [one for one in result.technologies if not one.by]
    if wide:
        out.line()
        out.table(("not seen", "would be known by"), [((one.title, "head"), one.seen) for one in unseen])
    else:
        out.line((f"not seen: {', '.join(one.name for one in unseen)}", "dim"))
    for text in result.missing:
        out.line(("⚠ ", "warn"), "not read: ", text)
    if not result.nodes_asked:
        out.hint("`ciliumctl cni detect --node-checks` asks the nodes, too")
