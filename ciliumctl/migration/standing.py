"""Where a migration stands, node by node, with the pods of each network counted by their addresses."""

from __future__ import annotations

from collections import Counter
from functools import partial

from ciliumctl import agents
from ciliumctl.clients.kube import PODS, Kube
from ciliumctl.migration import state
from ciliumctl.migration.model import MigrationStatus, NodeLine, State
from ciliumctl.migration.pods import in_ranges
from ciliumctl.parallel import together
from ciliumctl.status.collect import pods_of


def look(kube: Kube, namespace: str) -> MigrationStatus:
    """Four requests; no object of a pod is read."""
    under_way, nodes, found, listed = together(
        partial(state.read, kube),
        partial(state.nodes, kube),
        partial(agents.find, kube, namespace),
        lambda: pods_of(kube.table(PODS, fields="status.phase=Running")),
    )
    counts = _counted(under_way, [(pod.node, pod.address) for pod in listed])
    ready = {agent.node for agent in found if agent.ready}
    return MigrationStatus(
        context=kube.context,
        namespace=namespace,
        begun=under_way.began if under_way is not None else "",
        who=under_way.who if under_way is not None else "",
        old=under_way.old if under_way is not None else None,
        new=under_way.new if under_way is not None else None,
        nodes=tuple(
            NodeLine(
                node=one.name,
                phase=one.phase,
                ready=one.ready,
                schedulable=not one.cordoned,
                agent=one.name in ready,
                cilium=counts[one.name, "new"],
                old=counts[one.name, "old"],
            )
            for one in nodes
        ),
    )


def _counted(under_way: State | None, pods: list[tuple[str, str]]) -> Counter[tuple[str, str]]:
    if under_way is None:
        return Counter()
    networks = {"new": under_way.new.ranges, "old": under_way.old.ranges}
    return Counter(
        (node, which) for node, address in pods for which, ranges in networks.items() if in_ranges(address, ranges)
    )
