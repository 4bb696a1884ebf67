"""The newest patch of the current minor version comes before the next minor version."""

from __future__ import annotations

from ciliumctl import versioning
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    here = scene.version
    now, then = versioning.minor_of(here), scene.target.minor
    if not here or then <= now:
        return skipped("this is no step to another minor version")
    newest = scene.newest_patch
    if not newest:
        return skipped("the newest patch is not known: the chart's repository was not asked, or does not answer")
    if not versioning.below(here, newest):
        return passed(f"{here} is the newest patch of {versioning.named(now)}")
    text = f"{here} is there, and {newest} is the newest patch of {versioning.named(now)}"
    return judged(
        [Finding(text=text, severity="warning")],
        good="",
        bad=text,
        hint=f"upgrade to {newest} first: `ciliumctl preflight --to {newest}`",
    )


UPGRADE_PATCH = Check(
    id="CIL-UPG-002",
    category="upgrade",
    title="the newest patch of the current minor version is there first",
    why="The upgrade guide tests the step to the next minor version from the newest patch only: fixes that make the "
    "step safe are brought back into it.",
    remedy="Upgrade to the newest patch of the minor version that you have, then to the next minor version.",
    look=_look,
    reads=("newest_patch",),
)
