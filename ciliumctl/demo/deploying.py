"""Make the application, or change it to what is wanted, and wait until it answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from ciliumctl.clients.kube import (
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SERVICES,
    Kube,
    Manifest,
    conditions_of,
    dig,
)
from ciliumctl.demo import ours
from ciliumctl.demo.model import NAME, SELECTOR, DemoDeployed, Wanted
from ciliumctl.errors import NotFound, OutsideError, TimedOut
from ciliumctl.report import Reporter, Step
from ciliumctl.status.trouble import TERMINAL, Trouble, explain, last_event
from ciliumctl.wait import overtime, poll

#: Seconds that a state which will not mend itself must last: the first pull may fail once.
GRACE = 10.0
# Seconds for a look that began when the time was all but up: it says what was missing.
_LAST_LOOK = 5.0
_IMAGE = {"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"}


def deploy(kube: Kube, wanted: Wanted, report: Reporter, *, wait: bool) -> DemoDeployed:
    """Make the application; a second time changes nothing. Four requests, and two a second while it is waited for.

    Raises:
        ForeignOwner: there is an nginx that is not ours.
        NotFound: there is no such namespace.
        OutsideError: its pods will never run. TimedOut: they do not in time.
    """
    before = ours.there(kube, wanted.namespace)
    if before == (None, None) and kube.find(NAMESPACES, wanted.namespace) is None:
        raise NotFound(
            f"there is no namespace `{wanted.namespace}`", hint=f"`kubectl create namespace {wanted.namespace}`"
        )
    deployment, service = ours.manifests(wanted)
    report.resume = f"`ciliumctl demo delete -n {wanted.namespace}` removes what was made"
    # What is ours and was changed by hand becomes what is asked for.
    made = (
        kube.apply(DEPLOYMENTS, deployment, wanted.namespace, force=True),
        kube.apply(SERVICES, service, wanted.namespace, force=True),
    )
    changed = any(_state(old) != _state(new) for old, new in zip(before, made, strict=True))
    found = made[0]
    if wait and wanted.replicas:
        with report.step("Waiting for the demo application") as step:
            found = _Waiting(kube, wanted, step).wait()
            step.finish(f"{wanted.replicas} of {wanted.replicas} pods ready")
    report.resume = ""
    return DemoDeployed(
        namespace=wanted.namespace,
        image=ours.image(wanted),
        replicas=wanted.replicas,
        ready=dig(found, "status", "readyReplicas", default=0),
        type=wanted.type,
        node_port=ours.node_port(made[1]),
        changed=changed,
        waited=wait,
    )


def _state(found: Manifest | None) -> tuple[str, int, str]:
    """What tells whether an object was changed: its version without its status, and the kind of a Service."""
    return (
        dig(found, "metadata", "uid", default=""),
        dig(found, "metadata", "generation", default=0),
        dig(found, "spec", "type", default=""),
    )


class _Waiting:
    """Looks at the Deployment and its pods until all are ready."""

    def __init__(self, kube: Kube, wanted: Wanted, step: Step, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._wanted = wanted
        self._step = step
        self._clock = clock
        self._since: dict[str, float] = {}
        self._troubles: list[Trouble] = []

    def wait(self) -> Manifest:
        """The Deployment, ready. Raises `OutsideError`, `TimedOut`."""
        found = poll(self._look, self._done, deadline=self._kube.deadline, interval=1.0)
        if not self._done(found):
            named = "; ".join(f"{one.pod}: {_said(one)}" for one in self._troubles[:3]) or "no pod was made"
            raise TimedOut(
                f"the demo application was not ready in time: {named}",
                hint=f"`kubectl describe pods -n {self._wanted.namespace} -l {SELECTOR}` says more; "
                "raise `--timeout` when it is only slow",
            )
        return found

    def _done(self, found: Manifest) -> bool:
        updated, available, every = (_count(found, name) for name in ("updated", "available", ""))
        return _observed(found) and min(updated, available) >= self._wanted.replicas == every

    def _look(self) -> Manifest:
        with overtime(self._kube, seconds=_LAST_LOOK):
            return self._seen()

    def _seen(self) -> Manifest:
        place = self._wanted.namespace
        found = self._kube.get(DEPLOYMENTS, NAME, place)
        pods = [] if self._done(found) else list(self._kube.objects(PODS, place, labels=SELECTOR))
        waiting = [
            (pod, explain(pod)) for pod in pods if dig(conditions_of(pod).get("Ready"), "status", default="") != "True"
        ]
        self._troubles = [one for pod, one in waiting if not dig(pod, "metadata", "deletionTimestamp", default="")]
        self._refused(found)
        for pod, trouble in waiting:
            # Of an earlier deployment there may be pods that never ran: they go when the new ones are there.
            if _images(pod["spec"]) == _images(found["spec"]["template"]["spec"]):
                self._judge(pod, trouble)
        lines = sorted(f"{one.pod} on {one.node or 'no node'}: {one.reason}" for one in self._troubles)
        self._step(f"{self._ready(found)} of {self._wanted.replicas} pods ready", lines)
        return found

    def _ready(self, found: Manifest) -> int:
        """How many pods are as wanted: those of an older version count as the ones they still stand in for."""
        if not _observed(found):
            return 0
        ready = min(_count(found, "updated"), self._wanted.replicas - _count(found, "unavailable"))
        return max(0, ready)

    def _lasts(self, key: str) -> bool:
        now = self._clock()
        return now - self._since.setdefault(key, now) >= GRACE

    def _refused(self, found: Manifest) -> None:
        """Pods that cannot even be made: a quota, or a namespace that takes no such pods."""
        failure = conditions_of(found).get("ReplicaFailure", {})
        if dig(failure, "status", default="") != "True":
            self._since.pop("", None)
        elif self._lasts(""):
            raise OutsideError(
                f"no pod of the demo application can be made: {dig(failure, 'message', default='no reason given')}",
                hint="another namespace with `-n`; an `--image` that needs root is not let in everywhere",
            )

    def _judge(self, pod: Manifest, trouble: Trouble) -> None:
        if trouble.reason not in TERMINAL:
            self._since.pop(trouble.pod, None)
        elif self._lasts(trouble.pod):
            event = last_event(self._kube, self._wanted.namespace, dig(pod, "metadata", "uid", default=""))
            raise OutsideError(
                f"pod `{trouble.pod}` of the demo application will not run: {trouble.reason}: "
                f"{trouble.message or event or trouble.last_end}",
                hint="`--image REF` or `--registry PREFIX` name an image that the nodes can pull"
                if trouble.reason in _IMAGE
                else f"`kubectl describe pod -n {self._wanted.namespace} {trouble.pod}` says more",
            )


def _images(spec: Manifest) -> list[str]:
    containers: list[Manifest] = dig(spec, "containers", default=[])
    return [dig(container, "image", default="") for container in containers]


def _count(found: Manifest, which: str) -> int:
    """One of a Deployment's counts: `updatedReplicas` and its like; all of them for an empty name."""
    count: int = dig(found, "status", f"{which}Replicas" if which else "replicas", default=0)
    return count


def _observed(found: Manifest) -> bool:
    """Whether the counts are of what is wanted now."""
    seen: int = dig(found, "status", "observedGeneration", default=0)
    wanted: int = dig(found, "metadata", "generation", default=0)
    return seen >= wanted


def _said(trouble: Trouble) -> str:
    return f"{trouble.reason}: {trouble.message}" if trouble.message else trouble.reason
