"""Take away what a run made: at its end, and what runs that were killed left behind."""

from __future__ import annotations

from datetime import UTC, datetime

from ciliumctl.clients.kube import NAMESPACES, Kube, Manifest, name_of
from ciliumctl.errors import CiliumctlError, TimedOut
from ciliumctl.nodework import bed
from ciliumctl.report import Reporter
from ciliumctl.wait import overtime, poll

# Seconds for it, also when the command's time was up.
_SECONDS = 60.0


def clean_up(kube: Kube, report: Reporter, *, alone: str = "") -> tuple[str, ...]:
    """Remove what killed runs left: what was not renewed, and all of the task `alone`, at which nobody else can be.

    Returns the namespaces that were removed.
    """
    found = [one for one in kube.objects(NAMESPACES, labels=bed.TASK) if expired(one) or bed.of(one).task == alone]
    if not found:
        return ()
    owners = ", ".join(sorted({bed.of(one).owner for one in found}))
    report.note(f"removing what a run that was killed left on the nodes ({owners})")
    return tuple(name_of(one) for one in found if take_away(kube, name_of(one), report))


def expired(namespace: Manifest, now: datetime | None = None) -> bool:
    """Whether the run that made it is gone."""
    return bed.of(namespace).expires < (now or datetime.now(UTC))


def take_away(kube: Kube, namespace: str, report: Reporter) -> bool:
    """Delete a run's namespace and wait until it is gone; what was found must not be lost because it stays."""
    try:
        with overtime(kube, seconds=_SECONDS):
            kube.delete(NAMESPACES, namespace)
            gone = poll(
                lambda: kube.find(NAMESPACES, namespace) is None,
                bool,
                deadline=kube.deadline.within(_SECONDS),
                interval=0.5,
            )
            if not gone:
                raise TimedOut("it is still being deleted")
    except CiliumctlError as error:
        report.warn(
            f"namespace `{namespace}` could not be taken away: {error.message}",
            f"`kubectl delete namespace {namespace}`; the next run tries again",
        )
        return False
    return True
