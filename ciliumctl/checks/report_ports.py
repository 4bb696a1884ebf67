"""The ports that Cilium binds on the nodes are free."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import ports


def _look(scene: Scene) -> Verdict:
    values = scene.target.values
    return verdict(
        scene,
        ports.problems(facts_of(scene), values),
        good=f"{len(ports.numbers(values))} ports are free, or Cilium's own,",
        bad="with a port taken that Cilium needs",
        hint="stop what has it, or give Cilium another port where the values can (`healthPort`, `tunnelPort`, …)",
    )


REPORT_PORTS = Check(
    id="CIL-HOST-006",
    category="node-reports",
    title="the ports that Cilium binds on the nodes are free",
    why="Agents, operator and Envoy run in the node's own network. A port that something else has keeps them from "
    "starting; a tunnel of another CNI on the same port takes Cilium's packets.",
    remedy="The process is named where one is known. Without one it is the kernel's: a VXLAN device of another CNI, "
    "which goes with that CNI.",
    look=_look,
    reads=("node_reports",),
)
