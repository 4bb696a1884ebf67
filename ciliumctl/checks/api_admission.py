"""The server takes every object of the manifest: schemas, admission webhooks, quotas, PodSecurity."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    refused = [one for one in scene.sent if one.refusal]
    unchecked = [one for one in scene.sent if one.unchecked]
    asked = len(scene.sent) - len(unchecked)
    evidence = [f"{one.object}: not asked, {one.unchecked}" for one in unchecked]
    return judged(
        [Finding(text=f"{one.object}: {one.refusal}", object=one.object) for one in refused],
        good=f"{counted(asked, 'object')} sent without being kept, none refused"
        + (f"; {len(unchecked)} could not be asked yet" if unchecked else ""),
        bad=f"{len(refused)} of {counted(asked, 'object')} refused",
        hint="the text is the server's own. For PodSecurity label the namespace: `kubectl label ns "
        f"{scene.target.namespace} pod-security.kubernetes.io/enforce=privileged`; for a missing kind install its CRDs "
        "first; for a webhook or a quota ask who runs it",
        evidence=evidence,
    )


API_ADMISSION = Check(
    id="CIL-API-004",
    category="api",
    title="the server takes every object of the manifest",
    why="Schemas, admission webhooks, quotas and PodSecurity refuse objects only when they are created: in the middle "
    "of an installation. Each object is sent with `dryRun=All` and kept by nobody; for each workload a pod of its "
    "template is sent too, because PodSecurity judges pods.",
    remedy="Read the server's reason. PodSecurity wants the label `pod-security.kubernetes.io/enforce=privileged` on "
    "the namespace; a kind that is not known wants its CRDs first.",
    look=_look,
    reads=("manifest", "sent"),
    after=("CIL-API-001", "CIL-VAL-001", "CIL-API-003"),
)
