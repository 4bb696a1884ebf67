"""The plan of a migration: what is there, what comes, in which order, what it breaks and what cannot work.

Nothing is changed by it. It costs some twenty requests, and one for every 500 pods and nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ciliumctl import owners, release, status
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import NETWORK_POLICIES, Kube
from ciliumctl.errors import CiliumctlError, NotFound, Refused
from ciliumctl.migration import breaking, old, pods, ranges, state
from ciliumctl.migration.model import Finding, MigrationPlan, NewNetwork, NodeAhead, OldNetwork, State
from ciliumctl.migration.pods import Allowed, Budget, Pod
from ciliumctl.migration.ranges import Wish
from ciliumctl.migration.state import Node
from ciliumctl.migration.taken import taken
from ciliumctl.parallel import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for. `own` are the user's own values, as Helm merges them; `origin` is empty to find it out."""

    origin: str
    where: status.Where
    wish: Wish = field(default_factory=Wish)
    own: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    allowed: Allowed = field(default_factory=Allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was looked at."""

    under_way: State | None
    found: Release | None
    owner: owners.Owner | None
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    #: The pods of the nodes that take no part.
    outside: tuple[Pod, ...]
    budgets: tuple[Budget, ...]
    policies: int

    @property
    def begun(self) -> bool:
        """Whether Cilium is beside the other CNI already."""
        return self.under_way is not None and self.found is not None


def plan(kube: Kube, asked: Asked) -> MigrationPlan:
    """Look, and say what would be done.

    Raises:
        NotFound: the CNI is not in charge. Refused: its range, or a new one, cannot be had.
        CiliumctlError: the cluster cannot be asked.
    """
    before = kube.requests
    seen = _look(kube, asked)
    there, new = networks(kube, asked, seen.under_way, seen.nodes)
    findings = (
        *_refusals(asked, seen),
        *breaking.outside(there, seen.outside),
        *breaking.warnings(kube, there, seen.pods, policies=seen.policies),
    )
    return MigrationPlan(
        context=kube.context,
        namespace=asked.where.namespace,
        old=there,
        new=new,
        begun=seen.begun,
        version=seen.found.chart_version if seen.found is not None else asked.version or "stable",
        nodes=tuple(_ahead(seen, asked.allowed)),
        findings=findings,
        steps=_steps(there, new, seen),
        requests=kube.requests - before,
    )


def networks(kube: Kube, asked: Asked, under_way: State | None, nodes: Sequence[Node]) -> tuple[OldNetwork, NewNetwork]:
    """The old and the new network: as they were chosen, once it has begun.

    Raises:
        Refused: it has begun, with others than are asked for now.
    """
    if under_way is None:
        there = old.look(kube, asked.origin)
        return there, ranges.choose(there, taken(kube, there, nodes), len(nodes), asked.wish)
    if asked.origin not in {"", under_way.old.origin}:
        raise Refused(
            f"a migration from {under_way.old.name} is under way since {under_way.began}",
            hint=f"go on with it: `ciliumctl migrate status`, without `--from {asked.origin}`",
        )
    wish = asked.wish
    if wish.ranges and tuple(str(ranges.parsed(text)) for text in wish.ranges) != under_way.new.ranges:
        raise _other("--pod-cidr", ", ".join(wish.ranges), ", ".join(under_way.new.ranges))
    if wish.port and wish.port != under_way.new.port:
        raise _other("--tunnel-port", str(wish.port), str(under_way.new.port))
    return under_way.old, under_way.new


def _other(flag: str, wanted: str, there: str) -> Refused:
    return Refused(
        f"the migration has begun with {there}, not with `{flag} {wanted}`",
        hint="undo the nodes with `ciliumctl migrate undo --all` and remove Cilium to begin anew",
    )


def _look(kube: Kube, asked: Asked) -> _Seen:
    where = asked.where
    found, owner, (nodes, others) = together(
        partial(release.current, kube, where.release, where.namespace, where.storage),
        partial(owners.of_cilium, kube, namespace=where.namespace, release_name=where.release),
        partial(state.split, kube),
    )
    listed, budgets, policies = together(
        lambda: tuple(pod for pod in pods.read(kube) if not pod.stays or pod.node in others),
        partial(pods.exhausted, kube),
        partial(_policies, kube),
    )
    under_way = state.read(kube)
    if found is None and all(node.phase == "waiting" for node in nodes):
        # Nothing of it is there any more, or yet: it may begin with other networks.
        under_way = None
    return _Seen(
        under_way=under_way,
        found=found,
        owner=owner,
        nodes=nodes,
        pods=tuple(pod for pod in listed if not pod.stays),
        outside=tuple(pod for pod in listed if pod.node in others),
        budgets=budgets,
        policies=policies,
    )


def _policies(kube: Kube) -> int:
    try:
        return len(kube.table(NETWORK_POLICIES).rows)
    except NotFound:
        return 0


def _ahead(seen: _Seen, allowed: Allowed) -> Iterator[NodeAhead]:
    by_node: dict[str, list[Pod]] = {}
    for pod in seen.pods:
        by_node.setdefault(pod.node, []).append(pod)
    for node in seen.nodes:
        mine = by_node.get(node.name, [])
        yield NodeAhead(
            node=node.name,
            control_plane=node.control_plane,
            ready=node.ready,
            phase=node.phase,
            moved=sum(pod.moves for pod in mine),
            restarted=sum(pod.in_place for pod in mine),
            blockers=pods.blockers(mine, seen.budgets, allowed) if node.phase != "migrated" else (),
        )


def _refusals(asked: Asked, seen: _Seen) -> Iterator[Finding]:
    """What cannot work, one finding each."""
    if seen.owner is not None:
        foreign: CiliumctlError = owners.foreign(seen.owner, "install")
        yield Finding(severity="refused", text=foreign.message, hint=foreign.hint)
    elif seen.found is not None and seen.under_way is None and not breaking.is_beside(seen.found.config):
        yield Finding(
            severity="refused",
            text=f"Cilium {seen.found.chart_version} is installed already, and not beside another CNI",
            hint="`ciliumctl status` shows it; a migration begins with `ciliumctl migrate start`",
        )
    yield from breaking.of_values(asked.own)
    simulated = [node.name for node in seen.nodes if node.simulated]
    if simulated:
        yield Finding(
            severity="refused",
            text=f"{len(simulated)} nodes are simulated: no CNI runs there",
            hint="migrate a cluster of real nodes",
            objects=tuple(simulated[:8]),
        )
    unready = [node.name for node in seen.nodes if not node.ready]
    if unready:
        yield Finding(
            severity="warning",
            text=f"{len(unready)} nodes are not ready, and cannot be moved until they are",
            hint="`kubectl get nodes` shows them",
            objects=tuple(unready),
        )
    room = _room(seen)
    if room:
        yield room
    if not seen.nodes:
        yield Finding(severity="refused", text="no node takes part", hint="`kubectl get nodes` shows why")


def _room(seen: _Seen) -> Finding | None:
    """Whether the pods of a node find a place: with one node they do not."""
    able = [node for node in seen.nodes if node.ready and not node.cordoned]
    if len(able) > 1:
        return None
    moved = Counter(pod.node for pod in seen.pods if pod.moves)
    count = max(moved.values(), default=0)
    return Finding(
        severity="warning",
        text=f"{len(able)} node takes pods: the {count} that are evicted wait until their node is done",
        hint="add a node for the time of the migration, or plan the interruption",
    )


def _steps(there: OldNetwork, new: NewNetwork, seen: _Seen) -> tuple[str, ...]:
    waiting = sum(node.phase != "migrated" for node in seen.nodes)
    done = "(done) " if seen.begun else ""
    start = (
        f"{done}`ciliumctl migrate start`: Cilium beside {there.name}, with a tunnel on UDP port {new.port}, for pods "
        f"of {', '.join(new.ranges)}. It takes over no pod, enforces no policy and writes no CNI configuration"
    )
    node = (
        f"`ciliumctl migrate node NODE`, or `--all`: {waiting} to go, one by one. Each is cordoned, drained, labelled, "
        "its agent restarted, tested with nodes of both networks, its DaemonSets' pods made anew, uncordoned"
    )
    undo = "`ciliumctl migrate undo NODE` puts a node back, at any time before the end"
    finish = (
        f"`ciliumctl migrate finish`: Cilium's usual values (policies are enforced again), {there.name} retired, its "
        "links and files removed from the nodes"
    )
    return (start, node, undo, finish)


def refuse(found: MigrationPlan) -> None:
    """Raise `Refused` for what cannot work."""
    bad = found.refused
    if bad:
        raise Refused("; ".join(one.text for one in bad), hint=bad[0].hint)
