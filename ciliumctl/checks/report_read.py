"""A pod could look at every node where something runs."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Severity, Verdict, counted, judged
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import NodeReports


def _look(scene: Scene) -> Verdict:
    reports = scene.node_reports or NodeReports()
    if reports.problem:
        return Verdict(
            outcome="failed", message=reports.problem, findings=(Finding(text=reports.problem),), hint=reports.hint
        )
    # Where no node can be looked at, no agent would start either.
    severity: Severity = "warning" if reports.facts else "error"
    findings = [
        Finding(text=f"{run.node}: {run.detail or run.reason}", severity=severity, object=f"Node//{run.node}")
        for run in reports.runs
        if run.failed
    ]
    skipped = [f"{run.node} was left out: {run.detail}" for run in reports.runs if run.outcome == "skipped"]
    return judged(
        findings,
        good=f"{counted(len(reports.facts), 'node')} by a pod of {reports.image}",
        bad=f"{len(findings)} of {counted(len(reports.runs), 'node')} could not be looked at",
        hint="mend what is told of the node; where the image cannot be pulled, name another with `--node-image`",
        evidence=skipped,
    )


REPORT_READ = Check(
    id="CIL-HOST-001",
    category="node-reports",
    title="every node can be looked at by a pod",
    why="A node where not even a pod of the host's network starts will not start an agent either: its kubelet is "
    "silent, it cannot pull the image, or something refuses privileged pods.",
    remedy="Look at the node and at the reason that is told. In a cluster without access to the registry, give an "
    "image that the nodes have, with `sh`, `awk` and `ip` in it, as `--node-image`.",
    look=_look,
    reads=("node_reports",),
)
