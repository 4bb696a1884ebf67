"""The CRDs that are there are ones that the wanted operator can bring up to date."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def _findings(scene: Scene) -> Iterator[Finding]:
    for crd in scene.crds:
        if not crd.schema and crd.name in scene.target.crds:
            yield Finding(
                text=f"CRD `{crd.name}` has no mark of an operator: it was made by hand, or by another tool",
                severity="warning",
                object=f"CustomResourceDefinition//{crd.name}",
            )


def _look(scene: Scene) -> Verdict:
    if not scene.crds:
        return skipped("no CRD of Cilium's is there; the operator makes them")
    findings = list(_findings(scene))
    schemas = sorted({crd.schema for crd in scene.crds if crd.schema})
    evidence = [f"schema {', '.join(schemas)}"] if schemas else []
    if len(schemas) > 1 and not findings:
        findings.append(
            Finding(text=f"CRDs of {counted(len(schemas), 'schema')}: {', '.join(schemas)}", severity="warning")
        )
    back = scene.target.minor < scene.minor if scene.version else False
    if back:
        text = f"the CRDs are those of {scene.version}, and the operator of {scene.target.version} leaves newer ones"
        findings.append(Finding(text=text, severity="warning"))
    return judged(
        findings,
        good=f"{counted(len(scene.crds), 'CRD')} of one schema, {schemas[0] if schemas else 'unknown'}",
        bad=findings[0].text if len(findings) == 1 else f"{counted(len(findings), 'CRD')} to look at",
        hint="the operator renews a CRD whose mark `io.cilium.k8s.crd.schema.version` is older than its own and leaves "
        "newer ones alone; `kubectl get crd -L io.cilium.k8s.crd.schema.version | grep cilium` shows the marks",
        evidence=evidence,
    )


CRD_SCHEMAS = Check(
    id="CIL-CRD-002",
    category="crds",
    title="the CRDs that are there are of one schema",
    why="The operator makes the CRDs and renews those with an older mark than its own. One without a mark was made by "
    "somebody else, who may put it back; marks of several versions tell of an operator that could not finish.",
    remedy="Let the operator that runs finish its work (`kubectl -n NAMESPACE logs deploy/cilium-operator`), or stop "
    "what else applies the CRDs.",
    look=_look,
    reads=("crds",),
)
