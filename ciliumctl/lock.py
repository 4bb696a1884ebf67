"""One change at a time: a Lease in the cluster says who is at work and since when."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ciliumctl import machine
from ciliumctl.clients.kube import LEASES, Kube, Manifest, annotations_of, dig
from ciliumctl.errors import ClusterError, Conflict, Forbidden, Locked, NotFound, TimedOut
from ciliumctl.report import Reporter
from ciliumctl.wait import overtime

#: One installation a cluster, so one lock a cluster, in a namespace that every cluster has.
NAME = "ciliumctl"
NAMESPACE = "kube-system"
SECONDS = 60
#: Seconds between two renewals.
RENEWED_EVERY = SECONDS / 3
# Seconds between two looks at a lock that has run out by our clock.
_LOOK_EVERY = 5.0
# Seconds for giving it back, when the time was up already.
_TIDYING = 10.0
_COMMAND = "ciliumctl.io/command"
_PROCESS = "ciliumctl.io/process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock: the person and machine, what is run, and the mark of the process (`machine.here`)."""

    who: str
    command: str
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The lock as it is in the cluster: when it was taken and when it runs out, in seconds of the epoch."""

    holder: Holder
    since: float
    lapses: float
    uid: str
    renewed: str = ""

    def alive(self, now: float) -> bool:
        """Whether its holder may be at work: it is renewed, and its process is not known to have ended."""
        return now < self.lapses and not machine.gone(self.holder.process)


def look(kube: Kube) -> Lock | None:
    """The lock; `None` when nobody holds it. One request."""
    lease = kube.find(LEASES, NAME, NAMESPACE)
    return _lock(lease) if lease is not None else None


def clear(kube: Kube, held: Lock) -> bool:
    """Take away the lock of a holder who is gone, unless somebody else has it by now. Returns whether it was there."""
    try:
        return kube.delete(LEASES, NAME, NAMESPACE, uid=held.uid)
    except Conflict:
        return False


def told(kube: Kube, *, now: float | None = None) -> str:
    """Who holds the lock, or left it behind, in one sentence; empty where there is none. One request."""
    there = look(kube)
    if there is None:
        return ""
    try:
        refuse_if_alive(there, time.time() if now is None else now)
    except Locked as error:
        return error.message
    return f"{there.holder.who} left the lock behind; the next change takes it over"


def refuse_if_alive(held: Lock | None, now: float) -> None:
    """Raises `Locked` when somebody may be at work."""
    if held is None or not held.alive(now):
        return
    since = max(0, int(now - held.since))
    raise Locked(
        f"{held.holder.who} has been running `{held.holder.command}` on this cluster for {since} s",
        hint=f"wait for it; if it was killed, its lock runs out in {max(1, int(held.lapses - now))} s",
    )


def _lock(lease: Manifest) -> Lock:
    marks = annotations_of(lease)
    renewed = _seconds(dig(lease, "spec", "renewTime", default=""))
    return Lock(
        holder=Holder(
            who=dig(lease, "spec", "holderIdentity", default="somebody"),
            command=marks.get(_COMMAND, "something"),
            process=marks.get(_PROCESS, ""),
        ),
        since=_seconds(dig(lease, "spec", "acquireTime", default="")),
        lapses=renewed + dig(lease, "spec", "leaseDurationSeconds", default=SECONDS),
        uid=dig(lease, "metadata", "uid", default=""),
        renewed=dig(lease, "spec", "renewTime", default=""),
    )


class Held:
    """The lock that this run holds, or has lost."""

    def __init__(self) -> None:
        self.lost = threading.Event()

    def check(self) -> None:
        """Go on only with the lock. Raises `Locked` when it was taken away or over: somebody else may be at work."""
        if self.lost.is_set():
            raise Locked(
                "this run has lost its lock on the cluster: somebody else may be at work",
                hint="`ciliumctl status` shows how far it came, `ciliumctl history` who else is at work",
            )


@contextmanager
def held(
    kube: Kube,
    holder: Holder,
    report: Reporter,
    *,
    now: Callable[[], float] = time.time,
    every: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Held]:
    """Hold the lock while the block runs, renewing it. What it gives says when it was lost.

    A lock is taken over whose process on this machine has ended, or that has run out and is not renewed for another
    minute of ours: clocks of two machines differ. A user who may not use Leases goes on without, with a warning: Helm's
    own lock on the release still holds.

    Raises:
        Locked: somebody else holds it.
    """
    try:
        lease = _acquire(kube, holder, report, now, pause)
    except Forbidden as error:
        report.warn(f"no lock can be held: {error.message}", "make sure that nobody else changes Cilium now")
        yield Held()
        return
    mine = Held()
    uid = dig(lease, "metadata", "uid", default="")
    stopped = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(kube, uid, stopped, mine.lost, now, every or RENEWED_EVERY), daemon=True
    )
    keeper.start()
    try:
        yield mine
    finally:
        stopped.set()
        try:
            with overtime(kube, seconds=_TIDYING):
                kube.delete(LEASES, NAME, NAMESPACE, uid=uid)
        except (ClusterError, TimedOut):
            # It runs out by itself within a minute.
            report.note(f"the lock could not be given back; it runs out in {SECONDS} s")


def _acquire(
    kube: Kube, holder: Holder, report: Reporter, now: Callable[[], float], pause: Callable[[float], None]
) -> Manifest:
    for _attempt in range(3):
        try:
            return kube.create(LEASES, _manifest(holder, now()), NAMESPACE)
        except Conflict:
            there = look(kube)
        if there is None:
            continue
        refuse_if_alive(there, now())
        if not machine.gone(there.holder.process) and not _abandoned(kube, there, report, now, pause):
            continue
        report.note(f"taking over the lock of {there.holder.who}, who is gone")
        clear(kube, there)
    raise Locked("the lock changes hands too quickly", hint="try again in a moment")


def _abandoned(
    kube: Kube, there: Lock, report: Reporter, now: Callable[[], float], pause: Callable[[float], None]
) -> bool:
    """Whether nobody renews a lock that has run out by our clock; false when it is gone by itself.

    Raises:
        Locked: it is renewed: the clocks differ, and its holder is at work.
    """
    with report.step(f"Waiting whether {there.holder.who} still renews the lock") as step:
        for _look in range(math.ceil(SECONDS / _LOOK_EVERY)):
            pause(_LOOK_EVERY)
            seen = look(kube)
            if seen is None:
                step.finish("it was given back")
                return False
            if (seen.uid, seen.renewed) != (there.uid, there.renewed):
                since = max(0, int(now() - seen.since))
                raise Locked(
                    f"{seen.holder.who} has been running `{seen.holder.command}` on this cluster for {since} s",
                    hint="wait for it; it renews its lock, and its machine's clock differs from this one's",
                )
        step.finish("nobody does")
    return True


def _manifest(holder: Holder, now: float) -> Manifest:
    moment = _moment(now)
    marks = {_COMMAND: holder.command} | ({_PROCESS: holder.process} if holder.process else {})
    return {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": marks},
        "spec": {
            "holderIdentity": holder.who,
            "leaseDurationSeconds": SECONDS,
            "acquireTime": moment,
            "renewTime": moment,
        },
    }


def _keep(
    kube: Kube, uid: str, stopped: threading.Event, lost: threading.Event, now: Callable[[], float], every: float
) -> None:
    while not stopped.wait(every):
        patch = {"metadata": {"uid": uid}, "spec": {"renewTime": _moment(now())}}
        try:
            kube.patch(LEASES, NAME, patch, NAMESPACE)
        except (NotFound, Conflict):
            # Taken away, or over: a thread cannot stop the others, so they ask before each step.
            if not stopped.is_set():
                lost.set()
            return
        except (ClusterError, TimedOut):
            # The API server may be away for a while; the next round tries again.
            continue


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
