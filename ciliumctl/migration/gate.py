"""The gate after a node's move: the connectivity suite's smoke profile between it and nodes of both networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ciliumctl import connectivity
from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import Connectivity, Settings
from ciliumctl.errors import CiliumctlError, Forbidden, Interrupted, UsageError
from ciliumctl.migration.model import HALF_WAY, GateRun, State
from ciliumctl.migration.state import Node
from ciliumctl.report import Event, Reporter, Step, StepEnded, StepStarted, Warned

CILIUM = "Cilium"
_NAMED = 5
#: What does not hold between two networks: each gives what leaves its own range the address of the node.
_WITHIN = ("^pod-to-pod-source-address$",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How a node is tested. `owner` is who runs it; off with `on`."""

    owner: str
    namespace: str
    settings: Settings = field(default_factory=Settings)
    skips: tuple[str, ...] = ()
    on: bool = True


def peers(node: str, nodes: Sequence[Node]) -> list[tuple[str, str]]:
    """Whom a node is tested with, at most one of each network: (name, phase)."""
    found: dict[str, str] = {}
    for one in nodes:
        if one.name != node and one.ready and one.phase not in HALF_WAY:
            found.setdefault(one.phase, one.name)
    return [(name, phase) for phase, name in found.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A node and whom it is tested with; `network` is the peer's, and `mixed` says that it is not the node's."""

    node: str
    peer: str
    network: str
    mixed: bool

    def __str__(self) -> str:
        return f"`{self.node}` with `{self.peer}` ({self.network})" if self.peer else f"`{self.node}` alone"


def _pairs(node: str, nodes: Sequence[Node], state: State, own: str) -> list[_Pair]:
    networks = {"waiting": state.old.name, "migrated": CILIUM}
    found = [
        _Pair(node=node, peer=peer, network=networks[phase], mixed=networks[phase] != own)
        for peer, phase in peers(node, nodes)
    ]
    return found or [_Pair(node=node, peer="", network="", mixed=False)]


def run(
    kube: Kube, gate: Gate, state: State, node: str, nodes: Sequence[Node], report: Reporter, *, own: str
) -> tuple[GateRun, ...]:
    """Test a node of the network `own`, with one peer of each network after the other; the first red one ends it."""
    done: list[GateRun] = []
    for pair in _pairs(node, nodes, state, own):
        with report.step(f"Testing {pair}") as step:
            one = _one(kube, gate, state, pair, Reporter(partial(_echo, step)))
            step.finish(
                f"{one.passed} tests passed" if one.ok else "; ".join(one.failed) or "nothing could be tested",
                outcome="done" if one.ok else "failed",
            )
        done.append(one)
        if not one.ok:
            break
    return tuple(done)


def _one(kube: Kube, gate: Gate, state: State, pair: _Pair, report: Reporter) -> GateRun:
    peer, network = pair.peer, pair.network
    settings = replace(
        gate.settings,
        nodes=tuple(name for name in (pair.node, peer) if name),
        single_node=not peer,
        families=state.families,
        # The node is cordoned, and may be a control plane.
        tolerations=({"operator": "Exists"},),
    )
    skips = (*gate.skips, *(_WITHIN if pair.mixed else ()))
    wanted = connectivity.Wanted(owner=gate.owner, namespace=gate.namespace, settings=settings, skips=skips)
    try:
        found = connectivity.run(kube, wanted, report)
    except (Forbidden, Interrupted, UsageError):
        # No word about the network.
        raise
    except CiliumctlError as error:
        return GateRun(peer=peer, peer_network=network, passed=0, failed=(error.message,))
    return GateRun(peer=peer, peer_network=network, passed=found.count("passed"), failed=tuple(_failures(found)))


def _failures(found: Connectivity) -> list[str]:
    lines = []
    for one in found.scenarios:
        if one.bad:
            first = one.failures[0] if one.failures else None
            why = f"from {first.source_node} to {first.target}: {first.seen}" if first is not None else one.reason
            lines.append(f"{one.name}: {why}")
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], *([f"and {more} more tests"] if more > 0 else [])]


def _echo(step: Step, event: Event) -> None:
    step.glance(_said(event))


def _said(event: Event) -> str:
    match event:
        case StepStarted():
            return event.title
        case StepEnded():
            return f"{event.title}: {event.detail}"
        case Warned():
            return event.text
        case _:
            return "at work"
