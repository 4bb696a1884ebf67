"""Every node's kernel has the options that the values need."""

from __future__ import annotations

from dataclasses import replace

from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._reports import facts_of, verdict
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import kernel


def _look(scene: Scene) -> Verdict:
    facts = facts_of(scene)
    found = verdict(
        scene,
        kernel.option_problems(facts, scene.target.values),
        good="all options that these values need",
        bad="with a kernel without an option that these values need",
        hint="use another kernel, or switch off what needs the option",
    )
    silent = kernel.silent(facts)
    told = [f"the kernel of {name} does not tell its configuration" for name in silent]
    return replace(found, evidence=(*found.evidence, *told))


REPORT_KERNEL = Check(
    id="CIL-HOST-002",
    category="node-reports",
    title="every node's kernel has the options that the values need",
    why="Cilium's programs and the features that the values switch on need options that a kernel is built with. "
    "Distributions have them; kernels that somebody built for a purpose often lack some.",
    remedy="The configuration is in /proc/config.gz or /boot. Use the distribution's kernel, or build yours with what "
    "is named; or switch off the feature it is for.",
    look=_look,
    reads=("node_reports",),
)
