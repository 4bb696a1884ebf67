"""The chart renders with these values."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, passed
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    error = scene.failures.get("manifest")
    if error is None:
        return passed(f"{counted(len(scene.manifest), 'object')} of Cilium {scene.target.version}")
    return judged(
        [Finding(text=line) for line in (error.detail or error.message).splitlines() if line.strip()],
        good="",
        bad=error.message,
        hint=error.hint or "`ciliumctl values show` shows where each value comes from",
    )


VALUES_RENDER = Check(
    id="CIL-VAL-001",
    category="values",
    title="the chart renders with these values",
    why="A chart's schema and its own checks stop an installation or an upgrade before anything is changed. What "
    "worked with one version may be refused by the next.",
    remedy="The text is the chart's own and names the value. `ciliumctl values show` shows where each comes from.",
    look=_look,
    reads=("manifest",),
    judges_failures=True,
    fatal=True,
)
