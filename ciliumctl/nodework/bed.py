"""The objects of a run: a namespace of its own, the script, and the DaemonSet.

The namespace is not Cilium's: it is labelled for privileged pods whatever the release's is, one deletion takes away
everything in it also after the program was killed, and a run after an uninstallation needs none of Cilium's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ciliumctl import templates
from ciliumctl.clients.kube import Manifest, annotations_of, labels_of, name_of
from ciliumctl.nodework.model import Work

LABEL = "ciliumctl.io/session"
TASK = "ciliumctl.io/node-work"
EXPIRES = "ciliumctl.io/expires"
OWNER = "ciliumctl.io/owner"
PREFIX = "ciliumctl-nodes"
NAME = "ciliumctl-nodes"
#: Renewed while the program lives; what is older was left by one that was killed. Written by one machine's clock and
#: read by another's: far more than two clocks may be apart, so that nobody takes away what is at work.
LIFE = timedelta(minutes=6)
#: Seconds after which a forgotten pod does nothing any more, whatever a clock is ahead.
_LATE = 600.0
_SCRIPT = "/ciliumctl/script.sh"
_PRIVILEGED = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run's mark on everything it makes."""

    name: str
    task: str
    owner: str
    expires: datetime

    @property
    def namespace(self) -> str:
        """The namespace of this run alone."""
        return f"{PREFIX}-{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        """What is found again by."""
        return {"app.kubernetes.io/managed-by": "ciliumctl", LABEL: self.name, TASK: self.task}

    @property
    def annotations(self) -> dict[str, str]:
        """For people who meet it, and for the next run."""
        return {EXPIRES: self.expires.isoformat(timespec="seconds"), OWNER: self.owner}


def new(task: str, owner: str, now: datetime | None = None) -> Session:
    """A session with a name of its own."""
    return Session(name=secrets.token_hex(3), task=task, owner=owner, expires=(now or datetime.now(UTC)) + LIFE)


def of(namespace: Manifest) -> Session:
    """The session that made a namespace; one whose time cannot be read has expired."""
    try:
        expires = datetime.fromisoformat(annotations_of(namespace).get(EXPIRES, ""))
    except ValueError:
        expires = datetime.fromtimestamp(0, UTC)
    labels = labels_of(namespace)
    owner = annotations_of(namespace).get(OWNER, "somebody")
    return Session(name=labels.get(LABEL, ""), task=labels.get(TASK, ""), owner=owner, expires=expires)


def namespace(session: Session) -> Manifest:
    """The namespace, open for privileged pods."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": session.namespace,
            "labels": {**session.labels, **_PRIVILEGED},
            "annotations": session.annotations,
        },
    }


def account(session: Session) -> Manifest:
    """Its own service account: the default one may come late. It has no rights and no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": NAME, "labels": session.labels},
        "automountServiceAccountToken": False,
    }


def openshift_grant(session: Session) -> Manifest:
    """What lets the account's pods be privileged on OpenShift, where a namespace's label is not enough."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAME, "labels": session.labels},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:openshift:scc:privileged",
        },
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": session.namespace}],
    }


def pull_secret(session: Session, secret: Manifest) -> Manifest:
    """A copy of a pull secret: pods cannot use one of another namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name_of(secret), "labels": session.labels},
        "type": secret.get("type", "kubernetes.io/dockerconfigjson"),
        "data": secret.get("data", {}),
    }


def script(session: Session, work: Work) -> Manifest:
    """The script with what all scripts begin with."""
    parts = [templates.path(f"nodework/{name}.sh").read_text(encoding="utf-8") for name in ("report", work.task)]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": session.labels},
        "data": {"script.sh": "\n".join(parts)},
    }


def daemon_set(session: Session, work: Work, affinity: Manifest, started: float) -> Manifest:
    """The DaemonSet: an init container does the work, and a container that sleeps keeps its report to be read.

    It needs no CNI (the host's network) and takes every node. `started` is the cluster's time, in seconds since 1970.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAME, "labels": session.labels},
        "spec": {
            "selector": {"matchLabels": {LABEL: session.name}},
            "updateStrategy": {"type": "OnDelete"},
            "template": {"metadata": {"labels": session.labels}, "spec": _pod(work, affinity, started)},
        },
    }


def _pod(work: Work, affinity: Manifest, started: float) -> Manifest:
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 0,
        "affinity": affinity,
        "tolerations": [{"operator": "Exists"}],
        **({"imagePullSecrets": [{"name": name} for name in work.pull_secrets]} if work.pull_secrets else {}),
        "initContainers": [_worker(work, started)],
        "containers": [
            {
                "name": "rest",
                "image": work.image,
                "command": ["sh", "-c", "while :; do sleep 3600; done"],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
            }
        ],
        "volumes": [
            {"name": "host", "hostPath": {"path": "/"}},
            {"name": "script", "configMap": {"name": NAME}},
        ],
    }


def _worker(work: Work, started: float) -> Manifest:
    node = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    told = {
        "TASK": work.task,
        "HOST": "/host",
        "EXPIRES": str(int(started + work.seconds + _LATE)),
        **work.environ,
    }
    host = {"name": "host", "mountPath": "/host", "readOnly": not work.writes, "mountPropagation": "HostToContainer"}
    return {
        "name": work.task,
        "image": work.image,
        "command": ["sh", _SCRIPT],
        "env": [node, *({"name": name, "value": value} for name, value in told.items())],
        "securityContext": {"privileged": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [host, {"name": "script", "mountPath": "/ciliumctl", "readOnly": True}],
    }
