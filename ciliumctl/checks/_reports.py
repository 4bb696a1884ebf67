"""What the nodes say of themselves, as findings."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.checks._model import Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import NodeFacts, Problem


def facts_of(scene: Scene) -> Sequence[NodeFacts]:
    """The nodes that could be looked at."""
    return scene.node_reports.facts if scene.node_reports is not None else ()


def verdict(scene: Scene, problems: Sequence[Problem], *, good: str, bad: str, hint: str) -> Verdict:
    """As bad as the worst problem; one finding for each problem and node, so that each can be suppressed.

    `bad` follows the number of nodes that have a problem.
    """
    facts = facts_of(scene)
    if not facts:
        return skipped("no node could be looked at")
    findings = [
        Finding(text=f"{node}: {problem.text}", severity=problem.severity, object=f"Node//{node}")
        for problem in problems
        for node in problem.nodes
    ]
    nodes = {node for problem in problems for node in problem.nodes}
    return judged(
        findings,
        good=f"{good} on {counted(len(facts), 'node')}",
        bad=f"{len(nodes)} of {counted(len(facts), 'node')} {bad}",
        hint=hint,
        evidence=[f"{problem.text} ({problem.where})" for problem in problems],
    )
