"""What is still there of guests: those whose program was killed, and those that are in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from ciliumctl.clients.kube import (
    FIELD_MANAGER,
    PODS,
    Kube,
    Manifest,
    annotations_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.guests import objects
from ciliumctl.guests.again import variable
from ciliumctl.guests.leaving import take_away
from ciliumctl.guests.model import EXPIRES, LABEL, NOBODY, OWNER, PREFIX, Guest, Kind, moment
from ciliumctl.guests.waiting import is_running, status_of
from ciliumctl.parallel import gather, gather_all
from ciliumctl.report import Reporter

_AT_ONCE = 16
_SUBRESOURCE = "ephemeralcontainers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One that is there: what for, whose it is, and what came of it when it was to be ended."""

    guest: Guest
    purpose: str
    owner: str
    outcome: str = ""
    detail: str = ""

    def over(self, now: datetime | None = None) -> bool:
        """Whether its time has passed."""
        return self.guest.expires < (now or datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was done about each, and how many stay because they are in use."""

    context: str
    guests: tuple[Left, ...]
    in_use: tuple[Left, ...] = ()

    @property
    def failed(self) -> tuple[Left, ...]:
        """Those that are still there."""
        return tuple(one for one in self.guests if one.outcome == "failed")

    @property
    def ok(self) -> bool:
        """Whether all that was to go is gone; nothing to do counts, too."""
        return not self.failed


def left_over(kube: Kube, namespace: str = "") -> tuple[Left, ...]:
    """All guests that are there, in the order of their namespaces and names.

    Pods are found by their label, with one request. Pods that have a container of ours beside their own cannot have a
    label (it would change their identity): they are found by who changed them, which their metadata tells. So it costs
    one request for every 500 pods, and one for each pod that was found.
    """
    found = [_of_pod(pod) for pod in kube.objects(PODS, namespace, labels=LABEL)]
    for pod in _visited(kube, namespace):
        found += _beside(pod)
    return tuple(sorted(found, key=lambda one: (one.guest.namespace, one.guest.pod, one.guest.container)))


def _of_pod(pod: Manifest) -> Left:
    name = name_of(pod)
    kind: Kind = "node" if dig(pod, "spec", "hostPID", default=False) else "pod"
    annotations = annotations_of(pod)
    guest = Guest(
        kind=kind,
        namespace=namespace_of(pod),
        pod=name,
        container=dig(pod, "spec", "containers", 0, "name", default=name),
        node=dig(pod, "spec", "nodeName", default=""),
        made=True,
        expires=moment(annotations.get(EXPIRES, "")),
    )
    return Left(guest=guest, purpose=labels_of(pod)[LABEL], owner=annotations.get(OWNER, NOBODY))


def _visited(kube: Kube, namespace: str) -> list[Manifest]:
    """Pods beside whose containers we put one, ended or not; their entries stay with them."""
    listed = kube.objects(PODS, namespace, metadata_only=True)
    keys = [(name_of(one), namespace_of(one)) for one in listed if _is_visited(one)]
    found = gather_all([partial(kube.find, PODS, *key) for key in keys], limit=_AT_ONCE)
    return [pod for pod in found if pod is not None]


def _is_visited(metadata: Manifest) -> bool:
    fields: list[Manifest] = dig(metadata, "metadata", "managedFields", default=[])
    return any(one.get("manager") == FIELD_MANAGER and one.get("subresource") == _SUBRESOURCE for one in fields)


def _beside(pod: Manifest) -> Iterator[Left]:
    """Those that run: of those that have ended only the entry is left, which goes with the pod."""
    listed: list[Manifest] = dig(pod, "spec", "ephemeralContainers", default=[])
    for one in listed:
        name = str(one.get("name"))
        purpose, dash, _number = name.removeprefix(PREFIX).rpartition("-")
        status = status_of(pod, name, "ephemeralContainerStatuses")
        if not (name.startswith(PREFIX) and dash and is_running(status)):
            continue
        guest = Guest(
            kind="ephemeral",
            namespace=namespace_of(pod),
            pod=name_of(pod),
            container=name,
            node=dig(pod, "spec", "nodeName", default=""),
            made=False,
            expires=moment(variable(one, objects.EXPIRES_VARIABLE)),
        )
        yield Left(guest=guest, purpose=purpose, owner=variable(one, objects.OWNER_VARIABLE) or NOBODY)


def clean(
    kube: Kube,
    report: Reporter,
    *,
    namespace: str = "",
    takes: Callable[[Left], bool] = Left.over,
) -> Cleaned:
    """End every guest that `takes` says yes to; as a rule those whose time has passed."""
    found = left_over(kube, namespace)
    chosen = [one for one in found if takes(one)]
    with report.step("Cleaning up") as step:
        done = gather([partial(_remove, kube, one) for one in chosen], limit=_AT_ONCE)
        guests = tuple(_told(one, result) for one, result in zip(chosen, done, strict=True))
        gone = sum(one.outcome == "removed" for one in guests)
        step.finish(f"{gone} of {len(guests)} gone", outcome="done" if gone == len(guests) else "failed")
    return Cleaned(context=kube.context, guests=guests, in_use=_others(found, chosen))


def _others(found: Sequence[Left], chosen: Sequence[Left]) -> tuple[Left, ...]:
    return tuple(one for one in found if one not in chosen)


def _remove(kube: Kube, one: Left) -> None:
    try:
        take_away(kube, one.guest, force=True)
    except NotFound:
        # Its pod went meanwhile.
        return


def _told(one: Left, result: Exception | None) -> Left:
    if result is None:
        return replace(one, outcome="removed")
    if isinstance(result, CiliumctlError):
        return replace(one, outcome="failed", detail=result.message)
    raise result
