"""The kinds we talk about, by their place in the API, and the paths that lead to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload
from urllib.parse import quote

#: A Kubernetes object (or a part of one) as JSON. With Helm values, the only untyped shape that leaves a client:
#: mirroring every kind as a class is what made the models of the `kubernetes` package slow.
Manifest = Mapping[str, Any]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind's place in the API, such as `apps/v1 daemonsets`."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The path of the collection, of one object, or of one object's subresource."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    @property
    def api_version(self) -> str:
        """What objects of this kind have as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
NODES = Resource("", "v1", "nodes", namespaced=False)
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
SECRETS = Resource("", "v1", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
CONFIG_MAPS = Resource("", "v1", "configmaps")
EVENTS = Resource("", "v1", "events")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
JOBS = Resource("batch", "v1", "jobs")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
CILIUM_ENDPOINTS = Resource("cilium.io", "v2", "ciliumendpoints")
CILIUM_POLICIES = Resource("cilium.io", "v2", "ciliumnetworkpolicies")
CILIUM_CLUSTERWIDE_POLICIES = Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", namespaced=False)


def is_ciliums_crd(name: str) -> bool:
    """Whether a CRD of this name is Cilium's: other programs, such as Tetragon, have theirs in the same group."""
    return name.startswith("cilium") and name.endswith(".cilium.io")


@overload
def dig(value: Any, *keys: str | int) -> Any: ...
@overload
def dig(value: Any, *keys: str | int, default: T) -> T: ...
def dig(value: Any, *keys: str | int, default: Any = None) -> Any:
    """The value under `keys`, or `default` where a level is missing or null.

    The default also fixes the type: a value of another type counts as missing (an int is fine for a float).
    """
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return default
    if value is None:
        return default
    if default is None or isinstance(value, type(default)):
        return value
    if isinstance(default, float) and isinstance(value, int):
        return float(value)
    return default


def name_of(manifest: Manifest) -> str:
    """The object's name."""
    return dig(manifest, "metadata", "name", default="")


def namespace_of(manifest: Manifest) -> str:
    """The object's namespace; empty for a cluster-wide one."""
    return dig(manifest, "metadata", "namespace", default="")


def labels_of(manifest: Manifest) -> dict[str, str]:
    """The object's labels."""
    return dig(manifest, "metadata", "labels", default={})


def annotations_of(manifest: Manifest) -> dict[str, str]:
    """The object's annotations."""
    return dig(manifest, "metadata", "annotations", default={})


def conditions_of(manifest: Manifest) -> dict[str, Manifest]:
    """The object's status conditions, by type."""
    conditions: list[Manifest] = dig(manifest, "status", "conditions", default=[])
    return {condition["type"]: condition for condition in conditions if "type" in condition}


def addresses_of(node: Manifest) -> list[str]:
    """A node's own addresses, by which the others know it (`InternalIP`), in its order."""
    listed: list[Manifest] = dig(node, "status", "addresses", default=[])
    return [dig(one, "address", default="") for one in listed if one.get("type") == "InternalIP"]
