"""What the small stack is made of: its objects, out of the data files."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ciliumctl import templates, yaml_files
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    JOBS,
    NETWORK_POLICIES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Manifest,
    Resource,
    dig,
    name_of,
)
from ciliumctl.guests.model import OWNER

NAMESPACE, LABEL, EXPIRES = "ciliumctl-monitoring", "ciliumctl.io/monitoring", "ciliumctl.io/expires"
PROGRAMS: Mapping[str, int] = {"prometheus": 9090, "grafana": 3000}
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles")
LABELS = {LABEL: "stack", "app.kubernetes.io/managed-by": "ciliumctl"}
#: Seconds that a finished Job stays to be looked at.
_AFTERWARDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to start. `ttl` is in seconds, 0 for no end; `images` replace those of the data file, by program."""

    cilium_namespace: str
    namespace: str = NAMESPACE
    ttl: float = 24 * 3600.0
    images: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    pull_secret: str = ""
    wait: bool = True
    #: Whose it is: a user and a machine.
    owner: str = ""

    def image(self, name: str) -> str:
        """The image of a program: the one that was given, or the pinned one, from another registry when told so."""
        if name in self.images:
            return self.images[name]
        found: str = templates.load("monitoring/images.yaml")["images"][name]
        return f"{self.registry.rstrip('/')}/{found.partition('/')[2]}" if self.registry else found


def role_name(namespace: str) -> str:
    """The name of a stack's role and binding in Cilium's namespace, where those of all stacks are."""
    return NAMESPACE if namespace == NAMESPACE else f"{NAMESPACE}-{namespace}"


def namespace(wanted: Wanted, expires: str) -> Manifest:
    """The namespace, with its level of Pod Security, and whose it is."""
    labels = {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    annotations = {key: value for key, value in ((EXPIRES, expires), (OWNER, wanted.owner)) if value}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": wanted.namespace, "labels": labels, "annotations": annotations},
    }


def made(resource: Resource, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """The beginning of an object of the stack."""
    metadata = {"name": name, "namespace": namespace, "labels": LABELS}
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata}


def objects(wanted: Wanted, dashboards: Sequence[Manifest]) -> Iterator[tuple[Resource, Manifest]]:
    """All but the namespace and the Jobs."""
    mine, ciliums, role = wanted.namespace, wanted.cilium_namespace, role_name(wanted.namespace)
    yield SERVICE_ACCOUNTS, made(SERVICE_ACCOUNTS, "ServiceAccount", "prometheus", mine)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    yield ROLES, {**made(ROLES, "Role", role, ciliums), "rules": rules}
    yield (
        ROLE_BINDINGS,
        {
            **made(ROLE_BINDINGS, "RoleBinding", role, ciliums),
            "roleRef": {"apiGroup": ROLES.group, "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": mine}],
        },
    )
    config = templates.path("monitoring/prometheus.yaml").read_text(encoding="utf-8")
    yield CONFIG_MAPS, _config_map("prometheus", mine, {"prometheus.yaml": config.replace("$NAMESPACE", ciliums)})
    files = {name: yaml_files.dump(text) for name, text in templates.load("monitoring/grafana.yaml").items()}
    yield CONFIG_MAPS, _config_map("grafana", mine, files)
    for one in dashboards:
        yield CONFIG_MAPS, _config_map(_copy(one), mine, dig(one, "data", default={}))
    for name, port in PROGRAMS.items():
        spec = {"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": "web", "port": port}]}
        yield SERVICES, {**made(SERVICES, "Service", name, mine), "spec": spec}
        yield NETWORK_POLICIES, _closed(name, mine, port)


def _closed(name: str, namespace: str, port: int) -> Manifest:
    """Only Grafana reaches Prometheus, and nobody Grafana; a port-forward comes from inside of the pod."""
    rules = [
        {
            "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "grafana"}}}],
            "ports": [{"port": port}],
        }
    ]
    spec = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "policyTypes": ["Ingress"],
        "ingress": rules if name == "prometheus" else [],
    }
    return {**made(NETWORK_POLICIES, "NetworkPolicy", name, namespace), "spec": spec}


def _config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    return {**made(CONFIG_MAPS, "ConfigMap", name, namespace), "data": dict(data)}


def _copy(dashboard: Manifest) -> str:
    """The name of our copy of a dashboard."""
    return f"dashboard-{name_of(dashboard)}"


def job(wanted: Wanted, name: str, dashboards: Sequence[Manifest]) -> Manifest:
    """The Job of one program."""
    pod: dict[str, Any] = copy.deepcopy(templates.load("monitoring/stack.yaml")[name])
    pod["containers"][0]["image"] = wanted.image(name)
    if wanted.pull_secret:
        pod["imagePullSecrets"] = [{"name": wanted.pull_secret}]
    for volume in pod["volumes"]:
        if "projected" in volume:
            volume["projected"]["sources"] = [{"configMap": {"name": _copy(one)}} for one in dashboards]
            if not dashboards:
                del volume["projected"]
                volume["emptyDir"] = {}
    spec: dict[str, Any] = {
        "backoffLimit": 10,
        "ttlSecondsAfterFinished": _AFTERWARDS,
        "template": {"metadata": {"labels": {**LABELS, "app.kubernetes.io/name": name}}, "spec": pod},
    }
    if wanted.ttl:
        spec["activeDeadlineSeconds"] = max(1, round(wanted.ttl))
    return {**made(JOBS, "Job", name, wanted.namespace), "spec": spec}
