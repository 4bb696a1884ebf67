"""No other CNI is in charge of the nodes."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Severity, Verdict, counted, judged
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    others = [other for other in scene.others if other.blocks]
    beside = [other for other in scene.others if not other.blocks]
    # A Cilium that runs beside another CNI was put there on purpose, or works already: worth a word, no refusal.
    severity: Severity = "warning" if scene.existing is not None else "error"
    findings = [
        Finding(text=f"{other.name}: {line}", severity=severity, object=_object(line))
        for other in others
        for line in other.evidence
    ]
    findings += [Finding(text=line, severity="warning", object=_object(line)) for line in scene.cni_configs if others]
    names = ", ".join(f"{other.name} ({counted(other.pods, 'pod')})" if other.pods else other.name for other in others)
    return judged(
        findings,
        good=f"none, beside {', '.join(other.name for other in beside)}" if beside else "none",
        bad=f"in charge: {names}",
        hint="; ".join(other.advice for other in others),
        evidence=[f"{other.name} does not block: {', '.join(other.evidence)}" for other in beside],
    )


def _object(line: str) -> str:
    """`DaemonSet/kube-system/canal` for a line that names an object so."""
    kind, _space, rest = line.partition(" `")
    name = rest.partition("`")[0]
    return f"{kind}/{name}" if name and "/" in name and " " not in kind else ""


CNI_OTHER = Check(
    id="CIL-CNI-001",
    category="cni",
    title="no other CNI is in charge of the nodes",
    why="Two CNIs that are both in charge give pods addresses that the other does not route. Kubelet takes the "
    "configuration that comes first by name, and Cilium renames those of others.",
    remedy="Retire the other CNI first: what it is seen by is listed, and the hint says how. Its files in "
    "/etc/cni/net.d stay behind on every node, and pods that it gave an address must be made anew.",
    look=_look,
    reads=("cni_configs",),
)
