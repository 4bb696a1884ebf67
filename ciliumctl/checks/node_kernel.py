"""Every node runs a kernel that this Cilium can load its programs into."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl import versioning
from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene


def too_old(kernel: str, minor: versioning.Minor) -> bool:
    """Whether a kernel is older than what this minor version of Cilium needs. RHEL 8 has its own numbers."""
    needed = compatibility.needed_kernel(minor)
    rhel = compatibility.rhel_kernel(kernel)
    if rhel:
        return rhel < compatibility.rhel_kernel(f"{needed['rhel']}.el8")
    return versioning.below(kernel, needed["kernel"])


def _findings(scene: Scene) -> Iterator[Finding]:
    for node in scene.nodes:
        if node.system == "linux" and too_old(node.kernel, scene.target.minor):
            yield Finding(text=f"{node.name} runs {node.kernel}", object=f"Node//{node.name}")


def _look(scene: Scene) -> Verdict:
    known = [node for node in scene.nodes if versioning.numbers(node.kernel)]
    if not known:
        return skipped("no node tells its kernel's version")
    needed = compatibility.needed_kernel(scene.target.minor)["kernel"]
    oldest = min(known, key=lambda node: versioning.numbers(node.kernel))
    findings = list(_findings(scene))
    return judged(
        findings,
        good=f"{needed} or newer on {counted(len(known), 'node')}; the oldest is {oldest.kernel}",
        bad=f"{counted(len(findings), 'node')} of {len(scene.nodes)} below {needed}, "
        f"which Cilium {versioning.named(scene.target.minor)} needs",
        hint="renew the node's system or kernel, or choose an older Cilium with `--version`",
        evidence=[f"the oldest is {oldest.kernel} on {oldest.name}"],
    )


NODE_KERNEL = Check(
    id="CIL-NODE-002",
    category="nodes",
    title="every node runs a kernel that this Cilium supports",
    why="Cilium's programs run in the kernel. 1.14 and 1.15 need 4.19.57, 1.16 and 1.17 need 5.4, 1.18 and later 5.10; "
    "RHEL 8 counts by its own builds, because it carries newer parts in an old number.",
    remedy="Renew the node's image or kernel, or stay with a Cilium that supports the kernel you have.",
    look=_look,
    reads=("nodes",),
)
