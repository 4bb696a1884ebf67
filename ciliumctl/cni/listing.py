"""The CNI configuration of every node: its files in order, the one that its runtime uses, the programs it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ciliumctl.errors import CiliumctlError, Partial
from ciliumctl.nodefacts import NodeFacts, NodeReports, cniconf
from ciliumctl.nodefacts.cniconf import CniFile
from ciliumctl.nodework import NodeRun


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a node's CNI folder. `state` is `used`, `next` (if those before it went), `passed over` or `broken`.

    `missing` are the programs of its chain that the node does not have.
    """

    file: str
    state: str
    network: str
    version: str
    plugins: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCni:
    """The CNI folder of one node. `reason` says why it could not be looked at; the rest is empty then.

    `programs` are the plugins' programs that are there.
    """

    node: str
    files: tuple[File, ...] = ()
    programs: tuple[str, ...] = ()
    reason: str = ""
    skipped: bool = False

    @property
    def used(self) -> File | None:
        """The file that the runtime takes."""
        return next((file for file in self.files if file.state == "used"), None)

    @property
    def ok(self) -> bool:
        """Whether pods get a network: a file is used, and its programs are there."""
        return self.skipped or bool(self.used and not self.used.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class CniList:
    """The CNI folders of the nodes, by the nodes' names. `image` is what the look was taken with."""

    kind: ClassVar[str] = "CniList"

    nodes: tuple[NodeCni, ...]
    folder: str = ""
    programs_folder: str = ""
    image: str = ""

    @property
    def ok(self) -> bool:
        """Whether pods get a network on every node that could be looked at."""
        return all(node.ok for node in self.nodes if not node.reason)


def of(reports: NodeReports, paths: Mapping[str, str]) -> CniList:
    """What the nodes' reports say about their CNI folders."""
    facts = {one.node: one for one in reports.facts}
    return CniList(
        nodes=tuple(_node(run, facts.get(run.node)) for run in reports.runs),
        folder=paths["CNI_CONF"],
        programs_folder=paths["CNI_BIN"],
        image=reports.image,
    )


def partial_error(result: CniList) -> CiliumctlError | None:
    """What is told where some nodes could not be looked at, though pods could run there."""
    silent = [node for node in result.nodes if node.reason and not node.skipped]
    if not silent:
        return None
    return Partial(
        f"{len(silent)} of {len(result.nodes)} nodes could not be looked at: {silent[0].node}: {silent[0].reason}",
        hint="`ciliumctl cni list` once more, when they are well; `kubectl get nodes` shows them",
    )


def _node(run: NodeRun, facts: NodeFacts | None) -> NodeCni:
    if facts is None:
        return NodeCni(node=run.node, reason=run.detail or run.reason, skipped=run.outcome == "skipped")
    used = cniconf.active(facts.cni_files)
    ordered = sorted(facts.cni_files, key=lambda one: one.file)
    return NodeCni(
        node=run.node,
        files=tuple(_file(one, used, facts.cni_programs) for one in ordered),
        programs=facts.cni_programs,
    )


def _file(one: CniFile, used: CniFile | None, programs: Sequence[str]) -> File:
    state = "next"
    if not one.considered:
        state = "passed over"
    elif one is used:
        state = "used"
    elif one.problems:
        state = "broken"
    return File(
        file=one.file,
        state=state,
        network=one.network,
        version=one.version,
        plugins=one.plugins,
        missing=cniconf.missing_plugins(one, programs) if one.considered else (),
        problems=one.problems if one.considered else (),
    )
