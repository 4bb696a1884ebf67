"""Pods, nodes and services out of objects, as policies see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from ciliumctl.clients.kube import Manifest, dig, labels_of, name_of, namespace_of
from ciliumctl.connectivity.selecting import NAMESPACE, NAMESPACE_LABELS
from ciliumctl.policies.model import ENTITIES, Mode, Party, Service, Settings, State

#: The rest of what Cilium adds to a pod's labels (pkg/k8s/apis/cilium.io/const.go).
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
CLUSTER = "io.cilium.k8s.policy.cluster"
#: What one cannot be on the other end of a connection as: they stand for several at once.
_SEVERAL = {"all", "cluster", "clustermesh", "none"}
ALONE = tuple(name for name in ENTITIES if name not in _SEVERAL)


def of_pod(pod: Manifest, namespaces: Mapping[str, Mapping[str, str]], *, cluster: str = "default") -> Party:
    """A pod; with its node's network it is a party like the node, under its own name.

    `namespaces` are the labels of each; `cluster` is the cluster's name in `cilium-config`.
    """
    namespace, node = namespace_of(pod), dig(pod, "spec", "nodeName", default="")
    given: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    addresses = tuple(str(one["ip"]) for one in given if one.get("ip"))
    if dig(pod, "spec", "hostNetwork", default=False):
        return Party(kind="node", name=name_of(pod), namespace=namespace, node=node, addresses=addresses)
    return Party(
        kind="pod",
        name=name_of(pod),
        namespace=namespace,
        node=node,
        addresses=addresses,
        labels=identity(
            labels_of(pod),
            namespace,
            namespaces.get(namespace, {}),
            account=dig(pod, "spec", "serviceAccountName", default=""),
            cluster=cluster,
        ),
        ports=_ports(pod),
    )


def identity(
    labels: Mapping[str, str], namespace: str, of_namespace: Mapping[str, str], *, account: str = "", cluster: str = ""
) -> dict[str, str]:
    """A pod's labels as Cilium's selectors see them."""
    return {
        **labels,
        NAMESPACE: namespace,
        ACCOUNT: account or "default",
        CLUSTER: cluster or "default",
        **{f"{NAMESPACE_LABELS}{key}": value for key, value in of_namespace.items()},
    }


def _ports(pod: Manifest) -> dict[str, tuple[tuple[str, int], ...]]:
    containers: list[Manifest] = [
        *dig(pod, "spec", "containers", default=[]),
        *dig(pod, "spec", "initContainers", default=[]),
    ]
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for container in containers:
        ports: list[Manifest] = dig(container, "ports", default=[])
        for port in ports:
            if port.get("name"):
                one = (str(port.get("protocol") or "TCP"), int(port.get("containerPort", 0)))
                found[str(port["name"]).lower()] = (*found.get(str(port["name"]).lower(), ()), one)
    return found


def of_node(node: Manifest) -> Party:
    """A node, with all of its addresses."""
    given: list[Manifest] = dig(node, "status", "addresses", default=[])
    wanted = {"InternalIP", "ExternalIP"}
    return Party(
        kind="node",
        name=name_of(node),
        node=name_of(node),
        addresses=tuple(str(one["address"]) for one in given if one.get("type") in wanted),
        labels=labels_of(node),
    )


def entity(name: str) -> Party:
    """Whatever Cilium calls so; one of `ALONE`."""
    return Party(kind="entity", name=name)


def named(name: str) -> Party:
    """Whatever a name in DNS stands for, outside of the cluster."""
    return Party(kind="name", name=name.rstrip(".").lower())


def at(state: State, address: str) -> Party:
    """Who has an address: a pod or a node of the state, else somebody outside. Raises `ValueError` for none."""
    wanted = str(ip_address(address))
    for party in (*state.pods.values(), *state.nodes.values()):
        if wanted in party.addresses:
            return party
    return Party(kind="outside", name=wanted, addresses=(wanted,))


def of_service(service: Manifest, addresses: Iterable[str] = ()) -> Service:
    """A service; `addresses` are those of its endpoints, where it selects no pods."""
    return Service(
        namespace=namespace_of(service),
        name=name_of(service),
        labels=labels_of(service),
        selector=dig(service, "spec", "selector", default={}),
        addresses=tuple(addresses),
    )


def settings_of(config: Mapping[str, str]) -> Settings:
    """What `cilium-config` says about policies; the defaults are the agents' own (pkg/option/config.go)."""
    mode: dict[str, Mode] = {"always": "always", "never": "never"}

    def on(key: str, *, default: bool) -> bool:
        return config.get(key, str(default)).lower() == "true"

    return Settings(
        mode=mode.get(config.get("enable-policy", ""), "default"),
        kubernetes=on("enable-k8s-networkpolicy", default=True),
        audit=on("policy-audit-mode", default=False),
        host_firewall=on("enable-host-firewall", default=False),
        # `auto`, the default, is `always` wherever Kubernetes is.
        local_host=config.get("allow-localhost", "auto") != "policy",
        ranges_mean_nodes="nodes" in config.get("policy-cidr-match-mode", ""),
        node_labels=on("enable-node-selector-labels", default=False),
        default_deny_choice=on("enable-non-default-deny-policies", default=True),
        layer_7=on("enable-l7-proxy", default=True),
    )
