"""List the CNI configuration of every node: files in their order, the one in use, plugins, programs.

A short-lived, privileged pod looks at each node (`/etc/cni/net.d`, `/opt/cni/bin`) and is taken away again; nothing is
changed. Nodes that nothing can run on are told. The container runtime takes the first file, by name, that it can load.

Exit codes: 0 every node has a network for its pods, 1 one has not, 7 a node could not be looked at.

Examples:
  ciliumctl cni list
  ciliumctl cni list --node node-1 -o wide
  ciliumctl cni list -o json | jq '.data.nodes[] | {node, used: (.files[] | select(.state == "used").file)}'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.cni._asking import NodeImage
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.cni.listing import CniList, File, NodeCni

KIND = "CniList"
_STYLES = {"used": "good", "broken": "bad", "passed over": "dim"}


def command(
    ctx: typer.Context,
    *,
    node: Annotated[list[str] | None, option("--node", metavar="NAME", help="Only this node; repeatable")] = None,
    node_image: NodeImage = "",
) -> None:
    """Look at the nodes."""
    from ciliumctl import nodefacts
    from ciliumctl.cli.commands.cni import _asking
    from ciliumctl.cni import listing

    session = session_of(ctx)
    session.allow("wide")
    session.deadline(180.0)
    found = _asking.reports(session, "cni list", node_image=node_image, only=tuple(node or ()))
    result = listing.of(found, nodefacts.paths_of({}))
    wide = session.settings.output == "wide"

    def show(out: Writer, result: CniList) -> None:
        render(out, result, wide=wide)

    failed = listing.partial_error(result)
    if failed is not None:
        session.fail(failed, result, show, exit_code=None if result.ok else 1)
    session.finish(result, show)


def render(out: Writer, result: CniList, *, wide: bool = False) -> None:
    """A line for each file; nodes with the same files stand together."""
    rows: list[Sequence[Cell]] = []
    for nodes in _alike(result.nodes):
        rows += _rows(nodes)
    out.table(("node", "file", "state", "network", "version", "plugins"), rows)
    _problems(out, result)
    if wide:
        out.line()
        for nodes in _alike(result.nodes):
            if nodes[0].programs:
                out.line((f"{_names(nodes)}: ", "head"), "programs ", ", ".join(nodes[0].programs))


def _alike(nodes: Sequence[NodeCni]) -> list[list[NodeCni]]:
    groups: dict[object, list[NodeCni]] = {}
    for node in nodes:
        groups.setdefault((node.files, node.programs, node.reason), []).append(node)
    return list(groups.values())


def _names(nodes: Sequence[NodeCni]) -> str:
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return nodes[0].node + more


def _rows(nodes: Sequence[NodeCni]) -> list[Sequence[Cell]]:
    first = nodes[0]
    if first.reason:
        return [(_names(nodes), "", ("not looked at", "dim" if first.skipped else "warn"), first.reason, "", "")]
    if not first.files:
        return [(_names(nodes), "", ("no file", "bad"), "", "", "")]
    return [
        (
            _names(nodes) if number == 0 else "",
            file.file,
            (file.state, _STYLES.get(file.state, "")),
            file.network,
            file.version,
            _chain(file),
        )
        for number, file in enumerate(first.files)
    ]


def _chain(file: File) -> str:
    return " → ".join(f"{plugin} (no program)" if plugin in file.missing else plugin for plugin in file.plugins)


def _problems(out: Writer, result: CniList) -> None:
    for nodes in _alike(result.nodes):
        first = nodes[0]
        where = f" on {_names(nodes)}"
        for file in first.files:
            for problem in file.problems:
                out.line(("⚠ ", "warn"), f"`{file.file}`{where}: {problem}")
        if first.used is not None and first.used.missing:
            names = ", ".join(f"`{one}`" for one in first.used.missing)
            out.line(
                ("✗ ", "bad"), f"`{first.used.file}`{where} needs {names} in `{result.programs_folder}`: no pod starts"
            )
        elif first.used is None and not first.reason:
            out.line(("✗ ", "bad"), f"no file in `{result.folder}`{where} can be used: the node stays `NotReady`")
