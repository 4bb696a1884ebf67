"""What can be gathered cheaply when a scenario failed: who would know, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ciliumctl.clients.kube import (
    DAEMON_SETS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    Kube,
    Manifest,
    Resource,
    conditions_of,
    dig,
    labels_of,
    name_of,
)
from ciliumctl.connectivity.model import Bed
from ciliumctl.connectivity.result import Tested
from ciliumctl.parallel import gather as at_once

_NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
_CILIUM_POLICIES = Resource("cilium.io", "v2", "ciliumnetworkpolicies")
_MOST = 12


def gather(kube: Kube, bed: Bed, tested: Tested) -> tuple[str, ...]:
    """Lines that say what is there; a source that does not answer is left out. A handful of requests."""
    pods = {probe.source for probe in tested.failures} & bed.pods.keys()
    calls = [
        partial(_pods, bed, pods),
        partial(_nodes, kube, {bed.pod(role).node for role in pods} | {p.target_node for p in tested.failures}),
        partial(_endpoints, kube, bed, tested),
        partial(_policies, kube, bed),
        partial(_agents, kube, bed, {bed.pod(role).node for role in pods}),
    ]
    lines = [line for found in at_once(calls) if not isinstance(found, Exception) for line in found]
    return tuple(lines[:_MOST])


def _pods(bed: Bed, roles: Iterable[str]) -> list[str]:
    return [
        f"pod {bed.pod(role).name}: {', '.join(bed.pod(role).addresses.values())} on {bed.pod(role).node}"
        for role in sorted(roles)
    ]


def _nodes(kube: Kube, names: set[str]) -> list[str]:
    lines = []
    for name in sorted(names - {""}):
        node = kube.find(NODES, name)
        ready: Manifest = conditions_of(node or {}).get("Ready", {})
        if node is None:
            lines.append(f"node {name}: it is not there any more")
        elif ready.get("status") != "True":
            lines.append(f"node {name}: not Ready: {ready.get('reason', '')}: {ready.get('message', '')}")
    return lines


def _endpoints(kube: Kube, bed: Bed, tested: Tested) -> list[str]:
    asked = {probe.target.removeprefix("service ") for probe in tested.failures if probe.target.startswith("service ")}
    if not asked:
        return []
    found: dict[str, list[str]] = {name: [] for name in asked}
    for one in kube.objects(ENDPOINT_SLICES, bed.namespace):
        name = labels_of(one).get("kubernetes.io/service-name", "")
        if name in found:
            endpoints: list[Manifest] = dig(one, "endpoints", default=[])
            found[name] += [address for endpoint in endpoints for address in endpoint.get("addresses", ())]
    return [f"service {name}: endpoints {', '.join(sorted(ends)) or 'none'}" for name, ends in sorted(found.items())]


def _policies(kube: Kube, bed: Bed) -> list[str]:
    names = [f"NetworkPolicy {name_of(one)}" for one in kube.objects(_NETWORK_POLICIES, bed.namespace)]
    if "CiliumNetworkPolicy" in bed.world.kinds:
        names += [f"CiliumNetworkPolicy {name_of(one)}" for one in kube.objects(_CILIUM_POLICIES, bed.namespace)]
    return [f"policies in namespace {bed.namespace}: {', '.join(names)}"] if names else []


def _agents(kube: Kube, bed: Bed, nodes: set[str]) -> list[str]:
    """Whether the CNI's agents run on those nodes; for Cilium only, whose agents we know."""
    if not bed.world.cilium or kube.find(DAEMON_SETS, "cilium", bed.world.cilium_namespace) is None:
        return []
    lines = []
    for pod in kube.objects(PODS, bed.world.cilium_namespace, labels="k8s-app=cilium"):
        ready = dig(conditions_of(pod).get("Ready"), "status", default="")
        if dig(pod, "spec", "nodeName", default="") in nodes and ready != "True":
            lines.append(f"agent {name_of(pod)} on {dig(pod, 'spec', 'nodeName', default='')}: not ready")
    return lines
