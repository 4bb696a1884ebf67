"""Every node's kernel describes its own types."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import kernel


def _look(scene: Scene) -> Verdict:
    return verdict(
        scene,
        kernel.btf_problems(facts_of(scene)),
        good="BTF is there",
        bad="with a kernel without BTF",
        hint="build the kernel with CONFIG_DEBUG_INFO_BTF, or go without what needs it",
    )


REPORT_BTF = Check(
    id="CIL-HOST-003",
    category="node-reports",
    title="every node's kernel has BTF",
    why="With BTF, programs can read the kernel's own structures. Tracing tools and some features of newer versions "
    "of Cilium need it; the network itself does not.",
    remedy="Distributions' kernels have it since about 5.10. Otherwise build with CONFIG_DEBUG_INFO_BTF.",
    look=_look,
    reads=("node_reports",),
)
