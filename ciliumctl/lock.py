"""One change at a time: a Lease in the cluster says who is at work and since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ciliumctl.clients.kube import LEASES, Kube, Manifest, annotations_of, dig
from ciliumctl.errors import ClusterError, Conflict, Forbidden, Locked, NotFound, TimedOut
from ciliumctl.report import Reporter
from ciliumctl.wait import overtime

#: One installation a cluster, so one lock a cluster, in a namespace that every cluster has.
NAME = "ciliumctl"
NAMESPACE = "kube-system"
SECONDS = 60
# Seconds for giving it back, when the time was up already.
_TIDYING = 10.0
_COMMAND = "ciliumctl.io/command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock: the person and machine, and what is run."""

    who: str
    command: str


@contextmanager
def held(
    kube: Kube,
    holder: Holder,
    report: Reporter,
    *,
    now: Callable[[], float] = time.time,
    every: float = SECONDS / 3,
) -> Iterator[None]:
    """Hold the lock while the block runs, renewing it every `every` seconds.

    A lock that was not renewed for a minute is taken over. A user who may not use Leases goes on without, with a
    warning: Helm's own lock on the release still holds.

    Raises:
        Locked: somebody else holds it.
    """
    try:
        lease = _acquire(kube, holder, report, now())
    except Forbidden as error:
        report.warn(f"no lock can be held: {error.message}", "make sure that nobody else changes Cilium now")
        yield
        return
    uid = dig(lease, "metadata", "uid", default="")
    stopped = threading.Event()
    keeper = threading.Thread(target=_keep, args=(kube, uid, stopped, now, every), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopped.set()
        try:
            with overtime(kube, seconds=_TIDYING):
                kube.delete(LEASES, NAME, NAMESPACE, uid=uid)
        except (ClusterError, TimedOut):
            # It runs out by itself within a minute.
            report.note(f"the lock could not be given back; it runs out in {SECONDS} s")


def _acquire(kube: Kube, holder: Holder, report: Reporter, now: float) -> Manifest:
    manifest = _manifest(holder, now)
    for _attempt in range(3):
        try:
            return kube.create(LEASES, manifest, NAMESPACE)
        except Conflict:
            there = kube.find(LEASES, NAME, NAMESPACE)
        if there is None:
            continue
        _refuse_if_fresh(there, now)
        report.note(f"taking over the lock of {_holder(there)}, who is gone")
        kube.delete(LEASES, NAME, NAMESPACE, uid=dig(there, "metadata", "uid", default=""))
    raise Locked("the lock changes hands too quickly", hint="try again in a moment")


def _refuse_if_fresh(lease: Manifest, now: float) -> None:
    renewed = _seconds(dig(lease, "spec", "renewTime", default=""))
    lasts = dig(lease, "spec", "leaseDurationSeconds", default=SECONDS)
    if renewed + lasts <= now:
        return
    since = max(0, int(now - _seconds(dig(lease, "spec", "acquireTime", default=""))))
    command = annotations_of(lease).get(_COMMAND, "something")
    raise Locked(
        f"{_holder(lease)} has been running `{command}` on this cluster for {since} s",
        hint=f"wait for it; if it was killed, its lock runs out in {max(1, int(renewed + lasts - now))} s",
    )


def there(kube: Kube, *, now: float | None = None) -> str:
    """Who holds the lock, or left it behind, in one sentence; empty where there is none. One request."""
    lease = kube.find(LEASES, NAME, NAMESPACE)
    if lease is None:
        return ""
    try:
        _refuse_if_fresh(lease, time.time() if now is None else now)
    except Locked as error:
        return error.message
    return f"{_holder(lease)} left the lock behind; the next change takes it over"


def _holder(lease: Manifest) -> str:
    return dig(lease, "spec", "holderIdentity", default="somebody")


def _manifest(holder: Holder, now: float) -> Manifest:
    moment = _moment(now)
    return {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": {_COMMAND: holder.command}},
        "spec": {
            "holderIdentity": holder.who,
            "leaseDurationSeconds": SECONDS,
            "acquireTime": moment,
            "renewTime": moment,
        },
    }


def _keep(kube: Kube, uid: str, stopped: threading.Event, now: Callable[[], float], every: float) -> None:
    while not stopped.wait(every):
        patch = {"metadata": {"uid": uid}, "spec": {"renewTime": _moment(now())}}
        try:
            kube.patch(LEASES, NAME, patch, NAMESPACE)
        except (NotFound, Conflict):
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
