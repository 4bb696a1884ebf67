"""What is known of a release before anybody decides how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from ciliumctl import history, lock, status
from ciliumctl.change import paused, rollout
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import PODS, Kube, Manifest, dig
from ciliumctl.errors import Locked, Refused
from ciliumctl.history import Past
from ciliumctl.journal import BAD, Entry
from ciliumctl.parallel import together
from ciliumctl.recovery.applied import Applied
from ciliumctl.recovery.applied import look as look_applied

#: Seconds that a helm which is not ours may be at work: its own default for `--timeout`.
HELM_SECONDS = 300.0
# Of a release that was left in the middle, and of one that failed.
HALF_WAY = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that a proposal is made of. `before` is the revision that was there, and the one to go back to.

    Where the newest revision is whole, `before` is the last good one. `pause` is the mark of the pause of updates that
    the newest revision is in, or was to be in when it was killed.
    """

    past: Past
    newest: Release
    before: Release | None
    entry: Entry | None
    killed: tuple[Entry, ...]
    applied: Applied
    health: status.Status
    stale: tuple[rollout.Workload, ...] = ()
    pause: str = ""
    now: float = field(default=0.0)

    @property
    def age(self) -> float:
        """Seconds since the newest revision was made."""
        try:
            return max(0.0, self.now - datetime.fromisoformat(self.newest.updated).timestamp())
        except ValueError:
            return self.now

    @property
    def half_way(self) -> bool:
        """Whether the newest revision was not finished."""
        return self.newest.status in HALF_WAY


def look(kube: Kube, where: status.Where, now: float) -> Findings:
    """Look at the release, the journal, the lock, the agents and every object in which the revisions differ.

    Raises:
        NotFound: there is no release; ForeignOwner: something else manages Cilium; Refused: its record is damaged.
    """
    past, health = together(partial(history.past, kube, where, intention="upgrade"), partial(status.look, kube, where))
    newest = past.newest
    if not isinstance(newest, Release):
        raise Refused(
            f"what Helm stored of revision {newest.revision} is damaged: it cannot be told what there is",
            hint=f"go back with Helm itself: `helm rollback {where.release} REVISION -n {where.namespace}`; "
            "`ciliumctl history` shows the revisions",
        )
    half_way = newest.status in HALF_WAY
    # Not the last good one: going back must change nothing but what was begun, and the agents run with this one.
    before = history.replaced(past) if half_way else history.last_good(past)
    killed = tuple(entry for entry in past.entries if past.killed(entry, now))
    entry = past.entry_of(newest)
    applied = (
        look_applied(kube, before.manifest if before is not None else "", newest.manifest, newest.namespace)
        if half_way
        else Applied()
    )
    stale: tuple[rollout.Workload, ...] = ()
    if not half_way and entry is not None and entry in killed and paused.of(newest) is None:
        stale = not_restarted(kube, past, newest, entry)
    return Findings(
        past=past,
        newest=newest,
        before=before,
        entry=entry,
        killed=killed,
        applied=applied,
        health=health,
        stale=stale,
        pause=_pause(newest, entry),
        now=now,
    )


def _pause(newest: Release, entry: Entry | None) -> str:
    """The mark: in the description, or in the journal where Helm did not come to write that."""
    marked = paused.marked(newest.description)
    if marked or entry is None or not paused.laid_over(newest.config):
        return marked
    return paused.marked(entry.paused)


def not_restarted(kube: Kube, past: Past, made: Release, entry: Entry) -> tuple[rollout.Workload, ...]:
    """What a run that was killed after Helm was done did not come to restart."""
    earlier = [item for item in past.revisions if item.revision < made.revision and isinstance(item, Release)]
    if not earlier:
        return ()
    before = earlier[-1]
    assert isinstance(before, Release)  # noqa: S101 - only such were kept
    return older_than(kube, rollout.needed(before.manifest, made.manifest, made.namespace), _moment(entry.began))


def older_than(
    kube: Kube, workloads: Sequence[rollout.Workload], moment: float, *, newer: bool = False
) -> tuple[rollout.Workload, ...]:
    """Those with a pod that was made before a moment; with `newer`, with one that was made since."""
    found = []
    for workload in workloads:
        live = kube.find(rollout.WORKLOADS[workload.kind], workload.name, workload.namespace)
        labels: dict[str, str] = dig(live, "spec", "selector", "matchLabels", default={})
        if not labels:
            continue
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = kube.objects(PODS, workload.namespace, labels=selector, metadata_only=True)
        if any((_born(pod) >= int(moment)) is newer for pod in pods):
            found.append(workload)
    return tuple(found)


def _born(pod: Manifest) -> float:
    return _moment(dig(pod, "metadata", "creationTimestamp", default=""))


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def began(found: Findings) -> float:
    """When the operation that was left in the middle began, in seconds of the epoch."""
    return _moment(found.entry.began if found.entry is not None else found.newest.updated)


def refuse_if_at_work(found: Findings, *, abandoned: bool) -> None:
    """Refuse where somebody may still be at work.

    A run of ciliumctl renews its lock; of any other tool's nothing is known but when it began, so it gets Helm's own
    time. `abandoned` says that it is known to be dead.

    Raises:
        Locked: with who it is and since when.
    """
    lock.refuse_if_alive(found.past.held, found.now)
    pending = found.newest.pending
    ours = found.entry is not None
    if not pending or ours or abandoned or found.age >= HELM_SECONDS:
        return
    raise Locked(
        f"Helm release `{found.newest.name}` revision {found.newest.revision} is {found.newest.status} since "
        f"{int(found.age)} s, and another tool than ciliumctl began it: it may be at work",
        hint=f"wait until Helm's time is up ({int(HELM_SECONDS - found.age)} s), or add `--abandoned` "
        "when you know that nobody is at work on it",
    )


def unwell_before(found: Findings) -> str:
    """What the journal holds against the revision to go back to; empty when nothing."""
    entry = found.past.entry_of(found.before) if found.before is not None else None
    if entry is None or found.before is None or entry.result not in BAD:
        return ""
    return f"revision {found.before.revision} was {entry.result} too, says the journal"


def trouble(found: Findings) -> str:
    """What is wrong with the agents, the operator or Envoy that waiting will not mend; empty when nothing is."""
    bad = [
        problem.message
        for problem in found.health.problems
        if problem.severity == "error" and problem.terminal and problem.component in {"agent", "operator", "envoy"}
    ]
    return "; ".join(bad[:2])
