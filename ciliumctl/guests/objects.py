"""The containers and pods themselves.

What the profiles allow is kubectl's: staging/src/k8s.io/kubectl/pkg/cmd/debug/profiles.go of kubernetes/kubernetes.
Beside that, those with more than a plain container's rights run as root: a capability that was added is of no use to
another user, and a pod's own user would be inherited (kubernetes/kubectl#1650).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ciliumctl.clients.kube import Manifest, dig
from ciliumctl.guests.model import How, Profile, marks

#: Says where its marks are, in a container that has none of its own.
EXPIRES_VARIABLE = "CILIUMCTL_EXPIRES"
OWNER_VARIABLE = "CILIUMCTL_OWNER"
# The name is an argument, so that the process is found by it. A signal ends it, also where it is the first process,
# to which signals without a handler do not come.
_SLEEP = "trap 'exit 0' TERM INT; sleep \"$1\" & wait"
_ROOT = {"runAsUser": 0, "runAsNonRoot": False}
_SOMEBODY = 1000


def sleeping(name: str, how: How) -> list[str]:
    """A command that does nothing until the guest's time is up, or until it is told to end."""
    return ["sh", "-c", _SLEEP, name, str(max(1, round(how.ttl)))]


def rights(profile: Profile, user: int | None = None) -> dict[str, Any]:
    """A container's security context. `user` is who runs a restricted one."""
    match profile:
        case "netadmin":
            return {**_ROOT, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}
        case "general":
            return {**_ROOT, "capabilities": {"add": ["SYS_PTRACE"]}}
        case "sysadmin":
            return {**_ROOT, "privileged": True}
        case "restricted":
            return {
                "runAsNonRoot": True,
                "runAsUser": _SOMEBODY if user is None else user,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        case "baseline":
            return {}


def ephemeral(pod: Manifest, name: str, how: How, expires: datetime, owner: str) -> Manifest:
    """The container that comes beside those of a pod."""
    container = _container(name, how, user=_user_of(pod, how.target))
    marked = {EXPIRES_VARIABLE: expires.isoformat(timespec="seconds"), OWNER_VARIABLE: owner}
    return {
        **container,
        "env": [{"name": key, "value": value} for key, value in marked.items()],
        **({"targetContainerName": how.target} if how.target else {}),
    }


def _user_of(pod: Manifest, target: str) -> int | None:
    """Who runs the pod's containers, when that is not root: a cluster may allow no other user."""
    containers: list[Manifest] = dig(pod, "spec", "containers", default=[])
    of_target = [one for one in containers if one.get("name") == target] or containers[:1]
    for place in (*of_target, dig(pod, "spec", default={})):
        user = dig(place, "securityContext", "runAsUser", default=0)
        if user:
            return user
    return None


def pod(
    name: str,
    how: How,
    expires: datetime,
    owner: str,
    *,
    node: str = "",
    host_network: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """A pod that ends by itself; on a node that was asked for, whatever its taints."""
    spec = _pod_spec([_container(name, how)], how)
    if node:
        spec |= _on(node)
    if host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return _pod(name, how, expires, owner, spec, labels)


def node_pod(name: str, node: str, how: How, expires: datetime, owner: str) -> Manifest:
    """A pod with a node's network and processes, and its files at `/host` to be read.

    Recursively, where the cluster can (Kubernetes 1.30): otherwise file systems that are mounted below are writable.
    """
    mount = {"name": "host", "mountPath": "/host", "readOnly": True, "recursiveReadOnly": "IfPossible"}
    spec = {
        **_pod_spec([{**_container(name, how), "volumeMounts": [mount]}], how),
        **_on(node),
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
    }
    return _pod(name, how, expires, owner, spec, None)


def _container(name: str, how: How, user: int | None = None) -> dict[str, Any]:
    allowed = rights(how.profile, user)
    return {
        "name": name,
        "image": how.reference,
        "command": list(how.command) or sleeping(name, how),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **({"securityContext": allowed} if allowed else {}),
    }


def _pod_spec(containers: Sequence[Manifest], how: How) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": max(1, round(how.ttl)),
        "terminationGracePeriodSeconds": how.grace,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": list(containers),
        **({"imagePullSecrets": [{"name": how.pull_secret}]} if how.pull_secret else {}),
    }


def _on(node: str) -> dict[str, Any]:
    """On this node, without the scheduler's consent: one that is cordoned or ill is the one to look at."""
    return {"nodeName": node, "tolerations": [{"operator": "Exists"}]}


def _pod(
    name: str,
    how: How,
    expires: datetime,
    owner: str,
    spec: Manifest,
    labels: Mapping[str, str] | None,
) -> Manifest:
    marked = marks(how, expires, owner)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {**(labels or {}), **marked["labels"]},
            "annotations": dict(marked["annotations"]),
        },
        "spec": spec,
    }
