"""Wait until a guest runs, and say why one does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from ciliumctl.clients.kube import PODS, Kube, Manifest, dig, namespace_of
from ciliumctl.errors import ClusterError, NotFound, OutsideError, TimedOut
from ciliumctl.guests.model import Guest
from ciliumctl.report import Reporter, Step
from ciliumctl.status.trouble import TERMINAL, Trouble, explain, last_event
from ciliumctl.wait import poll

#: A state that will not mend itself must last this long, in seconds: the first pull may fail once.
GRACE = 8.0
#: Seconds for all of it: a large image over a slow line.
PATIENCE = 180.0
_INTERVAL = 0.4
_IMAGE = {"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
_ENDED = {"Succeeded", "Failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How it is with a guest. `trouble` is what it waits for, or how it ended."""

    running: bool
    trouble: Trouble
    node: str = ""
    ended: bool = False


def until_running(
    kube: Kube, guest: Guest, image: str, report: Reporter, clock: Callable[[], float] = time.monotonic
) -> Guest:
    """Wait until a guest runs; it comes back with its node.

    Raises:
        OutsideError: it will never run: its image, its command, its rights. NotFound: it, or its pod, was deleted.
        TimedOut: it did not run in time.
    """
    since: dict[str, float] = {}
    looks: list[_Look] = []
    with report.step(f"Starting {guest.words}") as step:

        def probe() -> _Look:
            look = _look(kube, guest)
            looks[:] = [look]
            if not look.running:
                _tell(kube, guest, image, look, since, clock(), step)
            return look

        # The last request may be the one that comes too late.
        with suppress(TimedOut):
            poll(probe, lambda seen: seen.running, deadline=kube.deadline.within(PATIENCE), interval=_INTERVAL)
        look = looks[0] if looks else _Look(running=False, trouble=explain({}))
        if not look.running:
            raise TimedOut(
                f"{guest.words} did not run in time: {_said(look.trouble)}",
                hint=f"`kubectl describe pod -n {guest.namespace} {guest.pod}` says more; raise `--timeout`",
            )
        step.finish(f"on node {look.node}")
    return replace(guest, node=look.node)


def _look(kube: Kube, guest: Guest) -> _Look:
    pod = kube.find(PODS, guest.pod, guest.namespace)
    if pod is None:
        raise NotFound(
            f"{guest.words} was deleted before it ran", hint="run the command again; `kubectl get events` may say why"
        )
    node = dig(pod, "spec", "nodeName", default="")
    ended = dig(pod, "status", "phase", default="") in _ENDED
    kind = "ephemeralContainerStatuses" if guest.kind == "ephemeral" else "containerStatuses"
    status = status_of(pod, guest.container, kind)
    if guest.kind == "ephemeral":
        # Told as of a pod that has this container alone.
        pod = {**pod, "status": {"phase": "Pending", "containerStatuses": [status] if status else []}}
    trouble = explain(pod)
    over: Mapping[str, object] = dig(status, "state", "terminated", default={})
    return _Look(
        running=is_running(status) and not ended,
        trouble=trouble if not over else _over(trouble, over),
        node=node,
        ended=ended or bool(over),
    )


def _over(trouble: Trouble, over: Mapping[str, object]) -> Trouble:
    said = f"exit code {over.get('exitCode', 0)}"
    message = str(over.get("message") or "").strip()
    said = f"{said}: {message.splitlines()[-1]}" if message else said
    return replace(trouble, reason=str(over.get("reason") or "ended"), message=said)


def status_of(pod: Manifest, container: str, kind: str) -> Manifest | None:
    """A container's status; `None` when the node has not told yet."""
    found: list[Manifest] = dig(pod, "status", kind, default=[])
    return next((one for one in found if one.get("name") == container), None)


def is_running(status: Manifest | None) -> bool:
    """Whether a container runs, by its status."""
    return dig(status, "state", "running") is not None


def _tell(kube: Kube, guest: Guest, image: str, look: _Look, since: dict[str, float], now: float, step: Step) -> None:
    """Say what it waits for. Raises `OutsideError` for what waiting does not mend."""
    trouble = look.trouble
    step(trouble.reason)
    if not look.ended:
        if trouble.reason not in TERMINAL:
            since.clear()
            return
        if now - since.setdefault("terminal", now) < GRACE:
            return
    raise OutsideError(
        f"{guest.words} will not run: {_said(trouble, _event(kube, guest, trouble))}", hint=_hint(image, trouble)
    )


def _said(trouble: Trouble, event: str = "") -> str:
    words = (trouble.reason, trouble.message or event)
    return ": ".join(word for word in words if word) or "nothing is known of it"


def _event(kube: Kube, guest: Guest, trouble: Trouble) -> str:
    if trouble.message:
        return ""
    try:
        pod = kube.find(PODS, guest.pod, guest.namespace)
        return last_event(kube, namespace_of(pod or {}), dig(pod, "metadata", "uid", default=""))
    except ClusterError:
        # Not everybody may read events.
        return ""


def _hint(image: str, trouble: Trouble) -> str:
    if trouble.reason in _IMAGE:
        return f"the node did not get `{image}`: `--image REF` names another, `--image-pull-secret NAME` how to get it"
    if "non-root" in trouble.message or "runAsNonRoot" in trouble.message:
        return "the image has a user that this profile does not let in: `--image REF` names another one"
    if trouble.reason == "Unschedulable":
        return "no node takes the pod: `--node NAME` puts it on one, whatever its taints"
    return f"the image `{image}` needs `sh` and `sleep` in it: `--image REF` names another one"
