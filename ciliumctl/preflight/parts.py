"""Each part of a scene: how it is read from the cluster, in as few requests as it takes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import yaml

from ciliumctl import certificates as x509
from ciliumctl import charts, cni, flavour, lock, permissions, yaml_files
from ciliumctl.checks import _images, _proxy, crd_orphans, crd_stored, proxy_endpoint, upgrade_fqdn
from ciliumctl.checks._scene import (
    Certificate,
    Crd,
    Leftovers,
    Node,
    Scene,
    Sent,
    ServiceRanges,
    Taint,
    Target,
    Unmanaged,
)
from ciliumctl.clients.helm import Revision, revision_of
from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_ENDPOINTS,
    CILIUM_POLICIES,
    CRDS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
    Kube,
    Manifest,
    Resource,
    Table,
    addresses_of,
    annotations_of,
    conditions_of,
    dig,
    is_ciliums_crd,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.clients.web import Web
from ciliumctl.connectivity.session import LABEL as TEST_LABEL
from ciliumctl.errors import Invalid, NotFound
from ciliumctl.flavour.facts import is_loopback
from ciliumctl.parallel import gather_all, together
from ciliumctl.preflight import images, sending
from ciliumctl.values import lint
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import Finding

_SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", namespaced=False)
_SCHEMA = "io.cilium.k8s.crd.schema.version"
_CHECK_RELEASE = "cilium-preflight"
#: Pods that are named one by one; with more of them their number must do.
_NAMED = 5000
#: Out of TEST-NET-1 (RFC 5737): no cluster gives it to a service.
_NO_SERVICE = "192.0.2.77"


def crds_of(chart: charts.Chart) -> dict[str, str]:
    """The CRDs that a chart's operator makes, each with a version: Cilium's charts list them for Artifact Hub."""
    try:
        listed = yaml_files.parse(str((chart.metadata.get("annotations") or {}).get("artifacthub.io/crds") or ""))
    except yaml.YAMLError:
        return {}
    entries = [entry for entry in listed or [] if isinstance(entry, dict) and entry.get("name")]
    return {str(entry["name"]): str(entry.get("version") or "") for entry in entries}


def namespaces(kube: Kube) -> dict[str, Mapping[str, str]]:
    """Every namespace with its labels. One request."""
    return {name_of(item): labels_of(item) for item in kube.objects(NAMESPACES, metadata_only=True)}


def nodes(kube: Kube) -> tuple[Node, ...]:
    """Every node. One request for each 500 of them."""
    return tuple(node_of(item) for item in kube.objects(NODES))


def node_of(item: Manifest) -> Node:
    """A node as the checks see it."""
    info: Manifest = dig(item, "status", "nodeInfo", default={})
    ready = conditions_of(item).get("Ready", {})
    taints: list[Manifest] = dig(item, "spec", "taints", default=[])
    images_held: list[Manifest] = dig(item, "status", "images", default=[])
    labels = labels_of(item)
    pod_range = dig(item, "spec", "podCIDR", default="")
    return Node(
        name=name_of(item),
        ready=ready.get("status") == "True",
        reason=str(ready.get("reason") or ""),
        message=str(ready.get("message") or ""),
        unschedulable=dig(item, "spec", "unschedulable", default=False),
        architecture=str(info.get("architecture") or labels.get("kubernetes.io/arch") or ""),
        system=str(info.get("operatingSystem") or labels.get("kubernetes.io/os") or "linux"),
        kernel=str(info.get("kernelVersion") or ""),
        os_image=str(info.get("osImage") or ""),
        kubelet=str(info.get("kubeletVersion") or ""),
        addresses=tuple(addresses_of(item)),
        pod_ranges=tuple(dig(item, "spec", "podCIDRs", default=[]) or ([pod_range] if pod_range else [])),
        labels=labels,
        annotations=frozenset(annotations_of(item)),
        taints=tuple(
            Taint(key=str(one.get("key")), value=str(one.get("value") or ""), effect=str(one.get("effect")))
            for one in taints
        ),
        images=frozenset(name for one in images_held for name in one.get("names") or []),
    )


def crds(kube: Kube) -> tuple[Crd, ...]:
    """Cilium's own CRDs, from metadata alone: whole ones have 2 MB of schemas. One request for each 500 CRDs."""
    found = []
    for item in kube.objects(CRDS, metadata_only=True):
        name = name_of(item)
        if is_ciliums_crd(name):
            marks = annotations_of(item) | labels_of(item)
            found.append(Crd(name=name, schema=marks.get(_SCHEMA, "")))
    return tuple(found)


def service_ranges(kube: Kube, facts: flavour.Facts) -> ServiceRanges:
    """Where services get their addresses from: one request since Kubernetes 1.33, at most three before."""
    try:
        listed: list[list[str]] = [dig(item, "spec", "cidrs", default=[]) for item in kube.objects(_SERVICE_CIDRS)]
        found = [cidr for cidrs in listed for cidr in cidrs]
    except NotFound:
        found = []
    if found:
        return ServiceRanges(ranges=tuple(dict.fromkeys(found)), source="ServiceCIDR objects")
    subnet = str((facts.kubeadm.get("networking") or {}).get("serviceSubnet") or "")
    if subnet:
        parts = tuple(part.strip() for part in subnet.split(",") if part.strip())
        return ServiceRanges(ranges=parts, source="ConfigMap `kube-system/kubeadm-config`")
    return _from_a_refusal(kube) or _from_a_service(kube)


def _from_a_refusal(kube: Kube) -> ServiceRanges | None:
    """The server names its range when it refuses a service's address; with `dryRun` nothing could be made anyway."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ciliumctl-check"},
        "spec": {"clusterIP": _NO_SERVICE, "ports": [{"port": 443}]},
    }
    try:
        kube.create(SERVICES, service, "default", dry_run=True)
    except Invalid as error:
        match = re.search(r"range of valid IPs is ([0-9a-fA-F:.]+/\d+)", error.detail or error.message)
        return (
            ServiceRanges(ranges=(match[1],), source="the API server's refusal of another address") if match else None
        )
    return None


def _from_a_service(kube: Kube) -> ServiceRanges:
    """The one address that is known in any cluster."""
    found = kube.find(SERVICES, "kubernetes", "default")
    addresses: list[str] = dig(found, "spec", "clusterIPs", default=[])
    return ServiceRanges(ranges=tuple(addresses), source="Service `default/kubernetes`, the only address that is known")


def releases(kube: Kube, name: str, storage: Resource) -> tuple[Revision, ...]:
    """The newest revision of each release of Cilium, and of the official check, in any namespace. One request."""
    newest: dict[tuple[str, str], Revision] = {}
    labels = f"owner=helm,name in ({name},{_CHECK_RELEASE})"
    for stored in kube.objects(storage, labels=labels, metadata_only=True):
        found = revision_of(stored)
        if found is None:
            continue
        key = (found.namespace, found.name)
        if key not in newest or newest[key].revision < found.revision:
            newest[key] = found
    return tuple(newest[key] for key in sorted(newest))


def leftovers(kube: Kube) -> Leftovers:
    """The lock, and namespaces of connectivity tests. Two requests."""
    held, tests = together(
        partial(lock.told, kube),
        lambda: [name_of(item) for item in kube.objects(NAMESPACES, labels=TEST_LABEL, metadata_only=True)],
    )
    return Leftovers(lock=held, namespaces=tuple(tests))


def pods(kube: Kube, *, present: bool) -> Unmanaged:
    """Running pods that no CiliumEndpoint has the address of. Two tables; one more where there are such pods."""
    managed: set[str] = set()
    if present:
        try:
            endpoints = kube.table(CILIUM_ENDPOINTS)
            managed = {str(address) for name in ("ipv4", "ipv6") for address in endpoints.column(name) if address}
        except NotFound:
            managed = set()
    fields, hosts = "status.phase=Running,spec.hostNetwork=false", set[str]()
    try:
        table = kube.table(PODS, fields=fields)
    except Invalid:
        # Before Kubernetes 1.28 hostNetwork cannot be selected by: such pods have their node's address.
        fields = "status.phase=Running"
        hosts = {str(address) for address in kube.table(NODES).column("internal-ip")}
        table = kube.table(PODS, fields=fields)
    networked = [pair for pair in _addressed(table) if pair[1] not in hosts]
    alone = [pair for pair in networked if pair[1] not in managed]
    if not alone or len(networked) > _NAMED:
        return Unmanaged(networked=len(networked), unmanaged=len(alone))
    again = kube.table(PODS, fields=fields, namespaces=True)
    places = zip(again.column("namespace"), again.column("name"), again.column("ip"), strict=False)
    named = {(str(name), str(address)): f"{place}/{name}" for place, name, address in places}
    listed = tuple(named[pair] for pair in alone if pair in named)
    return Unmanaged(networked=len(networked), unmanaged=len(alone), pods=listed)


def _addressed(table: Table) -> list[tuple[str, str]]:
    """Names and addresses of the pods that have one."""
    pairs = zip(table.column("name"), table.column("ip"), strict=False)
    return [(str(name), str(address)) for name, address in pairs if str(address) not in {"", "<none>"}]


def certificates(kube: Kube, namespace: str, *, present: bool) -> tuple[Certificate, ...]:
    """Cilium's certificates with their ends, without their keys. Two requests, none where no Cilium is."""
    if not present:
        return ()
    tls, authority = together(
        lambda: list(kube.objects(SECRETS, namespace, fields="type=kubernetes.io/tls")),
        partial(kube.find, SECRETS, "cilium-ca", namespace),
    )
    found = [
        _certificate(item, "tls.crt")
        for item in tls
        if name_of(item).startswith(("hubble-", "clustermesh-")) and dig(item, "data", "tls.crt", default="")
    ]
    if authority is not None and dig(authority, "data", "ca.crt", default=""):
        found.append(_certificate(authority, "ca.crt"))
    return tuple(found)


def _certificate(item: Manifest, key: str) -> Certificate:
    try:
        pem = base64.b64decode(dig(item, "data", key, default=""))
        return Certificate(secret=name_of(item), key=key, until=x509.valid_until(pem))
    except (ValueError, binascii.Error) as error:
        return Certificate(secret=name_of(item), key=key, problem=str(error))


def fqdn_policies(kube: Kube, here: str, there: str) -> tuple[str, ...]:
    """Policies with `toFQDNs`. Two requests, and only for a step where they matter."""
    if not upgrade_fqdn.needed_version(here, there):
        return ()
    found = []
    for kind, resource in (
        ("CiliumNetworkPolicy", CILIUM_POLICIES),
        ("CiliumClusterwideNetworkPolicy", CILIUM_CLUSTERWIDE_POLICIES),
    ):
        try:
            found += [
                f"{kind}/{namespace_of(item)}/{name_of(item)}" for item in kube.objects(resource) if has_fqdns(item)
            ]
        except NotFound:
            continue
    return tuple(found)


def has_fqdns(policy: Manifest) -> bool:
    """Whether a rule of a policy names hosts."""
    specs: list[Manifest] = [dig(policy, "spec", default={}), *dig(policy, "specs", default=[])]
    rules: list[list[Manifest]] = [dig(spec, "egress", default=[]) for spec in specs]
    return any(rule.get("toFQDNs") for listed in rules for rule in listed)


def cni_configs(kube: Kube, others: Sequence[cni.OtherCni]) -> tuple[str, ...]:
    """The ConfigMaps of other CNIs. One request each, none where there is no other CNI."""
    return cni.configurations(kube, others)


def sent(kube: Kube, found: Mapping[str, Any], namespace: str) -> tuple[Sent, ...]:
    """Every object of the manifest, sent without being kept."""
    return sending.send(kube, found["manifest"], found["kinds"], namespace, found["namespaces"])


def missing_rights(kube: Kube, found: Mapping[str, Any], namespace: str) -> tuple[str, ...]:
    """The rights that the installation needs and this user lacks. One request for those who may do everything."""
    if permissions.is_admin(kube):
        return ()
    needed = permissions.needed(found["manifest"], namespace, found["kinds"])
    return tuple(str(access) for access in kube.denied(needed))


def orphans(kube: Kube, found: Mapping[str, Any], target: Target) -> dict[str, tuple[str, ...]]:
    """CRDs that the target does not have, each with its objects. One request for each such CRD."""
    names = crd_orphans.unknown_to(dict(target.crds), [crd.name for crd in found["crds"]])
    served = {f"{one.plural}.{one.group}": one for one in found["kinds"].values()}
    lists = gather_all([partial(_named, kube, served.get(name)) for name in names])
    return dict(zip(names, lists, strict=True))


def _named(kube: Kube, resource: Resource | None) -> tuple[str, ...]:
    if resource is None:
        return ()
    items = kube.objects(resource, metadata_only=True)
    return tuple(f"{namespace_of(item)}/{name_of(item)}" for item in items)


def stored_versions(kube: Kube, found: Mapping[str, Any], target: Target) -> dict[str, tuple[str, ...]]:
    """The stored versions of those CRDs that the target takes a version away from. Mostly no request at all."""
    there = {crd.name for crd in found["crds"]}
    names = sorted({entry["crd"] for entry in crd_stored.dropped_by(target.version)} & there)
    items = gather_all([partial(kube.get, CRDS, name) for name in names])
    return {name_of(item): tuple(dig(item, "status", "storedVersions", default=[])) for item in items}


def published(web: Web, found: Mapping[str, Any]) -> dict[str, str]:
    """What the registries say of the manifest's images."""
    return images.published(web, _images.images_of(found["manifest"]))


def value_findings(config: Mapping[str, Any], chart: charts.Chart, version: str) -> tuple[Finding, ...]:
    """What lint says of the values for this chart, coming from the installed `version`. Asks nobody."""
    layers = [Layer(origin="the values", values=config)]
    coming_from = version if version != chart.version else ""
    return lint.check(layers, chart, coming_from=coming_from).findings


def endpoint_problem(web: Web, scene: Scene) -> str:
    """Why `k8sServiceHost` does not answer this machine, where it is none of the addresses that are known."""
    host, port = proxy_endpoint.address_of(scene)
    known = proxy_endpoint.known_addresses(scene)
    if not _proxy.replaced(scene.target.values) or host in {"", "auto", *known} or is_loopback(host) or not port:
        return ""
    shown = f"[{host}]" if ":" in host else host
    url = f"https://{shown}:{port}/livez"
    error = web.unreachable([url], seconds=3.0).get(url)
    # A certificate that this machine does not trust is an answer, too.
    return "" if error is None or "certificate" in error.message else error.message
