"""What of a cluster decides about connections, read from its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ciliumctl.agents import NO_AGENT_LABEL
from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICES,
    Kube,
    Manifest,
    Resource,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import NotFound
from ciliumctl.parallel import gather_all, together
from ciliumctl.policies import parties, reading
from ciliumctl.policies.model import Party, Ref, Service, Spec, State

CIDR_GROUPS = Resource("cilium.io", "v2", "ciliumcidrgroups", namespaced=False)
#: Until 1.18 they were only here.
_OLD_CIDR_GROUPS = Resource("cilium.io", "v2alpha1", "ciliumcidrgroups", namespaced=False)
CONFIG = "cilium-config"
#: Pods whose network is their own: no policy of pods is for the others. Those that have ended are none.
WITH_A_NETWORK = "spec.hostNetwork=false,status.phase!=Succeeded,status.phase!=Failed"
#: Kinds that decide beside ours, and that nothing here understands (network-policy-api).
_OTHERS = {
    ("policy.networking.k8s.io", "adminnetworkpolicies"): "AdminNetworkPolicy",
    ("policy.networking.k8s.io", "baselineadminnetworkpolicies"): "BaselineAdminNetworkPolicy",
    ("policy.networking.k8s.io", "clusternetworkpolicies"): "ClusterNetworkPolicy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How much is read.

    Attributes:
        pods: These pods only (namespace, name), one request each; `None` for all of the cluster.
        nodes: All nodes, too: who has a node's address, where the API server is. About 10 kB each.
    """

    pods: Sequence[tuple[str, str]] | None = None
    nodes: bool = True


def read(kube: Kube, namespace: str, scope: Scope = Scope()) -> State:
    """Everything that decides, in ten requests (more pages, where there are more than 500 of a kind).

    `namespace` is Cilium's. Where `scope` names pods, one for each of them instead of one for all; two more where a
    policy means services, one more for each kind of policy that is not evaluated.

    Raises:
        NotFound: a pod that `scope` names does not exist.
        Forbidden: this user may not read one of the kinds.
    """
    (config, of_namespaces, nodes), (written, servers, ranges, others) = together(
        lambda: together(
            lambda: _config(kube, namespace),
            lambda: namespaces(kube),
            lambda: _nodes(kube) if scope.nodes else {},
        ),
        lambda: together(
            lambda: policies(kube),
            lambda: _api_servers(kube),
            lambda: groups(kube),
            lambda: _others(kube),
        ),
    )
    cluster = config.get("cluster-name", "")
    found = _pods(kube, scope, of_namespaces, cluster)
    settings = parties.settings_of(config)
    refused = {reading.ref_of(one): why for one in written if (why := reading.refusal(one))}
    specs = [spec for one in written if reading.ref_of(one) not in refused for spec in reading.read(one, settings)]
    services = _services(kube) if any(_means_services(spec) for spec in specs) else ()
    return State(
        specs=tuple(specs),
        settings=settings,
        pods={(pod.namespace, pod.name): _on_node(pod, nodes) for pod in found},
        nodes=nodes,
        services=services,
        groups=ranges,
        api_servers=frozenset(servers),
        refused=refused,
        skipped=others,
    )


def _nodes(kube: Kube) -> dict[str, Party]:
    """The nodes that Cilium runs on: to its policies another one is the world outside."""
    return {
        name_of(one): parties.of_node(one)
        for one in kube.objects(NODES)
        if labels_of(one).get(NO_AGENT_LABEL) != "true"
    }


def _config(kube: Kube, namespace: str) -> dict[str, str]:
    found = kube.find(CONFIG_MAPS, CONFIG, namespace)
    return dig(found, "data", default={})


def namespaces(kube: Kube) -> dict[str, dict[str, str]]:
    """The labels of each namespace. One request, of metadata alone."""
    return {name_of(one): labels_of(one) for one in kube.objects(NAMESPACES, metadata_only=True)}


def policies(kube: Kube, namespace: str = "") -> list[Manifest]:
    """All policies, or those of one namespace and the clusterwide ones. Three requests."""
    found = gather_all(
        [
            _all(kube, NETWORK_POLICIES, reading.KUBERNETES, namespace),
            _all(kube, CILIUM_POLICIES, reading.CILIUM, namespace),
            _all(kube, CILIUM_CLUSTERWIDE_POLICIES, reading.CLUSTERWIDE, ""),
        ]
    )
    return [one for kind in found for one in kind]


def _all(kube: Kube, resource: Resource, kind: str, namespace: str) -> Callable[[], list[Manifest]]:
    """The objects of a kind, none where the cluster does not know it. In a list they come without their kind."""

    def ask() -> list[Manifest]:
        try:
            named = {"apiVersion": resource.api_version, "kind": kind}
            return [{**named, **one} for one in kube.objects(resource, namespace)]
        except NotFound:
            return []

    return ask


def _pods(kube: Kube, scope: Scope, namespaces: Mapping[str, Mapping[str, str]], cluster: str) -> Iterable[Party]:
    if scope.pods is not None:
        named = dict.fromkeys(scope.pods)
        manifests = gather_all([partial(kube.get, PODS, name, place) for place, name in named])
        return [parties.of_pod(pod, namespaces, cluster=cluster) for pod in manifests]
    # A pod is 20 kB, of which a few hundred bytes are kept: page by page.
    live = (pod for pod in kube.objects(PODS) if dig(pod, "status", "phase") not in {"Succeeded", "Failed"})
    return [parties.of_pod(pod, namespaces, cluster=cluster) for pod in live]


def _on_node(pod: Party, nodes: Mapping[str, Party]) -> Party:
    """A pod with its node's network is the node to policies, with the node's labels."""
    if pod.kind != "node" or pod.node not in nodes:
        return pod
    return replace(pod, labels=nodes[pod.node].labels, addresses=nodes[pod.node].addresses or pod.addresses)


def _api_servers(kube: Kube) -> list[str]:
    labels = "kubernetes.io/service-name=kubernetes"
    return [address for one in kube.objects(ENDPOINT_SLICES, "default", labels=labels) for address in _addresses(one)]


def _addresses(endpoints: Manifest) -> list[str]:
    entries: list[Manifest] = dig(endpoints, "endpoints", default=[])
    return [str(address) for entry in entries for address in entry.get("addresses") or ()]


def groups(kube: Kube) -> dict[str, tuple[dict[str, str], tuple[str, ...]]]:
    """The ranges of each CiliumCIDRGroup, and its labels. One request, two on clusters that have none or old ones."""
    for resource in (CIDR_GROUPS, _OLD_CIDR_GROUPS):
        try:
            found = list(kube.objects(resource))
        except NotFound:
            continue
        return {
            name_of(one): (labels_of(one), tuple(map(str, dig(one, "spec", "externalCIDRs", default=[]))))
            for one in found
        }
    return {}


def _others(kube: Kube) -> tuple[Ref, ...]:
    """Policies of kinds that are not evaluated. One request where the cluster knows no such kind."""
    versions = kube.groups().get("policy.networking.k8s.io", ())
    found: list[Ref] = []
    for (group, plural), kind in _OTHERS.items():
        for version in versions:
            try:
                listed = list(kube.objects(Resource(group, version, plural, namespaced=False), metadata_only=True))
            except NotFound:
                continue
            found += [Ref(kind=kind, namespace="", name=name_of(one)) for one in listed]
            break
    return tuple(found)


def service_at(kube: Kube, address: str) -> str:
    """The service, as `namespace/name`, that has an address in the cluster; empty for none. One request."""
    for one in kube.objects(SERVICES):
        if address in (dig(one, "spec", "clusterIPs") or ()) or address == dig(one, "spec", "clusterIP", default=""):
            return f"{namespace_of(one)}/{name_of(one)}"
    return ""


def _means_services(spec: Spec) -> bool:
    return any(clause.kind == "service" for rule in spec.rules for clause in rule.peers or ())


def _services(kube: Kube) -> tuple[Service, ...]:
    behind: dict[tuple[str, str], list[str]] = {}
    for one in kube.objects(ENDPOINT_SLICES):
        name = labels_of(one).get("kubernetes.io/service-name", "")
        behind.setdefault((namespace_of(one), name), []).extend(_addresses(one))
    return tuple(
        parties.of_service(one, behind.get((namespace_of(one), name_of(one)), ())) for one in kube.objects(SERVICES)
    )
