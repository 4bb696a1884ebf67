"""Whether nodes may have their turns: what is asked before any of them is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ciliumctl import permissions
from ciliumctl.clients.kube import DAEMON_SETS, NODES, PODS, Access, Kube
from ciliumctl.connectivity import deploy
from ciliumctl.errors import Refused
from ciliumctl.lock import NAMESPACE
from ciliumctl.migration.model import HALF_WAY, Direction, Phase, State
from ciliumctl.migration.state import NAME, Node
from ciliumctl.values.paths import get

#: Where a node is after its turn.
GOALS: Mapping[Direction, Phase] = {"node": "migrated", "undo": "waiting"}


def check(known: Sequence[Node], chosen: Sequence[Node], direction: Direction) -> None:
    """Refuse what must not begin: a node half-way into the other direction, or one that is not ready.

    Raises:
        Refused: with the command that goes on.
    """
    untouched: Phase = "waiting" if direction == "node" else "migrated"
    for one in chosen:
        if one.phase == "undoing" and direction == "node":
            raise Refused(
                f"node `{one.name}` is half-way back to its old network",
                hint=f"`ciliumctl migrate undo {one.name}` ends it",
            )
        # One that is half-way may have no CNI at this moment: going on is what mends it.
        if one.phase == untouched and not one.ready:
            raise Refused(f"node `{one.name}` is not ready", hint=f"`kubectl describe node {one.name}` shows why")
    # A node that is half-way is a hole for the pods of the next one.
    others = [one for one in known if one.phase in HALF_WAY and one not in chosen]
    if others:
        raise Refused(
            f"node `{others[0].name}` is half-way, and no other is begun before it is done",
            hint=ways_on(others[0].name, others[0].phase),
        )


def check_record(under_way: State, values: Mapping[str, Any]) -> None:
    """Refuse a record that is not about the release: by its ranges nobody could tell which pods are Cilium's.

    Raises:
        Refused: with both ranges.
    """
    lists = [get(values, ("ipam", "operator", f"clusterPoolIPv{family}PodCIDRList")) for family in under_way.families]
    pool = sorted(str(one) for listed in lists for one in (listed if isinstance(listed, list) else []))
    if pool and pool != sorted(under_way.new.ranges):
        raise Refused(
            f"the migration's record says that Cilium has {', '.join(under_way.new.ranges)}, and the release has "
            f"{', '.join(pool)}: ConfigMap `{NAMESPACE}/{NAME}`",
            hint=f"`kubectl edit configmap -n {NAMESPACE} {NAME}` puts the release's range there; no node was touched",
        )


def ways_on(node: str, phase: Phase) -> str:
    """The commands for a node that is half-way: one that goes back can only go on doing so."""
    if phase == "undoing":
        return f"`ciliumctl migrate undo {node}` ends its way back"
    return f"`ciliumctl migrate node {node}` goes on, `ciliumctl migrate undo {node}` goes back"


def check_rights(kube: Kube, namespace: str, direction: Direction, *, tested: bool) -> None:
    """Refuse before the first node is touched what would stop its turn half-way. Some ten small requests at once.

    Raises:
        Forbidden: this user lacks rights; they are named.
    """
    wanted = [
        Access(verb="patch", resource=NODES),
        Access(verb="create", resource=PODS, subresource="eviction"),
        Access(verb="delete", resource=PODS),
    ]
    if direction == "node":
        wanted.append(Access(verb="create", resource=PODS, namespace=namespace, subresource="exec"))
    else:
        wanted.append(Access(verb="create", resource=DAEMON_SETS, namespace=namespace))
    hint = "use another context, or ask for the rights; no node was touched"
    permissions.demand(kube, wanted, by="a node's turn", hint=hint)
    if tested:
        deploy.check_rights(kube)
