"""A CNI that stays beside Cilium needs `cni.exclusive` off."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.clients.kube import dig


def _look(scene: Scene) -> Verdict:
    values = scene.target.values
    exclusive = dig(values, "cni", "exclusive") is not False
    chaining = str(dig(values, "cni", "chainingMode") or "none")
    beside = [other for other in scene.others if other.beside]
    # With `portmap` Cilium writes the whole chain itself: there is nobody else's configuration.
    if chaining not in {"none", "portmap"} and exclusive:
        text = f"`cni.chainingMode` is {chaining}, and `cni.exclusive` still renames the configuration it chains to"
        return judged([Finding(text=text)], good="", bad=text, hint="`--set cni.exclusive=false`")
    if not beside:
        return skipped("nothing runs beside Cilium")
    names = ", ".join(other.name for other in beside)
    if not exclusive:
        return passed(f"{names} may stay: `cni.exclusive` is false")
    text = f"{names} would lose its configuration: `cni.exclusive` renames every other file in /etc/cni/net.d"
    findings = [Finding(text=f"{other.name}: {line}") for other in beside if other.running for line in other.evidence]
    if not findings:
        return passed(f"of {names} only leftovers are there: {beside[0].evidence[0]}")
    return judged(findings, good="", bad=text, hint="`--set cni.exclusive=false`")


CNI_BESIDE = Check(
    id="CIL-CNI-002",
    category="cni",
    title="what runs beside Cilium keeps its CNI configuration",
    why="With `cni.exclusive` (the chart's default) the agent renames the configurations of others to *.cilium_bak, "
    "again and again. Multus and chained CNIs stop working.",
    remedy="`--set cni.exclusive=false` wherever Multus, Istio's CNI or a chained CNI shall stay.",
    look=_look,
)
