"""Make a guest: beside a pod's containers, alone, or on a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ciliumctl.clients.kube import NODES, PODS, Kube, Manifest, dig, name_of, namespace_of
from ciliumctl.errors import Conflict, Forbidden, Invalid, NotFound, UsageError
from ciliumctl.guests import objects
from ciliumctl.guests.admission import explained
from ciliumctl.guests.again import same
from ciliumctl.guests.leaving import undo_on_failure
from ciliumctl.guests.model import Guest, How, Kind
from ciliumctl.guests.waiting import until_running
from ciliumctl.report import Reporter

_TRIES = 3
_ENDED = {"Succeeded", "Failed"}


def beside(kube: Kube, namespace: str, pod: str, how: How, report: Reporter, *, told: bool = False) -> Guest:
    """Put a container beside those of a pod, or use one of ours that is the same and still runs. Waits until it runs.

    Three requests, and one for each look while it starts; two when one is used again. It stays in the pod's `spec`,
    ended, for as long as the pod lives: Kubernetes cannot remove it. That is said before, unless it has been `told`.

    Raises:
        NotFound: there is no such pod. UsageError: nothing runs in it, or it has no such container.
        Forbidden: this user, or PodSecurity, may not. OutsideError: it will never run. TimedOut: not in time.
    """
    there = _pod(kube, namespace, pod)
    _check(there, how)
    node = dig(there, "spec", "nodeName", default="")
    again = same(there, how)
    if again is not None:
        return again
    name, expires = how.new_name(), how.expires()
    container = objects.ephemeral(there, name, how, expires, how.owned_by(kube.user))
    _warn_of_secret(there, how, report)
    guest = Guest(kind="ephemeral", namespace=namespace, pod=pod, container=name, node=node, made=True, expires=expires)
    if not told:
        report.note(
            f"{guest.words} stays in the pod's spec after its end, for as long as the pod lives: "
            "Kubernetes cannot remove it"
        )
    return _started(kube, guest, lambda: _add(kube, namespace, pod, container), how, report)


def alone(
    kube: Kube,
    namespace: str,
    how: How,
    report: Reporter,
    *,
    node: str = "",
    host_network: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Guest:
    """Make a pod of its own, which ends with its TTL, and wait until it runs. Two requests, and one for each look.

    Raises:
        NotFound: there is no such namespace or node. Forbidden: this user, or PodSecurity, may not.
        OutsideError: it will never run. TimedOut: not in time.
    """
    if node:
        _check_node(kube, node)
    name, expires = how.new_name(), how.expires()
    owner = how.owned_by(kube.user)
    manifest = objects.pod(name, how, expires, owner, node=node, host_network=host_network, labels=labels)
    return _made(kube, "pod", namespace, manifest, how, expires, report)


def on_node(kube: Kube, node: str, how: How, report: Reporter, namespace: str) -> Guest:
    """Make a pod with a node's network and processes, and its files at `/host` to be read; wait until it runs.

    It takes every node, also one that is cordoned. Two requests, and one for each look.

    Raises:
        NotFound: there is no such node or namespace. Forbidden: this user, or PodSecurity, may not.
        OutsideError: it will never run. TimedOut: not in time.
    """
    _check_node(kube, node)
    name, expires = how.new_name(), how.expires()
    manifest = objects.node_pod(name, node, how, expires, how.owned_by(kube.user))
    return _made(kube, "node", namespace, manifest, how, expires, report)


def _made(
    kube: Kube, kind: Kind, namespace: str, manifest: Manifest, how: How, expires: datetime, report: Reporter
) -> Guest:
    name = name_of(manifest)
    guest = Guest(kind=kind, namespace=namespace, pod=name, container=name, node="", made=True, expires=expires)

    def make() -> None:
        try:
            kube.create(PODS, manifest, namespace)
        except NotFound as error:
            raise NotFound(
                f"there is no namespace `{namespace}`", hint="`kubectl get namespaces` lists them", detail=error.detail
            ) from error

    return _started(kube, guest, make, how, report)


def _started(kube: Kube, guest: Guest, make: Callable[[], Any], how: How, report: Reporter) -> Guest:
    """Make it, and wait until it runs. Whatever ends that takes it away: an answer that never came may be a yes."""
    with undo_on_failure(kube, guest, report):
        try:
            make()
        except (Forbidden, Invalid, NotFound) as error:
            # The server said no: nothing was made.
            refusal = error
        else:
            return until_running(kube, guest, how.reference, report)
    if isinstance(refusal, NotFound):
        raise refusal
    raise explained(refusal, guest.namespace, how, guest.kind) from refusal


def _add(kube: Kube, namespace: str, pod: str, container: Manifest) -> None:
    patch = {"spec": {"ephemeralContainers": [container]}}
    for left in reversed(range(_TRIES)):
        try:
            kube.patch(PODS, pod, patch, namespace, subresource="ephemeralcontainers", strategic=True)
        except Conflict:
            # Somebody else changed the pod in that moment.
            if not left:
                raise
        else:
            return


def _pod(kube: Kube, namespace: str, name: str) -> Manifest:
    found = kube.find(PODS, name, namespace)
    if found is None:
        raise NotFound(
            f"there is no pod `{name}` in namespace `{namespace}`",
            hint=f"`kubectl get pods -n {namespace}` lists them; `-A` those of all namespaces",
        )
    return found


def _check_node(kube: Kube, node: str) -> None:
    try:
        there = kube.find(NODES, node) is not None
    except Forbidden:
        # Not everybody may read nodes; a pod on one that does not exist says so in time.
        return
    if not there:
        raise NotFound(f"there is no node `{node}`", hint="`kubectl get nodes` lists them")


def _check(pod: Manifest, how: How) -> None:
    """Refuse what Kubernetes would take and never start, or would refuse with other words."""
    phase = dig(pod, "status", "phase", default="")
    what = f"pod `{namespace_of(pod)}/{name_of(pod)}`"
    if phase in _ENDED:
        raise UsageError(f"{what} has ended ({phase}): nothing runs in it", hint="name one that runs")
    if not dig(pod, "spec", "nodeName", default=""):
        raise UsageError(f"{what} is on no node yet: nothing runs in it", hint=f"`kubectl describe pod {name_of(pod)}`")
    if dig(pod, "metadata", "deletionTimestamp", default=""):
        raise UsageError(f"{what} is being deleted", hint="name one that stays")
    listed: list[Manifest] = dig(pod, "spec", "containers", default=[])
    names = [str(one.get("name")) for one in listed]
    if how.target and how.target not in names:
        raise UsageError(f"{what} has no container `{how.target}`", hint=f"it has {', '.join(names)}")
    if dig(pod, "metadata", "annotations", "kubernetes.io/config.mirror", default=""):
        raise UsageError(
            f"{what} is a static pod, beside which nothing can be put",
            hint=f"`ciliumctl debug shell node/{dig(pod, 'spec', 'nodeName', default='')}` looks from its node",
        )


def _warn_of_secret(pod: Manifest, how: How, report: Reporter) -> None:
    listed: list[Manifest] = dig(pod, "spec", "imagePullSecrets", default=[])
    if how.pull_secret and how.pull_secret not in [one.get("name") for one in listed]:
        report.warn(
            f"what comes beside a pod's containers is pulled with the pod's own secrets, not with `{how.pull_secret}`",
            "the image must be on the node, or in a registry that asks for none",
        )
