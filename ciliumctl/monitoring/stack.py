"""A small Prometheus and Grafana for a while: in a namespace of their own, marked, with a time to live.

A Job each, whose deadline ends them when nobody does. Grafana's dashboards are the charts' own, copied out of the
ConfigMaps that carry their label; Prometheus may look at the pods in Cilium's namespace, and at nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

from ciliumctl import permissions
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    JOBS,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    SECRETS,
    Access,
    Kube,
    Manifest,
    annotations_of,
    conditions_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import Exists, Invalid, OutsideError, TimedOut
from ciliumctl.guests.model import NOBODY, OWNER
from ciliumctl.monitoring import manifests
from ciliumctl.monitoring.manifests import LABEL, PROGRAMS, ROLES, Wanted
from ciliumctl.monitoring.parts import DASHBOARD_LABEL
from ciliumctl.parallel import gather_all
from ciliumctl.report import Reporter, Step
from ciliumctl.status.trouble import explain
from ciliumctl.wait import poll

#: Seconds for a namespace or a Job to go, and that a state without a way out must last.
_GONE, GRACE = 120.0, 10.0
_SELECTOR = f"{LABEL}=stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStack:
    """The stack as it is. `expires` is a moment, empty for none; `dashboards` are the charts' ConfigMaps."""

    kind: ClassVar[str] = "MonitoringStack"

    context: str
    namespace: str
    images: Mapping[str, str]
    dashboards: tuple[str, ...]
    expires: str
    ready: bool
    waited: bool

    @property
    def ok(self) -> bool:
        """Whether it runs, where that was waited for."""
        return self.ready or not self.waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stack that is there. `owner` is a user and a machine, `NOBODY` where it does not say."""

    namespace: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStackRemoval:
    """What was taken away, as `kind/namespace/name`."""

    kind: ClassVar[str] = "MonitoringStackRemoval"

    context: str
    removed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Always: nothing to do counts, too."""
        return True


def deploy(kube: Kube, wanted: Wanted, report: Reporter) -> MonitoringStack:
    """Start it, or bring what runs up to date. About twenty requests, and one a second while it waits.

    Raises:
        Exists: the namespace is somebody else's. Forbidden: rights are missing. OutsideError: a pod will never run.
        TimedOut: it is not ready in time.
    """
    check_rights(kube, wanted)
    there = kube.find(NAMESPACES, wanted.namespace)
    if there is not None and LABEL not in labels_of(there):
        raise Exists(
            f"namespace `{wanted.namespace}` exists and is not of `ciliumctl monitoring deploy`",
            hint="name another one: `--target-namespace NAME`",
        )
    # Who brings another's stack up to date does not take it over.
    wanted = replace(wanted, owner=annotations_of(there or {}).get(OWNER, wanted.owner))
    report.resume = "`ciliumctl monitoring delete` takes away what is there"
    dashboards = _dashboards(kube)
    expires = datetime.now(UTC) + timedelta(seconds=wanted.ttl) if wanted.ttl else None
    moment = expires.isoformat(timespec="seconds") if expires else ""
    with report.step("Starting Prometheus and Grafana") as step:
        step("namespace and configuration")
        kube.apply(NAMESPACES, manifests.namespace(wanted, moment), force=True)
        _password(kube, wanted.namespace)
        for resource, manifest in manifests.objects(wanted, dashboards):
            kube.apply(resource, manifest, namespace_of(manifest), force=True)
        for name in PROGRAMS:
            _start(kube, manifests.job(wanted, name, dashboards))
        ready = _wait(kube, wanted.namespace, step) if wanted.wait else False
    report.resume = ""
    return MonitoringStack(
        context=kube.context,
        namespace=wanted.namespace,
        images={name: wanted.image(name) for name in PROGRAMS},
        dashboards=tuple(name_of(one) for one in dashboards),
        expires=moment,
        ready=ready,
        waited=wanted.wait,
    )


def check_rights(kube: Kube, wanted: Wanted) -> None:
    """Refuse before anything is made what could not be made, or taken away again. Raises `Forbidden`."""
    asked = [
        Access(verb=verb, resource=resource, namespace=place)
        for resource, place in ((NAMESPACES, ""), (ROLES, wanted.cilium_namespace), (JOBS, wanted.namespace))
        for verb in ("create", "delete")
    ]
    hint = "use another context, or ask for the rights; `ciliumctl metrics top` needs no stack"
    permissions.demand(kube, asked, by="the stack", hint=hint)


def _dashboards(kube: Kube) -> list[Manifest]:
    """The charts' dashboards, wherever they are. One request; the largest is 319 kB."""
    found = kube.objects(CONFIG_MAPS, labels=f"{DASHBOARD_LABEL},app.kubernetes.io/part-of=cilium,!{LABEL}")
    return sorted(found, key=name_of)


def _password(kube: Kube, namespace: str) -> None:
    """Make a password for Grafana's administrator once; it is never shown."""
    if kube.find(SECRETS, "grafana", namespace) is None:
        made = {"stringData": {"admin-password": secrets.token_urlsafe(24)}}
        kube.create(SECRETS, {**manifests.made(SECRETS, "Secret", "grafana", namespace), **made}, namespace)


def _start(kube: Kube, job: Manifest) -> None:
    """Start a Job; one that is there with other pods, or is over, is replaced: Jobs cannot be changed."""
    name, namespace = name_of(job), namespace_of(job)
    there = kube.find(JOBS, name, namespace)
    over = {"Complete", "Failed"} & {
        kind for kind, one in conditions_of(there or {}).items() if one.get("status") == "True"
    }
    if there is not None and not over:
        try:
            kube.apply(JOBS, job, namespace, force=True)
        except Invalid:
            over = {"Changed"}
        else:
            return
    if there is not None:
        kube.delete(JOBS, name, namespace, foreground=True)
        poll(
            lambda: kube.find(JOBS, name, namespace),
            lambda found: found is None,
            deadline=kube.deadline.within(_GONE),
            interval=0.5,
        )
    kube.apply(JOBS, job, namespace, force=True)


def _wait(kube: Kube, namespace: str, step: Step) -> bool:
    """Wait until both are ready. Raises `OutsideError` for a pod that never will be, `TimedOut`."""
    since: dict[str, float] = {}

    def look() -> list[Manifest]:
        listed = kube.objects(PODS, namespace, labels=LABEL)
        pods = [pod for pod in listed if not dig(pod, "metadata", "deletionTimestamp", default="")]
        for pod in pods:
            _refuse_hopeless(pod, since)
        step(f"{sum(map(_ready, pods))} of {len(PROGRAMS)} ready")
        return pods

    def done(pods: Sequence[Manifest]) -> bool:
        return {labels_of(pod).get("app.kubernetes.io/name") for pod in pods if _ready(pod)} >= set(PROGRAMS)

    pods = poll(look, done, deadline=kube.deadline, interval=1.0)
    if done(pods):
        return True
    found = [(name_of(pod), explain(pod)) for pod in pods if not _ready(pod)]
    waiting = [f"{name}: {trouble.reason} {trouble.message}".strip() for name, trouble in found]
    raise TimedOut(
        f"the stack was not ready in time: {'; '.join(waiting) or 'no pod was made'}",
        hint=f"`kubectl describe pods -n {namespace}` says more; `ciliumctl monitoring delete` takes it away",
    )


def _refuse_hopeless(pod: Manifest, since: dict[str, float]) -> None:
    """Raise `OutsideError` for a pod that is in a state without a way out for longer than a moment."""
    trouble = explain(pod)
    if _ready(pod) or not trouble.terminal:
        since.pop(name_of(pod), None)
    elif time.monotonic() - since.setdefault(name_of(pod), time.monotonic()) >= GRACE:
        raise OutsideError(
            f"pod `{namespace_of(pod)}/{name_of(pod)}` will not run: {trouble.reason}: {trouble.message}",
            hint="`--image prometheus=REF`, `--image grafana=REF` or `--registry PREFIX` name other images; "
            "`ciliumctl monitoring delete` takes the stack away",
        )


def _ready(pod: Manifest) -> bool:
    return dig(conditions_of(pod).get("Ready"), "status", default="") == "True"


def found(kube: Kube) -> tuple[Found, ...]:
    """All stacks that are there. One request."""
    listed = kube.objects(NAMESPACES, labels=_SELECTOR, metadata_only=True)
    return tuple(Found(namespace=name_of(one), owner=annotations_of(one).get(OWNER, NOBODY)) for one in listed)


def delete(kube: Kube, namespaces: Collection[str], report: Reporter) -> MonitoringStackRemoval:
    """Take stacks away, with the roles that they have in Cilium's namespace. Waits until they are gone.

    Roles of stacks whose namespaces are gone already go, too.

    Raises:
        TimedOut: a namespace does not go away.
    """
    # Before the namespaces are listed: a stack that is just starting has its namespace first.
    roles = [
        (resource, f"{kind}/{namespace_of(one)}/{name_of(one)}", one)
        for resource, kind in ((ROLE_BINDINGS, "rolebinding"), (ROLES, "role"))
        for one in kube.objects(resource, labels=_SELECTOR, metadata_only=True)
    ]
    there = [one.namespace for one in found(kube)]
    staying = {manifests.role_name(name) for name in there if name not in namespaces}
    removed: list[str] = []
    for resource, key, one in roles:
        if name_of(one) not in staying:
            kube.delete(resource, name_of(one), namespace_of(one))
            removed.append(key)
    names = [name for name in there if name in namespaces]
    if names:
        _delete_namespaces(kube, names, report)
    removed += [f"namespace/{name}" for name in names]
    return MonitoringStackRemoval(context=kube.context, removed=tuple(removed))


def _delete_namespaces(kube: Kube, names: Sequence[str], report: Reporter) -> None:
    with report.step("Taking the stack away") as step:
        gather_all([partial(kube.delete, NAMESPACES, name) for name in names])

        def there() -> list[str]:
            left = [name for name in names if kube.find(NAMESPACES, name) is not None]
            step(f"{len(left)} of {len(names)} namespaces left")
            return left

        left = poll(there, lambda found: not found, deadline=kube.deadline.within(_GONE), interval=0.5)
        if left:
            raise TimedOut(
                f"namespace `{left[0]}` does not go away",
                hint="`ciliumctl monitoring delete` tries again; `kubectl describe namespace` says what holds it",
            )
