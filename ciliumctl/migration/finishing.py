"""End a migration: Cilium's usual values, the other CNI retired, its traces removed from the nodes.

The release is changed through the same way as by `config set`; what is retired is data (`templates/migration/`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ciliumctl import change, cni, journal, lock, nodework
from ciliumctl.change import How, Target
from ciliumctl.change.batches import natural
from ciliumctl.clients.helm import Inputs, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, Partial, Refused
from ciliumctl.migration import admitting, breaking, old, pods, retiring, starting, state
from ciliumctl.migration.model import Finished, NodeRetired, State
from ciliumctl.nodefacts.reading import paths_of
from ciliumctl.nodework.model import members
from ciliumctl.parallel import gather_all
from ciliumctl.values.paths import merge, remove

#: Values of the preset that end with the migration; the others (the range, the port) are Cilium's from now on.
_ENDED = (
    ("cni", "customConf"),
    ("cni", "uninstall"),
    ("policyEnforcementMode",),
    ("operator", "unmanagedPodWatcher", "restart"),
)
_HOST_ROUTING = ("bpf", "hostLegacyRouting")
_SECONDS = 240.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is about to be done. `target` is the release with its usual values."""

    state: State
    target: Target
    doomed: retiring.Doomed
    nodes: tuple[str, ...]
    image: nodework.NodeImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants besides: eBPF host routing (a moment's interruption on each node), another image."""

    ebpf_host_routing: bool = False
    node_image: str = ""


def prepare(kube: Kube, found: Release, how: How, wish: Wish, scratch: Path) -> Ending:
    """Find out whether it can end, and what that does; changes nothing.

    Raises:
        Refused: a node, or a pod, is not Cilium's yet; somebody else manages the old CNI.
    """
    under_way, nodes = _admitted(kube, found)
    doomed = retiring.look(kube, under_way.old)
    with how.report.step("Rendering the change"):
        target = change.aim(
            found, change.stored_chart(found, scratch), Inputs(generated=ended(found.config, wish)), how.helm
        )
    image = nodework.image_of(kube, how.where.namespace, wanted=wish.node_image)
    return Ending(state=under_way, target=target, doomed=doomed, nodes=nodes, image=image)


def _admitted(kube: Kube, found: Release) -> tuple[State, tuple[str, ...]]:
    """The record and the nodes of a migration that may end. Two requests, and one for every 500 nodes and pods.

    Raises:
        Refused: a node, or a pod, is not Cilium's yet, or a node that takes no part needs the old CNI.
    """
    under_way = state.needed(kube)
    admitting.check_record(under_way, values_of(found))
    nodes, outside = state.split(kube)
    open_ = [one.name for one in nodes if one.phase != "migrated"]
    if open_:
        raise Refused(
            f"{len(open_)} of {len(nodes)} nodes are not migrated: {', '.join(open_[:8])}",
            hint="`ciliumctl migrate node --all` moves them; `ciliumctl migrate status` shows where each stands",
        )
    _refuse_pods(kube, under_way, outside)
    return under_way, tuple(one.name for one in nodes)


def nothing_left(kube: Kube, found: Release) -> Finished | None:
    """The result where nothing is to be ended: no record, Cilium with usual values, no other CNI in charge.

    `None` where there is, or where no migration has begun yet. Four requests.
    """
    there = state.read(kube) is not None or breaking.is_beside(found.config)
    if there or any(other.blocks for other in cni.in_charge(kube)):
        return None
    return Finished(outcome="unchanged", context=kube.context, namespace=found.namespace, old="")


def _refuse_pods(kube: Kube, under_way: State, outside: Sequence[str]) -> None:
    """Refuse while nodes outside need the old network, or pods have addresses of it: they would lose it."""
    needing = [pod for pod in pods.read(kube) if pods.runs_old(pod, under_way.old)]
    named = sorted({pod.node for pod in needing} & set(outside), key=natural)
    if named:
        raise Refused(
            f"{len(named)} nodes that take no part run {under_way.old.name}, and would lose their network: "
            f"{', '.join(named[:8])}",
            hint=pods.OUTSIDE_HINT,
            detail="\n".join(named),
        )
    late = [str(pod) for pod in needing if not pod.stays and pod.within(under_way.old.ranges)]
    if late:
        raise Refused(
            f"{len(late)} pods still have an address of {under_way.old.name}: {', '.join(late[:8])}",
            hint="restart them, with `kubectl rollout restart` or by deleting them; then run the command again",
            detail="\n".join(late),
        )


def ended(config: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """The release's own values without what only a migration needs."""
    values: dict[str, Any] = copy.deepcopy(dict(config))
    for path in (*_ENDED, *((_HOST_ROUTING,) if wish.ebpf_host_routing else ())):
        remove(values, path)
    return values


def dry_run(kube: Kube, ending: Ending) -> Finished:
    """What it would do."""
    return Finished(
        outcome="dry-run",
        context=kube.context,
        namespace=ending.target.before.namespace,
        old=ending.state.old.name,
        values=ending.target.changed,
        removed=ending.doomed.names,
        kept=ending.doomed.kept,
        nodes=tuple(NodeRetired(node=name, outcome="would be cleaned") for name in ending.nodes),
    )


def finish(kube: Kube, ending: Ending, how: How) -> Finished:
    """Do it: values, CiliumNodeConfig, the old CNI's objects, the nodes, the marks. Run again, it goes on.

    Whether it may end is asked again under the lock, before the values and before anything is retired: what `prepare`
    saw is older than the user's answer.

    Raises:
        Refused: somebody was at work meanwhile. CiliumctlError: rights are missing, or the release could not be
            changed; nothing was retired. Partial is for the caller to make.
    """
    retiring.check_rights(kube, ending.doomed, how.where.namespace)
    how.report.resume = "`ciliumctl migrate finish` goes on where it was stopped; no pod loses its network meanwhile"

    def first() -> None:
        _still(kube, ending)

    changed = change.perform(kube, ending.target, replace(how, first=first))
    late = change.late(changed, how.deadline)
    if late is not None:
        raise late
    if not changed.ok:
        raise Refused(
            "Cilium is not healthy with its usual values, and the old CNI was not retired",
            hint="`ciliumctl status` says why; mend it, then run `ciliumctl migrate finish` again",
        )
    entry = journal.entry(how.holder, "migrate finish", ending.target.before.name)
    with lock.held(kube, how.holder, how.report) as mine, journal.keeping(kube, how.where.namespace, entry, how.report):
        ending = replace(ending, nodes=_still(kube, ending))
        with how.report.step("Removing the CiliumNodeConfig"):
            starting.end_config(kube, how.where.namespace)
        mine.check()
        with how.report.step(f"Retiring {ending.state.old.name}") as step:
            retired = retiring.retire(kube, ending.doomed)
            step.finish(f"{len(retired.removed)} objects removed", outcome="failed" if retired.failed else "done")
        nodes = _clean(kube, ending, how)
        well = not retired.failed and all(one.ok for one in nodes)
        if well:
            with how.report.step("Taking the migration's marks from the nodes"):
                _unmark(kube, ending)
    how.report.resume = ""
    return Finished(
        outcome="finished" if well else "partial",
        context=kube.context,
        namespace=how.where.namespace,
        old=ending.state.old.name,
        values=ending.target.changed,
        removed=tuple(retired.removed),
        kept=(*ending.doomed.kept, *retired.stays, *retired.failed),
        nodes=nodes,
        healthy=changed.status.ok if changed.status is not None else None,
        summary="" if well else "run `ciliumctl migrate finish` again",
    )


def _still(kube: Kube, ending: Ending) -> tuple[str, ...]:
    """Ask again whether it may end; returns the nodes as they are now. Raises `Refused`."""
    under_way, nodes = _admitted(kube, ending.target.before)
    if under_way != ending.state:
        raise Refused(
            f"another migration was begun meanwhile, by {under_way.who} at {under_way.began}",
            hint="`ciliumctl migrate status` shows where it stands",
        )
    return nodes


def _clean(kube: Kube, ending: Ending, how: How) -> tuple[NodeRetired, ...]:
    node: Mapping[str, Any] = old.entry_of(ending.state.old.origin)["node"]
    work = nodework.Work(
        task="retire",
        title=f"Removing what {ending.state.old.name} left on the nodes",
        image=ending.image.image,
        pull_secrets=ending.image.pull_secrets,
        namespace=how.where.namespace,
        environ={
            "CNI_CONF": paths_of(ending.target.values)["CNI_CONF"],
            "CHAINS": node["chains"],
            "RANGES": " ".join(ending.state.old.ranges),
            "NODES": " ".join(address for one in state.nodes(kube) for address in one.addresses),
            **{key.upper(): " ".join(node[key]) for key in ("files", "links", "emptied", "tables", "folders")},
        },
        writes=True,
        seconds=_SECONDS,
    )
    done = nodework.run(kube, work, owner=how.holder.who, report=how.report, only=ending.nodes, alone=True)
    return tuple(_retired(one) for one in done.nodes)


def _retired(run: nodework.NodeRun) -> NodeRetired:
    said = members(run.answer)
    removed, left = (tuple(str(said.get(key) or "").splitlines()) for key in ("removed", "left"))
    return NodeRetired(node=run.node, outcome=run.outcome, detail=run.detail, removed=removed, left=left)


def _unmark(kube: Kube, ending: Ending) -> None:
    prefix = str(old.entry_of(ending.state.old.origin).get("annotations", ""))
    gather_all([partial(_unmark_node, kube, name, prefix) for name in ending.nodes], limit=_AT_ONCE)
    state.forget(kube)


def _unmark_node(kube: Kube, name: str, prefix: str) -> None:
    state.unmark(kube, name)
    if prefix:
        retiring.unmark(kube, name, prefix)


def partial_error(result: Finished) -> CiliumctlError | None:
    """The error of an end of which a part failed."""
    if result.outcome != "partial":
        return None
    bad = [f"node `{one.node}`: {one.detail or ', '.join(one.left)}" for one in result.nodes if not one.ok]
    return Partial(
        f"Cilium has the whole network, and some of {result.old} is left: {'; '.join([*result.kept, *bad][:5])}",
        hint="`ciliumctl migrate finish` tries again",
        detail="\n".join([*result.kept, *bad]),
    )


def values_of(found: Release) -> Mapping[str, Any]:
    """All values of a release, the chart's own among them."""
    return merge(found.defaults, found.config)
