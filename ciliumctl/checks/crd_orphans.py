"""No CRD of Cilium's holds objects that the wanted version no longer reads."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def unknown_to(target_crds: object, names: list[str]) -> list[str]:
    """Those of the CRDs' names that a chart does not list; none where it lists nothing."""
    known = set(target_crds) if isinstance(target_crds, dict) else set()
    return sorted(name for name in names if known and name.startswith("cilium") and name not in known)


def _findings(scene: Scene) -> Iterator[Finding]:
    for crd, objects in scene.orphans.items():
        where = f"CustomResourceDefinition//{crd}"
        if not objects:
            yield Finding(text=f"CRD `{crd}` is unknown to it, and has no objects", severity="warning", object=where)
        for name in objects:
            yield Finding(text=f"{name} of `{crd}`", object=f"{crd.partition('.')[0]}/{name}")


def _look(scene: Scene) -> Verdict:
    if not scene.target.crds:
        return skipped("the chart does not list its CRDs")
    if not scene.crds:
        return skipped("no CRD of Cilium's is there")
    findings = list(_findings(scene))
    objects = sum(map(len, scene.orphans.values()))
    return judged(
        findings,
        good=f"each of {counted(len(scene.crds), 'CRD')} is known to Cilium {scene.target.version}",
        bad=f"{counted(objects, 'object')} of kinds that Cilium {scene.target.version} no longer has: they would be "
        "ignored without a word"
        if objects
        else f"{counted(len(scene.orphans), 'CRD')} of kinds that Cilium {scene.target.version} no longer has",
        hint="move BGP peering policies to CiliumBGPClusterConfig, CiliumBGPPeerConfig and CiliumBGPAdvertisement "
        "before the upgrade"
        if "ciliumbgppeeringpolicies.cilium.io" in scene.orphans
        else "save them with `kubectl get KIND -A -o yaml`, then delete the CRD once nothing needs it",
    )


CRD_ORPHANS = Check(
    id="CIL-CRD-001",
    category="crds",
    title="no objects are of a kind that the wanted version no longer has",
    why="The operator never deletes a CRD. When a version drops a kind, its objects stay and nobody reads them any "
    "more: 1.19 drops CiliumBGPPeeringPolicy, and with it every BGP session that was made by one.",
    remedy="Move the objects to the kinds that follow them before the upgrade, and delete the CRD afterwards.",
    look=_look,
    reads=("crds", "orphans"),
)
