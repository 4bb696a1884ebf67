"""CNI files, and what other CNIs or an earlier Cilium left on each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

from ciliumctl import templates
from ciliumctl.nodefacts import cniconf
from ciliumctl.nodefacts.model import Problem, grouped
from ciliumctl.nodefacts.parsing import NodeFacts
from ciliumctl.values.paths import get

Found = tuple[str, Literal["error", "warning"], str]
#: Where Cilium writes its own configuration.
CONFIGURATION = "05-cilium.conflist"
_TABLES = (" lookup 2004", " lookup 2005")


@cache
def _others() -> tuple[Mapping[str, Any], ...]:
    return tuple(templates.load("nodework/others.yaml"))


def cni_problems(nodes: Sequence[NodeFacts], values: Mapping[str, Any], *, present: bool) -> tuple[Problem, ...]:
    """What is wrong with the files in the CNI folder. `present` tells whether Cilium is installed already."""
    exclusive = get(values, ("cni", "exclusive"), default=True) is not False
    chained = str(get(values, ("cni", "chainingMode")) or "none") != "none"
    return grouped(
        found for node in nodes for found in _cni(node, exclusive=exclusive and not chained, present=present)
    )


def _cni(node: NodeFacts, *, exclusive: bool, present: bool) -> Iterator[Found]:
    for one in node.cni_files:
        if one.considered and one.problems:
            # Cilium takes a broken file of others out of use; without that, some runtimes stop at it.
            severity: Literal["error", "warning"] = "warning" if exclusive else "error"
            yield f"`{one.file}` is not valid: {'; '.join(one.problems)}", severity, node.node
        if one.backup and not present:
            yield f"`{one.file}` was taken out of use by an earlier Cilium", "warning", node.node
        if one.considered and one.cilium and not present and not node.agent:
            text = f"`{one.file}` is an earlier Cilium's: new pods fail here until an agent runs"
            yield text, "warning", node.node
    first = cniconf.active(node.cni_files)
    if first is None or first.cilium:
        return
    if not exclusive and first.file < CONFIGURATION:
        text = f"`{first.file}` comes before `{CONFIGURATION}`, and Cilium may not take it out of use (`cni.exclusive`)"
        yield text, "error", node.node
    for plugin in cniconf.missing_plugins(first, node.cni_programs):
        severity = "warning" if exclusive else "error"
        yield f"`{first.file}` names the plugin `{plugin}`, whose program is not there", severity, node.node


def other_problems(nodes: Sequence[NodeFacts]) -> tuple[Problem, ...]:
    """Links, chains and state of other CNIs."""
    return grouped(found for node in nodes for found in _of_others(node))


def _of_others(node: NodeFacts) -> Iterator[Found]:
    for entry in _others():
        links = _matching(node.links, entry["links"])
        chains = _matching([chain.name for chain in node.chains], entry["chains"])
        paths = [path for path in node.paths if path in entry["paths"]]
        seen = [
            *(["links " + ", ".join(links[:3])] if links else []),
            *([f"{len(chains)} iptables chains"] if chains else []),
            *(paths[:2]),
        ]
        if _matching(node.processes, entry["processes"]):
            yield f"{entry['name']} runs here", "warning", node.node
        elif links or chains:
            yield f"{entry['name']} left {'; '.join(seen)}", "warning", node.node


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def own_leftovers(node: NodeFacts) -> tuple[str, ...]:
    """What an earlier Cilium left: for a node where none is installed."""
    links = [link for link in node.links if link.startswith("cilium_") or link == "lxc_health"]
    chains = [chain for chain in node.chains if chain.name.startswith(("CILIUM_", "OLD_CILIUM_"))]
    rules = [rule for rule in node.rules if rule.endswith(_TABLES)]
    kept = [path for path in node.paths if "cilium" in path]
    return (
        *([f"links {', '.join(links[:4])}"] if links else []),
        *([f"{len(chains)} iptables chains CILIUM_*"] if chains else []),
        *([f"{len(node.bpf)} entries in /sys/fs/bpf"] if node.bpf else []),
        *([f"{len(rules)} routing rules"] if rules else []),
        *([f"{len(node.routes)} routes of tables 2004 and 2005"] if node.routes else []),
        *kept,
    )


def own_problems(nodes: Sequence[NodeFacts], *, present: bool) -> tuple[Problem, ...]:
    """Leftovers of an earlier Cilium, on nodes without one; nothing where it is installed."""
    if present:
        return ()
    return grouped(
        (f"an earlier Cilium left {'; '.join(left)}", "warning", node.node)
        for node in nodes
        if not node.agent and (left := own_leftovers(node))
    )
