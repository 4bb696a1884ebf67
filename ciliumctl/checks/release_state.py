"""No Helm release of Cilium is in the middle of something, or failed."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene
from ciliumctl.clients.helm import Revision

#: What the upgrade guide tells people to install for a while.
_CHECK = "cilium-preflight"


def _findings(scene: Scene) -> Iterator[Finding]:
    target = scene.target
    for found in scene.releases:
        mine = (found.namespace, found.name) == (target.namespace, target.release)
        where = f"Helm release `{found.namespace}/{found.name}` revision {found.revision}"
        name = f"Release/{found.namespace}/{found.name}"
        if found.name == _CHECK:
            yield Finding(text=f"{where} is the official check's, left behind", severity="warning", object=name)
        elif mine and found.pending:
            yield Finding(text=f"{where} is {found.status}: an operation is at work, or was killed", object=name)
        elif mine and found.status == "failed":
            yield Finding(text=f"{where} failed", severity="warning", object=name)


def _hint(scene: Scene, mine: Revision | None) -> str:
    if mine is None or mine.status == "deployed":
        place = next((found.namespace for found in scene.releases if found.name == _CHECK), "")
        return f"remove it: `helm uninstall {_CHECK} -n {place}`"
    return "`ciliumctl recover` says what happened, and gets out of it"


def _look(scene: Scene) -> Verdict:
    findings = list(_findings(scene))
    target = scene.target
    mine = next(
        (found for found in scene.releases if (found.namespace, found.name) == (target.namespace, target.release)), None
    )
    return judged(
        findings,
        good=f"revision {mine.revision} is {mine.status}" if mine else "there is no release of it",
        bad="; ".join(finding.text for finding in findings[:2]) or counted(len(findings), "finding"),
        hint=_hint(scene, mine),
    )


RELEASE_STATE = Check(
    id="CIL-REL-002",
    category="release",
    title="no Helm release of Cilium is pending or failed",
    why="Helm refuses to work on a release that it left pending, and a failed one was applied in part. The official "
    "pre-flight release keeps a DaemonSet on every node until it is removed.",
    remedy="`ciliumctl recover` says what happened, proposes one way out and takes it.",
    look=_look,
    reads=("releases",),
)
