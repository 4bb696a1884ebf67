"""What Cilium may not mount itself is mounted on every node."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import settings


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        settings.mount_problems(facts_of(scene), scene.target.values),
        good="bpffs and cgroup2 are mounted, or Cilium mounts them",
        bad="without a mount that Cilium may not make",
        hint="mount it when the node starts, or let Cilium do it (`bpf.autoMount.enabled`, `cgroup.autoMount.enabled`)",
    )


REPORT_MOUNTS = Check(
    id="CIL-HOST-004",
    category="node-reports",
    title="bpffs and cgroup2 are mounted where Cilium may not do it",
    why="Cilium keeps its maps in a bpffs and hangs its programs on a cgroup2. It mounts both itself, unless values "
    "say no; then its agents do not start without them.",
    remedy="Mount bpffs at /sys/fs/bpf and cgroup2 when the node starts, or leave `autoMount` on.",
    look=_look,
    reads=("node_reports",),
)
