"""Which technologies carry a cluster's pod network: told by objects, and by the nodes when they were asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from ciliumctl import cni, templates
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    Kube,
    Manifest,
    Resource,
    annotations_of,
    dig,
    name_of,
    namespace_of,
)
from ciliumctl.cni import OtherCni
from ciliumctl.errors import CiliumctlError, Partial
from ciliumctl.nodefacts import NodeFacts, NodeReports
from ciliumctl.nodework.model import members
from ciliumctl.parallel import gather

#: A technology that is in use: its name, who uses it, how that is known.
Sign = tuple[str, str, str]

_FLANNEL = "flannel.alpha.coreos.com/backend-type"
#: Technologies by the words for them: back-ends of Flannel, tunnels, types of plugins, links (with who makes them).
OF_FLANNEL = {
    "vxlan": "VXLAN",
    "host-gw": "host-gw",
    "udp": "UDP",
    "ipip": "IPIP",
    "wireguard": "WireGuard",
}
OF_TUNNELS = {"vxlan": "VXLAN", "geneve": "Geneve", "gre": "GRE"}
OF_PLUGINS = {"sriov": "SR-IOV", "ib-sriov": "SR-IOV", "macvlan": "MACVLAN", "ipvlan": "IPVLAN"}
OF_LINKS = {
    "flannel.1": ("VXLAN", "Flannel"),
    "flannel0": ("UDP", "Flannel"),
    "flannel-wg": ("WireGuard", "Flannel"),
    "vxlan.calico": ("VXLAN", "Calico"),
    "wireguard.cali": ("WireGuard", "Calico"),
    "vxlan-6784": ("VXLAN", "Weave Net"),
    "cilium_vxlan": ("VXLAN", "Cilium"),
    "cilium_geneve": ("Geneve", "Cilium"),
    "cilium_wg0": ("WireGuard", "Cilium"),
    "kube-ipvs0": ("IPVS", "kube-proxy"),
    "kube-dummy-if": ("IPVS", "kube-router"),
}
#: Objects of others that tell: their kind, asked for where its group is served.
OBJECTS: Mapping[str, Resource] = {
    "pools": Resource("crd.projectcalico.org", "v1", "ippools", namespaced=False),
    "felix": Resource("crd.projectcalico.org", "v1", "felixconfigurations", namespaced=False),
    "peers": Resource("crd.projectcalico.org", "v1", "bgppeers", namespaced=False),
    "attachments": Resource("k8s.cni.cncf.io", "v1", "network-attachment-definitions"),
    "cards": Resource("sriovnetwork.openshift.io", "v1", "sriovnetworknodepolicies"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to conclude from. `configs` are ConfigMaps by name, `objects` those of `OBJECTS` by their key."""

    others: tuple[OtherCni, ...] = ()
    nodes: tuple[Manifest, ...] = ()
    configs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[str, Sequence[Manifest]] = field(default_factory=dict)
    reports: tuple[NodeFacts, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """One technology. `by` are those that use it, `evidence` how that is known; both are empty where nothing does."""

    name: str
    title: str
    about: str
    used: str
    cost: str
    seen: str
    by: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CniDetection:
    """The CNIs of a cluster, and what they are made of. `missing` is what could not be read, with the reason.

    `nodes_asked` counts the nodes that told about themselves.
    """

    kind: ClassVar[str] = "CniDetection"

    cilium: str
    others: tuple[OtherCni, ...]
    technologies: tuple[Technology, ...]
    nodes_asked: int = 0
    missing: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


def partial_error(result: CniDetection) -> CiliumctlError | None:
    """What is told where something could not be read."""
    if not result.missing:
        return None
    return Partial(
        f"{len(result.missing)} of what tells about CNIs could not be read: {result.missing[0]}",
        hint="what is shown is true, and may not be all; ask with a user who may read the rest",
    )


def known() -> tuple[Technology, ...]:
    """All technologies, none of them seen."""
    return tuple(Technology(**entry) for entry in templates.load("cni/technologies.yaml"))


def look(kube: Kube, namespace: str, reports: NodeReports | None = None) -> Scene:
    """What the cluster's objects tell, beside `reports` of its nodes.

    Five requests, and one for each ConfigMap of another CNI and each kind of theirs that is served.

    Raises:
        ClusterError: the cluster cannot be reached, or does not know us. What a right is missing for is told instead.
    """
    seen = cni.look(kube)
    wanted = [
        (namespace, "cilium-config"),
        ("kube-system", "kube-proxy"),
        *(config for other in seen.others for config in other.configs),
    ]
    kinds = {key: resource for key, resource in OBJECTS.items() if resource.group in seen.groups}
    found = gather(
        [
            *(partial(_config, kube, place, name) for place, name in wanted),
            *(partial(_objects, kube, resource) for resource in kinds.values()),
        ]
    )
    reports = reports or NodeReports()
    missing = [f"node `{run.node}`: {run.detail or run.reason}" for run in reports.runs if run.failed]
    names = [*(f"ConfigMap `{place}/{name}`" for place, name in wanted), *(str(one) for one in kinds.values())]
    for what, one in zip(names, found, strict=True):
        if isinstance(one, CiliumctlError):
            missing.append(f"{what}: {one.message}")
        elif isinstance(one, Exception):
            raise one
    good = [[] if isinstance(one, Exception) else one for one in found]
    configs = dict(zip([name for _place, name in wanted], good[: len(wanted)], strict=True))
    return Scene(
        others=seen.others,
        nodes=seen.nodes,
        configs={name: dig(items[0], "data", default={}) for name, items in configs.items() if items},
        objects=dict(zip(kinds, good[len(wanted) :], strict=True)),
        reports=reports.facts,
        missing=tuple(missing),
    )


def _config(kube: Kube, namespace: str, name: str) -> list[Manifest]:
    found = kube.find(CONFIG_MAPS, name, namespace)
    return [] if found is None else [found]


def _objects(kube: Kube, resource: Resource) -> list[Manifest]:
    return list(kube.objects(resource))


def conclude(scene: Scene) -> CniDetection:
    """What is in use, and how that is known."""
    signs = list(
        dict.fromkeys(
            [*_flannel(scene), *_calico(scene), *_cilium(scene), *_others(scene), *_beside(scene), *_told(scene)]
        )
    )
    technologies = tuple(_seen(entry, [sign for sign in signs if sign[0] == entry.name]) for entry in known())
    config = scene.configs.get("cilium-config")
    return CniDetection(
        cilium="" if config is None else "ConfigMap `cilium-config`",
        others=scene.others,
        technologies=technologies,
        nodes_asked=len(scene.reports),
        missing=scene.missing,
    )


def _seen(entry: Technology, signs: Sequence[Sign]) -> Technology:
    return replace(
        entry,
        by=tuple(dict.fromkeys(sign[1] for sign in signs)),
        evidence=tuple(dict.fromkeys(sign[2] for sign in signs)),
    )


def _flannel(scene: Scene) -> Iterator[Sign]:
    marks = {annotations_of(node).get(_FLANNEL, ""): name_of(node) for node in reversed(scene.nodes)}
    for mark, node in marks.items():
        if mark in OF_FLANNEL:
            yield OF_FLANNEL[mark], "Flannel", f"node `{node}` is annotated with the back-end `{mark}`"
    settings = members(scene.configs.get("kube-flannel-cfg", {}).get("net-conf.json", ""))
    backend = str(dig(settings, "Backend", "Type", default="")).lower()
    if backend in OF_FLANNEL:
        yield OF_FLANNEL[backend], "Flannel", f"ConfigMap `kube-flannel-cfg` names the back-end `{backend}`"


def _calico(scene: Scene) -> Iterator[Sign]:
    for pool in scene.objects.get("pools", ()):
        name = f"IPPool `{name_of(pool)}`"
        modes = {key: str(dig(pool, "spec", key, default="Never")) for key in ("ipipMode", "vxlanMode")}
        for key, technology in (("ipipMode", "IPIP"), ("vxlanMode", "VXLAN")):
            if modes[key] != "Never":
                yield technology, "Calico", f"{name} has `{key}: {modes[key]}`"
        if modes["vxlanMode"] == "Never" and not dig(pool, "spec", "disabled", default=False):
            how = "wraps nothing" if modes["ipipMode"] == "Never" else "is announced by BIRD, as all IPIP pools are"
            yield "BGP", "Calico", f"{name} {how}"
    for peer in scene.objects.get("peers", ()):
        yield "BGP", "Calico", f"BGPPeer `{name_of(peer)}`"
    for felix in scene.objects.get("felix", ()):
        for key, technology in (("bpfEnabled", "eBPF"), ("wireguardEnabled", "WireGuard")):
            if dig(felix, "spec", key, default=False):
                yield technology, "Calico", f"FelixConfiguration `{name_of(felix)}` has `{key}`"


def _cilium(scene: Scene) -> Iterator[Sign]:
    config = scene.configs.get("cilium-config")
    if config is None:
        return
    yield "eBPF", "Cilium", "Cilium is installed (`cilium-config`)"
    # `tunnel` until 1.14; then `routing-mode` and `tunnel-protocol`.
    tunnel = config.get("tunnel-protocol") or config.get("tunnel", "")
    if config.get("routing-mode") != "native" and tunnel in OF_TUNNELS:
        yield OF_TUNNELS[tunnel], "Cilium", f"`cilium-config` has the tunnel `{tunnel}`"
    for key, technology in (
        ("auto-direct-node-routes", "host-gw"),
        ("enable-bgp-control-plane", "BGP"),
        ("enable-wireguard", "WireGuard"),
    ):
        if config.get(key) == "true":
            yield technology, "Cilium", f"`cilium-config` has `{key}: true`"


def _others(scene: Scene) -> Iterator[Sign]:
    mode = _yaml_value(scene.configs.get("kube-proxy", {}).get("config.conf", ""), "mode")
    if mode == "ipvs":
        yield "IPVS", "kube-proxy", "ConfigMap `kube-system/kube-proxy` has `mode: ipvs`"
    antrea = scene.configs.get("antrea-config", {}).get("antrea-agent.conf", "")
    tunnel = _yaml_value(antrea, "tunnelType") or ("geneve" if antrea else "")
    if tunnel in OF_TUNNELS and _yaml_value(antrea, "trafficEncapMode") in {"", "encap", "hybrid"}:
        yield OF_TUNNELS[tunnel], "Antrea", f"ConfigMap `antrea-config`: tunnels of the type `{tunnel}`"
    for other in scene.others:
        if not other.running:
            continue
        if other.name == "Weave Net":
            yield "VXLAN", "Weave Net", other.evidence[0]
        elif other.name == "kube-router":
            yield "BGP", "kube-router", other.evidence[0]


def _beside(scene: Scene) -> Iterator[Sign]:
    """Second interfaces: what Multus and the SR-IOV operator are told."""
    for attachment in scene.objects.get("attachments", ()):
        config = members(str(dig(attachment, "spec", "config", default="")))
        kinds = [config.get("type"), *(dig(one, "type", default="") for one in _dicts(config.get("plugins")))]
        for kind in kinds:
            if kind in OF_PLUGINS:
                where = f"NetworkAttachmentDefinition `{namespace_of(attachment)}/{name_of(attachment)}`"
                yield OF_PLUGINS[kind], f"the plugin `{kind}`", where
    for policy in scene.objects.get("cards", ()):
        yield "SR-IOV", "the SR-IOV operator", f"SriovNetworkNodePolicy `{name_of(policy)}`"


def _told(scene: Scene) -> Iterator[Sign]:
    """What nodes said of themselves; of each sign the first node."""
    said: dict[tuple[str, str, str], str] = {}
    for report in scene.reports:
        for link in report.links:
            if link in OF_LINKS:
                technology, who = OF_LINKS[link]
                said.setdefault((technology, who, f"link `{link}`"), report.node)
        if report.bpf:
            said.setdefault(("eBPF", "Cilium", "state below `/sys/fs/bpf`"), report.node)
        for file in report.cni_files:
            for plugin in file.plugins:
                if file.considered and plugin in OF_PLUGINS:
                    key = (OF_PLUGINS[plugin], f"the plugin `{plugin}`", f"`{file.file}`")
                    said.setdefault(key, report.node)
    for (technology, who, what), node in said.items():
        yield technology, who, f"{what} on node `{node}`"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _yaml_value(text: str, key: str) -> str:
    """A value of a program's own YAML configuration; empty where that is none."""
    import yaml

    from ciliumctl import yaml_files

    try:
        found = yaml_files.parse(text)
    except yaml.YAMLError:
        return ""
    return str(found.get(key) or "") if isinstance(found, dict) else ""
