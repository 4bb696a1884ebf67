"""No earlier Cilium left its state on a node."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import neighbours


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        neighbours.own_problems(facts_of(scene), present=scene.present),
        good="Cilium is installed, so it is its own" if scene.present else "nothing of an earlier Cilium",
        bad="with something of an earlier Cilium",
        hint="`ciliumctl uninstall --clean-nodes` removes it",
    )


REPORT_OWN = Check(
    id="CIL-HOST-009",
    category="node-reports",
    title="no earlier Cilium left something on a node",
    why="Maps in the bpffs, links, rules and chains outlive an uninstallation. A new installation takes them over, "
    "with what was in them: services that are gone, policies of another identity.",
    remedy="Clean the nodes with `ciliumctl uninstall --clean-nodes`, or restart them.",
    look=_look,
    reads=("node_reports",),
)
