"""How a migration's plan and its turns are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.migration.model import Direction, Finding, MigrationPlan, Moved, NewNetwork, NodesMoved, OldNetwork

_SHOWN = 12
PHASES: dict[str, Cell] = {
    "waiting": ("waiting", "dim"),
    "moving": ("moving", "warn"),
    "undoing": ("undoing", "warn"),
    "migrated": ("migrated", "good"),
}


def show_networks(out: Writer, old: OldNetwork, new: NewNetwork) -> None:
    """The two networks, side by side."""
    port = f", UDP port {old.port}" if old.port else ""
    mtu = f", MTU {old.mtu}" if old.mtu else ""
    out.line(f"from: {old.name}, back-end {old.backend}{port}{mtu}; pods {', '.join(old.ranges)} ({old.source})")
    out.line(f"to:   Cilium, VXLAN on UDP port {new.port}; pods {', '.join(new.ranges)}, /{new.block} a node")


def show_plan(out: Writer, plan: MigrationPlan) -> None:
    """What is there, what comes, the nodes in order, the steps; last what is in the way."""
    out.line((f"Migration from {plan.old.name} to Cilium {plan.version} on {plan.context}", "head"))
    show_networks(out, plan.old, plan.new)
    for why in plan.new.why:
        out.line(("      ", "dim"), (why, "dim"))
    if plan.old.proved:
        out.line(("      ", "dim"), (f"tried by ciliumctl's own tests {plan.old.proved}", "dim"))
    out.line()
    out.line((f"Nodes ({len(plan.nodes)}, in this order)", "head"))
    rows = [
        (
            node.node,
            PHASES[node.phase],
            "control plane" if node.control_plane else "",
            str(node.moved),
            str(node.restarted),
            str(len(node.blockers)) if node.blockers else "-",
        )
        for node in plan.nodes
    ]
    out.table(("node", "phase", "role", "pods that move", "made anew there", "blocked by"), rows, indent="  ")
    blockers = [line for node in plan.nodes for line in node.blockers]
    for line in _first(blockers):
        out.line("  ", ("⚠ ", "warn"), line)
    out.line()
    out.line(("Steps", "head"))
    for number, step in enumerate(plan.steps, 1):
        out.line(f"  {number}. ", out.address(step))
    if plan.findings:
        out.line()
        out.line((f"What it breaks, and what is in the way ({len(plan.findings)})", "head"))
    for finding in plan.findings:
        _show_finding(out, finding)
    out.line()
    out.line((f"nothing was changed; {plan.requests} requests", "dim"))


def _show_finding(out: Writer, finding: Finding) -> None:
    sign: Cell = ("✗ ", "bad") if finding.severity == "refused" else ("⚠ ", "warn")
    out.line("  ", sign, finding.text, f": {', '.join(_first(finding.objects))}" if finding.objects else "")
    if finding.hint:
        out.hint(finding.hint, indent="    ")


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more; `-o json` has them all"] if more > 0 else [])]


def show_moved(out: Writer, result: NodesMoved) -> None:
    """Each node that had its turn, and what is left."""
    for node in result.nodes:
        _show_node(out, node, result.operation)
    if result.left and result.ok:
        what = "still in the old network" if result.operation == "node" else "still Cilium's, or half-way"
        many = "node" if len(result.left) == 1 else "nodes"
        out.line((f"{len(result.left)} {many} {what}: {', '.join(_first(result.left))}", "dim"))


def _show_node(out: Writer, node: Moved, operation: Direction) -> None:
    if node.outcome == "stopped":
        step = "its test is red" if node.failed == "gate" else "it stopped"
        out.line(("✗ ", "bad"), (node.node, "head"), f": {step}: {node.detail}")
        if not node.begun:
            out.hint("it was not begun, and takes pods as before", indent="  ")
            return
        # A node that is half-way back cannot be turned around.
        back = f", `ciliumctl migrate undo {node.node}` goes back" if operation == "node" else ""
        out.hint(f"it stays cordoned; `ciliumctl migrate {operation} {node.node}` goes on{back}", indent="  ")
        return
    passed = sum(run.passed for run in node.gates)
    peers = " and ".join(f"{run.peer} ({run.peer_network})" for run in node.gates if run.peer)
    tested = f"; {passed} tests passed{f' with {peers}' if peers else ''}" if node.gates else ""
    counts = (
        f"{node.evicted} pods moved, {node.restarted} made anew" if node.outcome != "unchanged" else "nothing to do"
    )
    out.line(("✔ ", "good"), (node.node, "head"), f": {node.outcome}, {counts}{tested} ({node.seconds:.0f} s)")
