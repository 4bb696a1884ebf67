"""Find a guest that runs already and was made in the same way: it is used again, in place of another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ciliumctl.clients.kube import PODS, Kube, Manifest, annotations_of, dig, name_of, namespace_of
from ciliumctl.errors import Forbidden
from ciliumctl.guests import objects
from ciliumctl.guests.model import EXPIRES, KEPT, LABEL, NOBODY, OWNER, PREFIX, Guest, How, Kind, moment
from ciliumctl.guests.waiting import is_running, status_of

# One that ends within this many seconds is of no use any more.
_SPARE = 30.0


def kept(
    kube: Kube, namespace: str, how: How, *, kind: Kind, node: str = "", host_network: bool = False
) -> Guest | None:
    """A pod that this owner kept (`How.keep`), which has what one made now would have. One request.

    Whoever made it without keeping it deletes it at the end, whoever else may be in it: such a one is not used again.
    """
    for pod in _guests(kube, namespace, how):
        marks, name = annotations_of(pod), name_of(pod)
        expires = moment(marks.get(EXPIRES, ""))
        mine = KEPT in marks and marks.get(OWNER) == how.owned_by(kube.user)
        there = dig(pod, "spec", "nodeName", default="")
        if not (mine and _lasts(expires) and (not node or there == node)):
            continue
        if kind == "node":
            wanted = objects.node_pod(name, there, how, expires, NOBODY)
        else:
            wanted = objects.pod(name, how, expires, NOBODY, node=node, host_network=host_network)
        if _is_pod(pod, wanted) and is_running(status_of(pod, name, "containerStatuses")):
            return Guest(
                kind=kind, namespace=namespace, pod=name, container=name, node=there, made=False, expires=expires
            )
    return None


def _guests(kube: Kube, namespace: str, how: How) -> list[Manifest]:
    try:
        return list(kube.objects(PODS, namespace, labels=f"{LABEL}={how.purpose}"))
    except Forbidden:
        # Who may make pods may not always list them: another one is made then.
        return []


def _is_pod(pod: Manifest, wanted: Manifest) -> bool:
    """Whether a pod has the image, the rights, the command and the networks of another."""
    if dig(pod, "metadata", "deletionTimestamp", default=""):
        return False
    equal = all(dig(pod, "spec", key, default=False) == wanted["spec"].get(key, False) for key in _NETWORKS)
    has: Manifest = dig(pod, "spec", "containers", 0, default={})
    asked: Manifest = dig(wanted, "spec", "containers", 0, default={})
    # The last word of a sleep is how long.
    equal = equal and list(has.get("command", ()))[:-1] == asked["command"][:-1]
    return equal and all(has.get(key, {}) == asked.get(key, {}) for key in ("image", "securityContext"))


_NETWORKS = ("hostNetwork", "hostPID")


def _lasts(expires: datetime) -> bool:
    return (expires - datetime.now(UTC)).total_seconds() > _SPARE


def same(pod: Manifest, how: How) -> Guest | None:
    """A guest of ours in a pod that was made in the same way and still runs for a while."""
    listed: list[Manifest] = dig(pod, "spec", "ephemeralContainers", default=[])
    for one in reversed(listed):
        name = str(one.get("name"))
        if name == how.ended or not name.startswith(f"{PREFIX}{how.purpose}-") or one.get("image") != how.reference:
            continue
        if dig(one, "targetContainerName", default="") != how.target or not _like(one, pod, name, how):
            continue
        status = status_of(pod, name, "ephemeralContainerStatuses")
        expires = moment(variable(one, objects.EXPIRES_VARIABLE))
        if is_running(status) and _lasts(expires):
            return Guest(
                kind="ephemeral",
                namespace=namespace_of(pod),
                pod=name_of(pod),
                container=name,
                node=dig(pod, "spec", "nodeName", default=""),
                made=False,
                expires=expires,
            )
    return None


def _like(container: Manifest, pod: Manifest, name: str, how: How) -> bool:
    """Whether it has the rights and the command that one made now would have."""
    wanted = objects.ephemeral(pod, name, how, datetime.now(UTC), NOBODY)
    has: Mapping[str, Any] = dig(container, "securityContext", default={})
    command: list[str] = dig(container, "command", default=[])
    # The last word of a sleep is how long.
    equal = command == wanted["command"] if how.command else command[:4] == wanted["command"][:4]
    return equal and bool(has == wanted.get("securityContext", {}))


def variable(container: Manifest, name: str) -> str:
    """A variable of a container's environment; empty without it."""
    listed: list[Manifest] = dig(container, "env", default=[])
    return next((str(one.get("value", "")) for one in listed if one.get("name") == name), "")
