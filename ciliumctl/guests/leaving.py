"""End a guest: a pod is deleted; a container beside others, which Kubernetes cannot remove, has its processes ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ciliumctl.clients.kube import PODS, Kube
from ciliumctl.errors import ApiFailed, CiliumctlError, NotFound
from ciliumctl.guests.model import Guest
from ciliumctl.guests.waiting import is_running, status_of
from ciliumctl.report import Reporter
from ciliumctl.wait import overtime, poll

#: Seconds for it, also when the command's time was up.
_SECONDS = 20.0
_BUSY = 3
# Seconds in which a node tells that a container has ended, and how often it is asked.
_SETTLES = 3.0
_INTERVAL = 0.3
# What a shell ends with when the container ends before it: SIGTERM, SIGKILL.
_TAKEN_ALONG = {0, 128 + 15, 128 + 9}
# Tells the process that sleeps to end, found by the name that is one of its arguments; with it go all others of the
# container. What this call itself started there and left running is ended first. Unless told otherwise it leaves a
# guest that somebody else is using: where a process runs that is neither the sleep, nor this shell, nor a child of
# either. In a container that shares the processes of another one, the control group tells whose a process is.
# Without any program but `sh`: they differ between images, and a node has many processes. `read` leaves out the NULs.
END = r"""
name=$1 session=$2 force=$3 main= ours= own= l=
holds() {
  while IFS= read -r l || [ -n "$l" ]; do case $l in *"$2"*) return 0 ;; esac; l=; done <"$1"
  return 1
} 2>/dev/null
with_line() {
  while IFS= read -r l || [ -n "$l" ]; do [ "$l" = "$2" ] && return 0; l=; done <"$1"
  return 1
} 2>/dev/null
of_status() {
  found=
  while read -r k v; do [ "$k" = "$2:" ] && found=$v && break; done <"/proc/$1/status"
} 2>/dev/null
among() { case " $2 " in *" $1 "*) return 0 ;; esac; return 1; }
while IFS= read -r l || [ -n "$l" ]; do own=$l; l=; done </proc/self/cgroup
for f in /proc/[0-9]*; do
  n=${f#/proc/}
  [ "$n" = $$ ] && continue
  with_line $f/cgroup "$own" || continue
  holds $f/cmdline "$name" && main="$main $n"
  holds $f/environ "CILIUMCTL_SESSION=$session" && ours="$ours $n"
done
[ -z "$ours" ] || kill -HUP $ours 2>/dev/null
[ -z "$ours" ] || kill -TERM $ours 2>/dev/null
[ -n "$main" ] || exit 0
if [ "$force" = 0 ]; then
  for f in /proc/[0-9]*; do
    n=${f#/proc/}
    among $n "$main $ours $$" && continue
    with_line $f/cgroup "$own" || continue
    of_status $n PPid
    [ -z "$found" ] || among $found "$main $ours $$" && continue
    of_status $n State
    case $found in '' | Z*) continue ;; esac
    exit 3
  done
fi
kill -TERM $main
"""


def take_away(kube: Kube, guest: Guest, *, force: bool = False) -> bool:
    """End a guest, whether it was made for this call or found. One request. A second time there is nothing to do.

    What runs in it of `Guest.command` ends with it. Returns whether it is gone: a container beside others that somebody
    else is using stays, unless `force` is given, and ends with the last who leaves, or with its time. A pod ends with
    whoever made it; of one that was kept for this call only what the call started is ended.

    Raises:
        ClusterError: it cannot be ended.
    """
    if guest.kind == "ephemeral":
        return _end(kube, guest, force=force)
    if guest.made or force:
        kube.delete(PODS, guest.pod, guest.namespace)
        return True
    end_session(kube, guest.namespace, guest.pod, guest.container, guest.session)
    return False


def _end(kube: Kube, guest: Guest, *, force: bool) -> bool:
    command = ["sh", "-c", END, "sh", guest.container, guest.session or "none", str(int(force))]
    try:
        ran = kube.exec(guest.namespace, guest.pod, command, container=guest.container, timeout=_SECONDS)
    except NotFound:
        return True
    except ApiFailed:
        if _has_ended(kube, guest):
            # It had ended before, or before the shell in it could.
            return True
        raise
    if ran.code in _TAKEN_ALONG:
        return True
    if ran.code == _BUSY:
        return False
    said = ran.stderr.decode("utf-8", "replace").strip()
    raise ApiFailed(f"{guest.words} could not be ended: exit code {ran.code}", hint=_hint(guest), detail=said)


def end_session(kube: Kube, namespace: str, pod: str, container: str, session: str) -> None:
    """End what a call started in somebody else's container and was cut off from; marked as by `Guest.command`.

    One request. Raises `ClusterError` when it cannot be ended.
    """
    command = ["sh", "-c", END, "sh", f"no-guest-{session}", session, "1"]
    kube.exec(namespace, pod, command, container=container, timeout=_SECONDS)


def _has_ended(kube: Kube, guest: Guest) -> bool:
    deadline = kube.deadline.within(_SETTLES)
    return not poll(lambda: runs(kube, guest), lambda yes: not yes, deadline=deadline, interval=_INTERVAL)


def runs(kube: Kube, guest: Guest) -> bool:
    """Whether a container beside others still runs. One request."""
    pod = kube.find(PODS, guest.pod, guest.namespace)
    status = status_of(pod, guest.container, "ephemeralContainerStatuses") if pod is not None else None
    return is_running(status)


def _hint(guest: Guest) -> str:
    if guest.kind == "ephemeral":
        return f"it ends by itself at {guest.expires:%H:%M} UTC; `ciliumctl debug cleanup --all` tries again"
    return f"`kubectl delete pod -n {guest.namespace} {guest.pod}`; it ends by itself at {guest.expires:%H:%M} UTC"


@contextmanager
def stay(kube: Kube, guest: Guest, report: Reporter) -> Iterator[Guest]:
    """Have a guest for the time of a block; it ends with it, and when it cannot, that is told.

    `with guests.stay(kube, guests.beside(…), report) as guest: …`
    """
    try:
        yield guest
    finally:
        part(kube, guest, report)


@contextmanager
def undo_on_failure(kube: Kube, guest: Guest, report: Reporter) -> Iterator[None]:
    """End a guest whose start failed, or was interrupted."""
    try:
        yield
    except BaseException:
        part(kube, guest, report)
        raise


def part(kube: Kube, guest: Guest, report: Reporter) -> None:
    """End a guest at the end of what it was made for; when it cannot be ended, that is told, and stops nothing."""
    try:
        with overtime(kube, seconds=_SECONDS):
            if guest.kind != "ephemeral" or runs(kube, guest):
                take_away(kube, guest)
    except CiliumctlError as error:
        report.warn(f"{guest.words} could not be taken away: {error.message}", _hint(guest))
