"""No other CNI left its links and rules on a node."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import neighbours


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        neighbours.other_problems(facts_of(scene)),
        good="nothing of another CNI",
        bad="with something of another CNI",
        hint="remove it as that CNI's documentation says, or start the node anew once its DaemonSet is gone",
    )


REPORT_OTHERS = Check(
    id="CIL-HOST-008",
    category="node-reports",
    title="no other CNI left something on a node",
    why="Links, iptables chains and routes of a CNI that was removed go on working: they take packets and addresses "
    "that are Cilium's now.",
    remedy="Delete the links and chains that are told, or restart the node: most of it does not outlive that.",
    look=_look,
    reads=("node_reports",),
)
