"""Go on with a staged restart that an earlier run began: where it came from, and what it still has to restart."""

from __future__ import annotations

from datetime import UTC, datetime

from ciliumctl import release, status
from ciliumctl.change import paused, rollout
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import Kube, annotations_of, dig

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def came_from(kube: Kube, found: Release, where: status.Where) -> Release | None:
    """The revision from before the pause; `None` when Helm has it no more, or nothing is paused."""
    pause = paused.of(found)
    if pause is None:
        return None
    known = release.revisions(kube, found.name, found.namespace, where.storage)
    before = next((one for one in known if one.revision == pause.since), None)
    return release.read(kube, before, where.storage) if before is not None else None


def outstanding(kube: Kube, found: Release, where: status.Where) -> tuple[rollout.Workload, ...]:
    """The restarts that a paused release still needs: its change of settings alone replaces no pod.

    Those are left out that were restarted since its revision was made.
    """
    before = came_from(kube, found, where)
    if before is None:
        return ()
    return tuple(
        workload
        for workload in rollout.needed(before.manifest, found.manifest, found.namespace)
        if _restarted(kube, workload) < moment(found.updated)
    )


def _restarted(kube: Kube, workload: rollout.Workload) -> datetime:
    item = kube.find(rollout.WORKLOADS[workload.kind], workload.name, workload.namespace)
    annotations = annotations_of(dig(item, "spec", "template", default={}))
    return moment(annotations.get(rollout.RESTARTED, ""))


def moment(text: str) -> datetime:
    """A time as Helm and Kubernetes write it, to the second; long ago for what is none."""
    try:
        found = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        return _LONG_AGO
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
