"""Real Flannel on the test cluster: its back-ends, built from its own Go module, under the names of its manifest."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, NAMESPACES, NODES, SERVICE_ACCOUNTS, Kube, Resource, dig
from ciliumctl.wait import Deadline, poll
from tests.cluster import addresses, images, layers

VERSION = "0.28.10"
#: What Go's checksum database says of the module.
SUM = "h1:jt+uW6XVV01MBb3YFahG7Ue9UE3W6zlNlJMf3JtdcXI="
IMAGE = f"ghcr.io/flannel-io/flannel:v{VERSION}"
SPACE = "kube-flannel"
Backend = Literal["vxlan", "host-gw"]
_MODULE = "github.com/flannel-io/flannel"
_SOURCE = Path(__file__).with_name("flanneld") / "main.go"
_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False)
_READY_SECONDS = 90.0


def build(folder: Path) -> Path:
    """The daemon, built once into `folder`. Its own main does not build without the clouds' SDKs; ours leaves them out."""
    made = folder / f"flanneld-{VERSION}"
    if made.is_file():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
        place = Path(scratch)
        (place / "go.mod").write_text(f"module flanneld\ngo 1.26.0\nrequire {_MODULE} v{VERSION}\n")
        _go(place, "mod", "download", f"{_MODULE}@v{VERSION}")
        source = _go(place, "list", "-m", "-f", "{{.Dir}} {{.Sum}}", _MODULE).split()
        if source[1:] != [SUM]:
            raise RuntimeError(f"{_MODULE} {VERSION} is not the module we know: {source[1:]}")
        shutil.copy(Path(source[0]) / "go.sum", place / "go.sum")
        (place / "go.sum").chmod(0o644)
        shutil.copy(_SOURCE, place)
        _go(place, "build", "-trimpath", "-ldflags", f"-s -w -X main.version={VERSION}", "-o", "flanneld", ".")
        (place / "flanneld").replace(made)
    return made


def _go(place: Path, *arguments: str) -> str:
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}
    done = subprocess.run(["go", *arguments], cwd=place, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`go {arguments[0]}` failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def image(program: Path) -> images.Image:
    """The image of Flannel's pods: the tools, the daemon, and the stand-in for its CNI plugin."""
    return images.Image(tags=(IMAGE,), entrypoint=("/usr/bin/flannel",), more=(layers.program(program),))


def deploy(kube: Kube, backend: Backend) -> None:
    """Flannel as its own manifest has it, with this back-end; returns when its pods are ready on all nodes."""
    labels = {"k8s-app": "flannel", "app": "flannel", "tier": "node"}
    metadata: dict[str, Any] = {"labels": labels}
    privileged = {"pod-security.kubernetes.io/enforce": "privileged"}
    kube.apply(NAMESPACES, _object("v1", "Namespace", SPACE, labels={**labels, **privileged}))
    kube.apply(SERVICE_ACCOUNTS, _object("v1", "ServiceAccount", "flannel", labels=labels), SPACE)
    kube.apply(_ROLES, {**_object("rbac.authorization.k8s.io/v1", "ClusterRole", "flannel"), "rules": _RULES})
    binding = {
        **_object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "flannel"),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flannel"},
        "subjects": [{"kind": "ServiceAccount", "name": "flannel", "namespace": SPACE}],
    }
    kube.apply(_BINDINGS, binding)
    network = f'{{"Network": "{addresses.PODS}", "EnableNFTables": true, "Backend": {{"Type": "{backend}"}}}}'
    config = {**_object("v1", "ConfigMap", "kube-flannel-cfg", labels=labels), "data": {"net-conf.json": network}}
    kube.apply(CONFIG_MAPS, config, SPACE)
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": metadata, "spec": _pod()}}
    kube.apply(DAEMON_SETS, {**_object("apps/v1", "DaemonSet", "kube-flannel-ds", labels=labels), "spec": spec}, SPACE)

    def ready() -> bool:
        found = kube.get(DAEMON_SETS, "kube-flannel-ds", SPACE)
        wanted = dig(found, "status", "desiredNumberScheduled", default=0)
        return 0 < wanted <= dig(found, "status", "numberReady", default=0) and _nodes_ready(kube) >= wanted

    if not poll(ready, bool, deadline=Deadline.after(_READY_SECONDS), interval=0.5):
        raise RuntimeError("Flannel did not get ready")


def _nodes_ready(kube: Kube) -> int:
    statuses = [{one["type"]: one["status"] for one in node["status"]["conditions"]} for node in kube.objects(NODES)]
    return sum(status.get("Ready") == "True" for status in statuses)


_RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
]


def _object(version: str, kind: str, name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": dict(labels or {})}}


def _pod() -> dict[str, Any]:
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    folders = {"run": "/run/flannel", "cni": "/etc/cni/net.d"}
    mounts = {"run": "/run/flannel", "cni": "/host/etc/cni/net.d", "cfg": "/etc/kube-flannel"}
    unschedulable = {"key": "cilium.io/no-schedule", "operator": "NotIn", "values": ["true"]}
    return {
        "hostNetwork": True,
        "serviceAccountName": "flannel",
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [unschedulable]}]
                }
            }
        },
        "containers": [
            {
                "name": "kube-flannel",
                "image": IMAGE,
                "env": [
                    *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
                    {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
                ],
                "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
                "readinessProbe": {
                    "exec": {"command": ["test", "-f", "/run/flannel/subnet.env"]},
                    "periodSeconds": 1,
                },
                "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
            }
        ],
        "volumes": [
            *({"name": name, "hostPath": {"path": path}} for name, path in folders.items()),
            {"name": "cfg", "configMap": {"name": "kube-flannel-cfg"}},
        ],
    }
