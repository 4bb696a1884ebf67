"""The CNI folder of every node has nothing that keeps Cilium from being used."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import neighbours


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        neighbours.cni_problems(facts_of(scene), scene.target.values, present=scene.present),
        good="CNI configurations are good",
        bad="with CNI configurations that are not good",
        hint="mend or remove the file; an earlier Cilium's go with `ciliumctl uninstall --clean-nodes`",
    )


REPORT_CNI = Check(
    id="CIL-HOST-007",
    category="node-reports",
    title="no CNI configuration on a node stands in Cilium's way",
    why="The container runtime takes the first file, by name, of the CNI folder. A broken one, one that goes before "
    "Cilium's, or one that an earlier installation left decides what new pods get.",
    remedy="Files are held against the CNI specification: name, version, chain of plugins. `cni.exclusive` lets Cilium "
    "take other files out of use; without it, their names must come after `05-cilium.conflist`.",
    look=_look,
    reads=("node_reports",),
)
