"""No node runs a system that Cilium is known not to work on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ciliumctl import versioning
from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Node, Scene


def problem_of(os_image: str) -> str:
    """The oldest version that works, where a system's name shows an older one; empty otherwise."""
    for entry in compatibility.table()["distributions"]:
        match = re.search(rf"{re.escape(entry['name'])}\D*(\d+(?:\.\d+)*)", os_image)
        if match is None:
            continue
        said = versioning.numbers(match[1])
        # RHEL CoreOS writes the 4.12 of its OpenShift as 412.
        floor: str = entry["joined"] if said[0] > 99 and "joined" in entry else entry["from"]
        # `CentOS Linux 8` says less than the `8.6` that is asked for: only what is said counts.
        return floor if said < versioning.numbers(floor)[: len(said)] else ""
    return ""


def _findings(nodes: tuple[Node, ...]) -> Iterator[Finding]:
    for node in nodes:
        where = f"Node//{node.name}"
        if node.system not in {"linux", ""}:
            yield Finding(text=f"{node.name} runs {node.system}: Cilium has no agent for it", object=where)
        elif floor := problem_of(node.os_image):
            text = f"{node.name} runs {node.os_image}; the oldest that is known to work is {floor}"
            yield Finding(text=text, severity="warning", object=where)


def _look(scene: Scene) -> Verdict:
    findings = list(_findings(scene.nodes))
    systems = sorted({node.os_image for node in scene.nodes if node.os_image})
    return judged(
        findings,
        good=f"{', '.join(systems[:3]) or 'no node says'}{' and more' if len(systems) > 3 else ''}",
        bad=f"{counted(len(findings), 'node')} with a system that Cilium is not known to work on",
        hint="renew the nodes; keep the agent off Windows nodes: `--set nodeSelector.kubernetes\\.io/os=linux` is the "
        "chart's default",
    )


NODE_SYSTEM = Check(
    id="CIL-NODE-004",
    category="nodes",
    title="no node runs a system that Cilium is known not to work on",
    why="Cilium's documentation has a list of distributions with the oldest version that works. Older ones lack kernel "
    "options or have a systemd that takes Cilium's routes away. Windows has no agent at all.",
    remedy="Renew the node's image. Pods on Windows nodes need another CNI, and a cluster can have one for each.",
    look=_look,
    reads=("nodes",),
)
