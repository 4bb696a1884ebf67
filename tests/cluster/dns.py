"""CoreDNS as the cluster's DNS: laid out as kubeadm does it, and it asks nobody outside."""

from __future__ import annotations

from typing import Any

from ciliumctl.clients.kube import CONFIG_MAPS, DEPLOYMENTS, SERVICE_ACCOUNTS, SERVICES, Kube, Resource, dig
from ciliumctl.wait import Deadline, poll
from tests.cluster import addresses, images
from tests.cluster.addresses import Segment

NAMESPACE = "kube-system"
#: Any name below it has the address of the outside world's host.
OUTSIDE_ZONE = "outside.test"
_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False)
_LABELS = {"k8s-app": "kube-dns"}


def apply(kube: Kube, segment: Segment, replicas: int = 2) -> None:
    """Put CoreDNS into the cluster. Its pods get ready once there is a CNI."""
    for resource, manifest in (
        (SERVICE_ACCOUNTS, _object("v1", "ServiceAccount", "coredns")),
        (_ROLES, _role()),
        (_BINDINGS, _binding()),
        (CONFIG_MAPS, _object("v1", "ConfigMap", "coredns", data={"Corefile": corefile(segment)})),
        (DEPLOYMENTS, _deployment(replicas)),
        (SERVICES, _service()),
    ):
        kube.apply(resource, manifest, NAMESPACE if resource.namespaced else "", force=True)


def wait(kube: Kube, deadline: Deadline) -> bool:
    """Wait until every CoreDNS pod is ready; returns whether they are."""

    def ready() -> bool:
        found = kube.get(DEPLOYMENTS, "coredns", NAMESPACE)
        return dig(found, "status", "readyReplicas", default=0) >= dig(found, "spec", "replicas", default=1)

    return poll(ready, bool, deadline=deadline, interval=0.3)


def corefile(segment: Segment) -> str:
    """CoreDNS's configuration: kubeadm's, without the way out, and with a zone for the outside world."""
    return f"""\
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    errors
    health {{
       lameduck 1s
    }}
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
       pods insecure
       ttl 5
    }}
    loop
    reload 2s
    loadbalance
}}
.:53 {{
    errors
    template ANY ANY . {{
       rcode NXDOMAIN
    }}
}}
{OUTSIDE_ZONE}:53 {{
    errors
    template IN A {OUTSIDE_ZONE} {{
       answer "{{{{ .Name }}}} 5 IN A {segment.outside.v4}"
    }}
    template IN AAAA {OUTSIDE_ZONE} {{
       answer "{{{{ .Name }}}} 5 IN AAAA {segment.outside.v6}"
    }}
    template ANY ANY {OUTSIDE_ZONE} {{
       rcode NOERROR
    }}
}}
"""


def _object(api_version: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": dict(_LABELS)}, **more}


def _role() -> dict[str, Any]:
    rules = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    return _object("rbac.authorization.k8s.io/v1", "ClusterRole", "system:coredns", rules=rules)


def _binding() -> dict[str, Any]:
    return _object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "system:coredns",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        subjects=[{"kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE}],
    )


def _service() -> dict[str, Any]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
        {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
    ]
    spec = {"clusterIP": addresses.DNS, "ipFamilyPolicy": "PreferDualStack", "selector": _LABELS, "ports": ports}
    return _object("v1", "Service", "kube-dns", spec=spec)


def _deployment(replicas: int) -> dict[str, Any]:
    container = {
        "name": "coredns",
        "image": images.DNS,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "70Mi"}, "limits": {"memory": "170Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 60},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": _LABELS},
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 5,
        "topologySpreadConstraints": [spread],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": dict(_LABELS)}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", "coredns", spec=spec)
