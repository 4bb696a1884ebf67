"""No kernel setting of a node drops Cilium's packets."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import settings


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        settings.sysctl_problems(facts_of(scene), scene.target.values),
        good="settings are good",
        bad="with settings that hurt",
        hint="set it in /etc/sysctl.d on the node; what Cilium mends by itself is not told",
    )


REPORT_SYSCTLS = Check(
    id="CIL-HOST-005",
    category="node-reports",
    title="no kernel setting of a node hurts Cilium",
    why="A strict reverse path filter drops replies, IPv6 that is switched off cannot be used, and too few watches or "
    "processes stop agents on full nodes.",
    remedy="Set what is told in a file below /etc/sysctl.d that comes last, and look what else writes it: a node's "
    "hardening often does.",
    look=_look,
    reads=("node_reports",),
)
