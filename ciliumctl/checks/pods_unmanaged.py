"""Pods that run already and that Cilium does not, or will not, manage."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    found = scene.pods
    findings = [Finding(text=f"{name} is not managed", severity="warning", object=f"Pod/{name}") for name in found.pods]
    if found.unmanaged and not findings:
        findings = [Finding(text=counted(found.unmanaged, "pod"), severity="warning")]
    will_be = "will not be" if not scene.present else "are not"
    place = found.pods[0].partition("/")[0] if found.pods else "NAMESPACE"
    return judged(
        findings,
        good=f"{counted(found.networked, 'pod')} of the pod network, all managed"
        if found.networked
        else "no pod of the pod network runs",
        bad=f"{found.unmanaged} of {counted(found.networked, 'pod')} of the pod network {will_be} managed by Cilium",
        hint=f"restart them once Cilium is healthy: `kubectl -n {place} rollout restart deployment NAME`",
    )


PODS_UNMANAGED = Check(
    id="CIL-POD-001",
    category="pods",
    title="Cilium manages every pod of the pod network",
    why="A pod keeps the network that it was started with. Those that run before Cilium does have no CiliumEndpoint: "
    "no policy holds for them, Hubble does not see them, and other pods may not reach them.",
    remedy="Restart such pods once Cilium is healthy. `ciliumctl status` counts them afterwards.",
    look=_look,
    reads=("pods",),
)
