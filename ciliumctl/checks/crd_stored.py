"""No CRD has objects stored in a version that the wanted operator would take away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ciliumctl import versioning
from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, judged
from ciliumctl.checks._scene import Scene


def dropped_by(version: str) -> Iterator[Mapping[str, Any]]:
    """What a release takes away: entries with `crd`, `version` and `until`, the release that puts it back."""
    for entry in compatibility.table()["dropped"]:
        if not versioning.below(version, entry["from"]) and versioning.below(version, entry["until"]):
            yield entry


def _look(scene: Scene) -> Verdict:
    findings, back = [], ""
    for entry in dropped_by(scene.target.version):
        if entry["version"] in scene.stored_versions.get(entry["crd"], ()):
            back = entry["until"]
            findings.append(
                Finding(
                    text=f"CRD `{entry['crd']}` has {entry['version']} among its stored versions, and "
                    f"{scene.target.version} takes that version away",
                    object=f"CustomResourceDefinition//{entry['crd']}",
                )
            )
    return judged(
        findings,
        good=f"{scene.target.version} takes no version away that objects are stored in",
        bad=findings[0].text if findings else "",
        hint=f"take {back} or later, which keeps the version",
    )


CRD_STORED = Check(
    id="CIL-CRD-003",
    category="crds",
    title="no stored version of a CRD is taken away",
    why="The API server refuses to take a version out of a CRD that objects were ever stored in. The operator cannot "
    "renew the CRD then, does not start, and the agents wait for it. 1.20.0 does so on clusters that began with 1.15 "
    "or earlier (cilium/cilium#47774).",
    remedy="Choose a release that keeps the version. Where there is none, write every object anew and take the version "
    "out of the CRD's `status.storedVersions`.",
    look=_look,
    reads=("stored_versions",),
)
