"""Judge a snapshot: which parts are well, what is wrong, what to do about it. No request is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ciliumctl.status.components import component, version_of
from ciliumctl.status.facts import COMPONENTS, Node, Pod, Snapshot
from ciliumctl.status.features import features
from ciliumctl.status.problems import count, of_snapshot
from ciliumctl.status.trouble import Trouble
from ciliumctl.status.verdict import NodeLine, Status


def judge(
    snapshot: Snapshot, troubles: Mapping[str, Sequence[Trouble]], elsewhere: Sequence[str] = (), owner: str = ""
) -> Status:
    """Turn facts into a verdict. `troubles` has what a closer look found, by component; `owner` is who installed it."""
    problems = of_snapshot(snapshot, troubles, elsewhere)
    release = snapshot.release
    return Status(
        context=snapshot.context,
        namespace=snapshot.namespace,
        installed=snapshot.installed,
        healthy=not any(problem.severity == "error" for problem in problems),
        version=_version(snapshot),
        release=release.name if release else "",
        revision=release.revision if release else 0,
        release_status=release.status if release else "",
        components=tuple(component(name, snapshot) for name in COMPONENTS),
        features=features(snapshot.config),
        nodes=_node_lines(snapshot),
        simulated_nodes=sum(node.simulated for node in snapshot.nodes),
        networked_pods=snapshot.networked,
        unmanaged_pods=len(snapshot.unmanaged),
        problems=tuple(problems),
        notes=_notes(snapshot, owner),
    )


def _version(snapshot: Snapshot) -> str:
    """The chart's version; without a Helm release, what the agents' or the operator's image says."""
    if snapshot.release is not None:
        return snapshot.release.chart_version
    workloads = [snapshot.workloads.get(name) for name in ("agent", "operator")]
    return version_of([image for workload in workloads if workload is not None for image in workload.wanted_images])


def _node_lines(snapshot: Snapshot) -> tuple[NodeLine, ...]:
    agents: dict[str, Pod] = {pod.node: pod for pod in snapshot.pods.get("agent", ())}
    return tuple(_node_line(node, agents.get(node.name)) for node in snapshot.nodes)


def _node_line(node: Node, agent: Pod | None) -> NodeLine:
    return NodeLine(
        name=node.name,
        state=node.state,
        agent=agent.name if agent else "",
        agent_state=("Ready" if agent.ready else agent.state) if agent else "none",
        restarts=agent.restarts if agent else 0,
        age=agent.age if agent else "",
        kubelet=node.kubelet,
        kernel=node.kernel,
        simulated=node.simulated,
    )


def _notes(snapshot: Snapshot, owner: str) -> tuple[str, ...]:
    notes = []
    simulated = sum(node.simulated for node in snapshot.nodes)
    if simulated:
        notes.append(
            f"{simulated} of {count(len(snapshot.nodes), 'node')} simulated by kwok: "
            "nothing runs there, no traffic flows"
        )
    if snapshot.installed and snapshot.revision is None and "release" not in snapshot.failures:
        notes.append(f"no Helm release of that name: Cilium belongs to {owner or 'another tool'}")
    return tuple(notes)
