"""This user may create, read and change every kind of object that the chart renders."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    missing = scene.missing_rights
    return judged(
        [Finding(text=f"may not {right}") for right in missing],
        good="none is missing",
        bad=f"{counted(len(missing), 'right')} missing",
        hint="use a context with the rights of `cluster-admin`, or ask for these; "
        "`kubectl auth can-i --list` shows what there is",
    )


API_RIGHTS = Check(
    id="CIL-API-003",
    category="api",
    title="this user has every right that the installation needs",
    why="Helm stops at the first object that it may not create, and leaves a failed release behind.",
    remedy="Use a user with the rights of `cluster-admin`, or have the missing ones granted: each is listed as verb, "
    "kind and namespace.",
    look=_look,
    reads=("missing_rights",),
    fatal=True,
)
