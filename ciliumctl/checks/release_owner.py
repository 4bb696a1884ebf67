"""Nothing but this Helm release manages Cilium."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, judged
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    owner, target = scene.owner, scene.target
    mine = f"release `{target.release}` in namespace `{target.namespace}`"
    if owner is None:
        return judged([], good=f"it is {mine} alone" if scene.existing else "there is no Cilium", bad="", hint="")
    return judged(
        [Finding(text=line) for line in owner.evidence],
        good="",
        bad=f"Cilium is there and belongs to {owner.tool}",
        hint=owner.hint_for("upgrade" if scene.existing is not None else "install"),
    )


RELEASE_OWNER = Check(
    id="CIL-REL-001",
    category="release",
    title="nothing else manages Cilium here",
    why="What Argo CD, Flux, a distribution, a cloud or an operator manages is put back by it, sooner or later: two "
    "that change one Cilium undo each other's work, with an interruption each time.",
    remedy="Change it where it is managed; the hint has that tool's command.",
    look=_look,
)
