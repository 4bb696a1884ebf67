"""Take a change back that failed: what it looked like is kept, Helm goes back, and Cilium is healthy again or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ciliumctl import release, status, sysdump
from ciliumctl.change import progress, rollout
from ciliumctl.clients.helm import Helm, Release
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError
from ciliumctl.report import Reporter
from ciliumctl.status import Status
from ciliumctl.wait import Deadline, overtime

#: Seconds for what is read before it is gone, and the most bytes of it.
_LOOKING_BACK = 15.0
_DUMP_SIZE = 20 * 1024 * 1024
_DUMP_NODES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What it is done with. `seconds` is the longest time to get healthy again, whatever was used up before."""

    helm: Helm
    where: status.Where
    report: Reporter
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The revision that Helm made of the old one, how Cilium is with it, and the file that tells of the failure."""

    revision: int
    status: Status
    dump: str = ""


def left_by_it(kube: Kube, before: Release, where: status.Where) -> int:
    """The revision of Helm that the failed change has left; 0 for none: one that Helm refused to begin."""
    there = release.revisions(kube, before.name, before.namespace, where.storage)
    return there[-1].revision if there and there[-1].revision != before.revision else 0


def take_back(kube: Kube, before: Release, work: Work) -> TakenBack:
    """Go back to the revision from before the change. It has time of its own.

    Raises:
        CiliumctlError: Helm could not go back.
    """
    with overtime(kube, work.helm, seconds=work.seconds):
        dump = _dump(kube, work)
        there = release.current(kube, before.name, before.namespace, work.where.storage)
        with work.report.step(f"Taking it back to revision {before.revision}") as step:
            made = release.back_to(kube, work.helm, before, work.where.storage)
            step.finish(f"revision {made.revision}, Cilium {before.chart_version}")
        if there is not None:
            rollout.restart(kube, rollout.needed(there.manifest, made.manifest, made.namespace), work.report)
        found = status.wait(
            kube,
            work.where,
            deadline=Deadline.after(work.seconds),
            report=work.report,
            tell=progress.following(kube, work.where.namespace),
        )
    return TakenBack(revision=made.revision, status=found, dump=dump)


def _dump(kube: Kube, work: Work) -> str:
    """A small sysdump of what is wrong, read before it is gone; none is no reason not to go back."""
    try:
        path = sysdump.free("", datetime.now().astimezone())
        unwell = [line.name for line in status.look(kube, work.where).nodes if line.agent_state != "Ready"]
        wanted = sysdump.Wanted(
            path=path,
            namespace=work.where.namespace,
            release=work.where.release,
            storage=work.where.storage,
            nodes=tuple(unwell[:_DUMP_NODES]),
            since=3600.0,
            max_size=_DUMP_SIZE,
            seconds=_LOOKING_BACK,
        )
        sysdump.collect(kube, wanted, work.report)
    except CiliumctlError as error:
        work.report.warn(f"no sysdump of the failure: {error.message}")
        return ""
    return str(Path(path).absolute())
