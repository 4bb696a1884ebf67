"""The range of services overlaps neither that of pods nor a node's address."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks import _ranges as ranges
from ciliumctl.checks._model import Check, Finding, Severity, Verdict, judged, skipped
from ciliumctl.checks._scene import Scene


def _with_pods(scene: Scene, pods: ranges.Pods, services: tuple[ranges.Network, ...]) -> Iterator[Finding]:
    seen = set()
    for pool in pods.ranges:
        for service in services:
            if pool.version != service.version or not pool.overlaps(service):
                continue
            size = pods.block(pool)
            number = ranges.block_of(pool, size, max(service.network_address, pool.network_address)) if size else 0
            near = number < ranges.soon(len(scene.nodes))
            severity: Severity = "error" if near and not scene.present else "warning"
            far = f"; the pool reaches it with node {number + 1}" if size else ""
            text = f"pods' {pool} and services' {service} overlap{far}"
            if text not in seen:
                seen.add(text)
                yield Finding(text=text, severity=severity)


def _with_nodes(scene: Scene, services: tuple[ranges.Network, ...]) -> Iterator[Finding]:
    for node in scene.nodes:
        for text in node.addresses:
            address = ranges.address(text)
            for service in services:
                if address is not None and address in service:
                    yield Finding(
                        text=f"{node.name} has {text}, which is in services' {service}", object=f"Node//{node.name}"
                    )


def _look(scene: Scene) -> Verdict:
    services = ranges.networks(scene.service_ranges.ranges)
    if not services:
        return skipped("the range of services is not known: neither a ServiceCIDR nor the server's own words tell it")
    pods = ranges.of_pods(scene.target.values, scene.nodes)
    findings = [*_with_pods(scene, pods, services), *_with_nodes(scene, services)]
    shown = ", ".join(map(str, services))
    return judged(
        findings,
        good=f"services have {shown}, apart from pods and nodes",
        bad=f"services' range {shown} overlaps",
        hint="choose another range for pods: `--set ipam.operator.clusterPoolIPv4PodCIDRList='{CIDR}'`; that of "
        "services is set where the API server is started",
        evidence=[f"services: {shown}, from {scene.service_ranges.source}"]
        + ([f"pods: {pods.unknown}"] if pods.unknown else []),
    )


NETWORK_SERVICES = Check(
    id="CIL-NET-002",
    category="network",
    title="services, pods and nodes have ranges of their own",
    why="An address that is both a service's and a pod's, or a node's, leads to one of them only: a packet for a pod "
    "is translated as if it were for a service.",
    remedy="Choose a pool for pods beside the services' range. kubeadm's 10.96.0.0/12 lies in the chart's pool "
    "10.0.0.0/8, but far behind: that is a warning, and an error only where the pool will reach it before long.",
    look=_look,
    reads=("nodes", "service_ranges"),
)
