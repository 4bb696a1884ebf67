"""Conclude from facts what kind of cluster this is and which values it needs, each conclusion with its evidence."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ciliumctl.flavour.facts import Facts, NodeFacts, is_loopback
from ciliumctl.values import presets
from ciliumctl.values.paths import merge

CHART_POOL = ipaddress.ip_network("10.0.0.0/8")
_NODE_IPAM = ("kind", "gke", "talos", "rke2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """One conclusion, what it rests on, the values it implies and the flag that overrides it."""

    subject: str
    value: str
    evidence: tuple[str, ...]
    values: Mapping[str, Any]
    override: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What kind of cluster it is. `values` are those of all conclusions, merged."""

    kind: ClassVar[str] = "Detection"

    flavour: str
    preset: str
    kubernetes: str
    nodes: int
    conclusions: tuple[Conclusion, ...]
    values: Mapping[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    simulated: bool

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


Rule = tuple[str, Callable[[NodeFacts], str]]


def _has(text: str, part: str, what: str) -> str:
    return f"{what} `{text}`" if part in text else ""


def _starts(text: str, part: str, what: str) -> str:
    return f"{what} `{text}`" if text.startswith(part) else ""


def _label(node: NodeFacts, name: str) -> str:
    return f"label `{name}={node.labels[name]}`" if name in node.labels else ""


def _k3s(node: NodeFacts) -> str:
    return _has(node.kubelet, "+k3s", "kubelet")


#: What a node tells, most telling first: a k3d node is a k3s node too, a kind node was made by kubeadm.
_RULES: tuple[Rule, ...] = (
    ("talos", lambda node: _starts(node.os_image, "Talos", "OS image")),
    ("rke2", lambda node: _has(node.kubelet, "+rke2", "kubelet")),
    ("rancher-desktop", lambda node: _has(node.name, "rancher-desktop", "node name") and _k3s(node)),
    ("rancher-desktop", lambda node: _starts(node.os_image, "Rancher Desktop", "OS image")),
    ("k3d", lambda node: _starts(node.name, "k3d-", "node name") and _k3s(node)),
    ("k3s", _k3s),
    ("kind", lambda node: _starts(node.provider_id, "kind://", "provider id")),
    ("minikube", lambda node: _label(node, "minikube.k8s.io/name")),
    ("microk8s", lambda node: _label(node, "microk8s.io/cluster")),
    ("gke", lambda node: _label(node, "cloud.google.com/gke-nodepool") or _has(node.kubelet, "-gke.", "kubelet")),
    ("eks", lambda node: _has(node.kubelet, "-eks-", "kubelet") or _label(node, "eks.amazonaws.com/nodegroup")),
    ("aks", lambda node: _label(node, "kubernetes.azure.com/cluster")),
)


def detect(facts: Facts, *, chart_version: str = "") -> Detection:
    """Conclude. `chart_version` decides on values that only some charts know; empty for the newest."""
    flavour, evidence = _flavour(facts)
    preset = {"k3d": "k3s"}.get(flavour, flavour)
    has_preset = preset in presets.names()
    simulated = any(node.kubelet.startswith("kwok-") for node in facts.nodes)
    conclusions = [
        Conclusion(
            subject="flavour",
            value=flavour,
            evidence=tuple(evidence),
            values=presets.load(preset).values if has_preset else {},
            override="--no-autodetect",
        ),
        *_cluster_name(facts),
        *_replicas(facts),
        *_ipam(facts, flavour),
        _kube_proxy(facts, flavour, old=_before(chart_version, 1, 14)),
    ]
    values: dict[str, Any] = {}
    for conclusion in conclusions:
        values = merge(values, conclusion.values)
    notes = list(presets.load(preset).needs) if has_preset else []
    if simulated:
        notes.append("the nodes are simulated by kwok: nothing runs there, no traffic flows")
    return Detection(
        flavour=flavour,
        preset=preset if has_preset else "",
        kubernetes=facts.kubernetes,
        nodes=facts.node_count,
        conclusions=tuple(conclusions),
        values=values,
        notes=tuple(notes),
        warnings=tuple(_warnings(facts, values)),
        simulated=simulated,
    )


def _flavour(facts: Facts) -> tuple[str, list[str]]:
    openshift = [
        f"API group `{group}`" for group in ("config.openshift.io", "route.openshift.io") if group in facts.groups
    ]
    if openshift:
        return "openshift", openshift
    for flavour, rule in _RULES:
        matching = [(node.name, said) for node in facts.nodes if (said := rule(node))]
        if matching:
            name, said = matching[0]
            return flavour, [f"{said} of node `{name}`", f"{len(matching)} of {len(facts.nodes)} nodes looked at"]
    if facts.kubeadm:
        return "kubeadm", ["ConfigMap `kube-system/kubeadm-config`"]
    return "unknown", ["nothing that a known kind of cluster shows"]


def _cluster_name(facts: Facts) -> Iterator[Conclusion]:
    """Only where a node tells it: a kubeconfig's name for a cluster is anybody's choice."""
    label = "alpha.eksctl.io/cluster-name"
    names = {node.labels[label] for node in facts.nodes if label in node.labels}
    if len(names) == 1:
        (name,) = names
        if len(name) <= 32 and name == name.lower().replace("_", "-").replace(".", "-"):
            yield Conclusion(
                subject="cluster name",
                value=name,
                evidence=(f"label `{label}` on the nodes",),
                values={"cluster": {"name": name}},
                override="--set cluster.name=NAME",
            )


def _replicas(facts: Facts) -> Iterator[Conclusion]:
    if facts.node_count == 1:
        yield Conclusion(
            subject="operators",
            value="1",
            evidence=("one node: a second operator would stay pending",),
            values={"operator": {"replicas": 1}},
            override="--set operator.replicas=N",
        )


def _ipam(facts: Facts, flavour: str) -> Iterator[Conclusion]:
    ranges = [node.pod_range for node in facts.nodes if node.pod_range]
    subnet = str((facts.kubeadm.get("networking") or {}).get("podSubnet") or "") if facts.kubeadm else ""
    override = "--set ipam.mode=MODE"
    listed = [part.strip() for part in subnet.split(",") if part.strip() and ":" not in part]
    if flavour == "kubeadm" and listed:
        yield Conclusion(
            subject="pod addresses",
            value=f"from {', '.join(listed)}",
            evidence=("`podSubnet` in ConfigMap `kube-system/kubeadm-config`",),
            values={"ipam": {"operator": {"clusterPoolIPv4PodCIDRList": listed}}},
            override="--set ipam.operator.clusterPoolIPv4PodCIDRList='{CIDR}'",
        )
    elif flavour in {"unknown", "minikube"} and ranges and _overlapping(facts):
        yield Conclusion(
            subject="pod addresses",
            value="from the nodes' own ranges",
            evidence=(
                f"node addresses lie in {CHART_POOL}, the chart's own pool",
                f"{len(ranges)} of {len(facts.nodes)} nodes have a range, such as {ranges[0]}",
            ),
            values={"ipam": {"mode": "kubernetes"}},
            override=override,
        )
    elif flavour in _NODE_IPAM:
        yield Conclusion(
            subject="pod addresses",
            value="from the nodes' own ranges",
            evidence=(f"{len(ranges)} of {len(facts.nodes)} nodes have a range", f"usual for {flavour}"),
            values={"ipam": {"mode": "kubernetes"}},
            override=override,
        )


def _overlapping(facts: Facts) -> list[str]:
    found = []
    for node in facts.nodes:
        for address in node.addresses:
            try:
                if ipaddress.ip_address(address) in CHART_POOL:
                    found.append(address)
            except ValueError:
                continue
    return found


def _before(version: str, major: int, minor: int) -> bool:
    parts = version.split(".")
    return (
        len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() and (int(parts[0]), int(parts[1])) < (major, minor)
    )


def _kube_proxy(facts: Facts, flavour: str, *, old: bool) -> Conclusion:
    """Replace kube-proxy only where it is known to be absent and the nodes' way to the API server is known too.

    Charts before 1.14 (`old`) have words where later ones have true and false.
    """
    conclusion = _about_kube_proxy(facts, flavour)
    if not old:
        return conclusion
    word = "strict" if conclusion.values["kubeProxyReplacement"] else "disabled"
    return replace(conclusion, values={**conclusion.values, "kubeProxyReplacement": word})


def _about_kube_proxy(facts: Facts, flavour: str) -> Conclusion:
    override = "--set kubeProxyReplacement=true|false"
    there = _proxy_evidence(facts, flavour)
    if there:
        return _keep("runs and stays", there, override)
    unknown = [name for name in ("DaemonSets", "kube-proxy pods") if name in facts.failures]
    if unknown:
        return _keep("not known", tuple(facts.failures[name].message for name in unknown), override)
    absent = ["no DaemonSet and no pod of it in `kube-system`"]
    if facts.kubeadm and facts.kube_proxy_config:
        return _keep("not known", (*absent, "but ConfigMap `kube-system/kube-proxy` is there"), override)
    host, port, source = _api_address(facts, flavour)
    if not host:
        return _keep("absent, and not replaced", (*absent, source), override)
    return Conclusion(
        subject="kube-proxy",
        value="absent: Cilium takes its place",
        evidence=(*absent, f"nodes reach the API server at {host}:{port} ({source})"),
        values={"kubeProxyReplacement": True, "k8sServiceHost": host, "k8sServicePort": port},
        override=override,
    )


def _keep(value: str, evidence: tuple[str, ...], override: str) -> Conclusion:
    return Conclusion(
        subject="kube-proxy",
        value=value,
        evidence=evidence,
        values={"kubeProxyReplacement": False},
        override=override,
    )


def _proxy_evidence(facts: Facts, flavour: str) -> tuple[str, ...]:
    sets = sorted(name for name in facts.daemon_sets if "kube-proxy" in name)
    if sets:
        return (f"DaemonSet `kube-system/{sets[0]}`",)
    if facts.kube_proxy_pods:
        return (f"{facts.kube_proxy_pods} pods `kube-proxy-…` in `kube-system` (static pods)",)
    if flavour in {"k3s", "k3d", "rancher-desktop"} and not _disabled(facts, "k3s.io/node-args"):
        return ("built into k3s, and not disabled in its arguments",)
    if flavour == "microk8s":
        return ("built into MicroK8s' kubelite",)
    return ()


def _disabled(facts: Facts, annotation: str) -> bool:
    for node in facts.nodes:
        try:
            arguments = json.loads(node.annotations.get(annotation, "[]"))
        except ValueError:
            continue
        if any(str(argument) in {"--disable-kube-proxy", "--disable-kube-proxy=true"} for argument in arguments):
            return True
    return False


def _api_address(facts: Facts, flavour: str) -> tuple[str, int, str]:
    """Host, port and source of the nodes' way to the API server; no host, and the reason, when it is not known."""
    if flavour == "talos":
        return "localhost", 7445, "Talos' KubePrism on every node"
    if flavour == "rke2":
        return "localhost", 6443, "RKE2's proxy on every node"
    parts = urlsplit(facts.cluster_info)
    if parts.hostname and not is_loopback(parts.hostname):
        return parts.hostname, parts.port or 443, "ConfigMap `kube-public/cluster-info`"
    usable = [(host, port) for host, port in facts.endpoints if not is_loopback(host)]
    if usable:
        host, port = usable[0]
        more = f", the first of {len(usable)}" if len(usable) > 1 else ""
        return host, port, f"EndpointSlice `default/kubernetes`{more}"
    return "", 0, "no address of the API server is known that nodes could reach"


def _warnings(facts: Facts, values: Mapping[str, Any]) -> Iterator[str]:
    overlapping = _overlapping(facts)
    ipam = values.get("ipam") or {}
    if overlapping and not ipam:
        yield (
            f"node addresses such as {overlapping[0]} lie in {CHART_POOL}, the chart's own pool for pods: "
            "choose another with `--set ipam.operator.clusterPoolIPv4PodCIDRList='{CIDR}'`"
        )
    for name, error in facts.failures.items():
        yield f"{name} cannot be read, so what hangs on it is not known: {error.message}"
