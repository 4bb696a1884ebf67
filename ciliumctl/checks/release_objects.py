"""What the manifest brings is not there already as somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def _findings(scene: Scene) -> Iterator[Finding]:
    mine = f"{scene.target.namespace}/{scene.target.release}"
    for one in scene.sent:
        if one.there and one.owner != mine:
            whose = f"belongs to Helm release `{one.owner}`" if one.owner else "belongs to no Helm release"
            yield Finding(text=f"{one.object} exists and {whose}", object=one.object)


def _look(scene: Scene) -> Verdict:
    if scene.owner is not None and not scene.owner.adoptable:
        return skipped(f"they belong to {scene.owner.tool}, of which CIL-REL-001 tells")
    findings = list(_findings(scene))
    target = scene.target
    first = findings[0].object if findings else ""
    kind, _slash, rest = first.partition("/")
    place, _slash, name = rest.partition("/")
    where = f" -n {place}" if place else ""
    there = sum(one.there for one in scene.sent)
    return judged(
        findings,
        good=f"{counted(there, 'object')} of the manifest there, all of release `{target.release}`"
        if there
        else "none of the manifest's objects is there yet",
        bad=f"{counted(len(findings), 'object')} would stop Helm",
        hint=f"hand it over to the release: `kubectl{where} annotate {kind.lower()} {name} "
        f"meta.helm.sh/release-name={target.release} meta.helm.sh/release-namespace={target.namespace}` and "
        f"`kubectl{where} label {kind.lower()} {name} app.kubernetes.io/managed-by=Helm`; or delete it",
    )


RELEASE_OBJECTS = Check(
    id="CIL-REL-003",
    category="release",
    title="no object of the manifest belongs to something else",
    why="Helm takes over no object that it did not make: the installation stops in the middle. A namespace "
    "`cilium-secrets` that somebody made by hand, or a Secret `cilium-ca` of an earlier Cilium, is enough.",
    remedy="Delete the object, or mark it as the release's: two annotations and a label, as the hint writes them.",
    look=_look,
    reads=("manifest", "sent"),
    after=("CIL-API-001", "CIL-VAL-001", "CIL-API-003"),
)
