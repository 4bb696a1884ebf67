"""Address ranges: the one pods get theirs from, and what overlaps."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl.checks._scene import Node
from ciliumctl.clients.kube import dig

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """The ranges that pods get their addresses from. `block` is the prefix of what a node gets out of them.

    With `by_node` Kubernetes gave each node its own already. `unknown` says why there are none.
    """

    ranges: tuple[Network, ...] = ()
    block4: int = 0
    block6: int = 0
    by_node: bool = False
    unknown: str = ""

    def block(self, network: Network) -> int:
        """The prefix of a node's share of one of the ranges."""
        return min(self.block4 if network.version == 4 else self.block6, network.max_prefixlen)


def network(text: str) -> Network | None:
    """A range, or `None` when it is none."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def address(text: str) -> Address | None:
    """An address, or `None` when it is a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Those of the texts that are ranges."""
    return tuple(found for text in texts if (found := network(text)) is not None)


def of_pods(values: Mapping[str, Any], nodes: tuple[Node, ...]) -> Pods:
    """Where pods will get their addresses, as the values say."""
    mode = str(dig(values, "ipam", "mode") or "cluster-pool")
    if mode == "kubernetes":
        found = networks(text for node in nodes for text in node.pod_ranges)
        return Pods(
            ranges=found, by_node=True, unknown="" if found else "no node has a range of its own (`spec.podCIDR`)"
        )
    if mode != "cluster-pool":
        return Pods(unknown=f"`ipam.mode` is {mode}: the addresses come from elsewhere")
    operator: Mapping[str, Any] = dig(values, "ipam", "operator", default={})
    if not operator:
        return Pods(unknown="the chart says nothing of a pool")
    listed = _listed(operator.get("clusterPoolIPv4PodCIDRList") or operator.get("clusterPoolIPv4PodCIDR"))
    if dig(values, "ipv4", "enabled") is False:
        listed = []
    if dig(values, "ipv6", "enabled") is True:
        listed += _listed(operator.get("clusterPoolIPv6PodCIDRList") or operator.get("clusterPoolIPv6PodCIDR"))
    found = networks(listed)
    nothing = f"`{', '.join(listed)}` is no range of addresses" if listed else "no pool of addresses is in the values"
    return Pods(
        ranges=found,
        block4=_size(operator.get("clusterPoolIPv4MaskSize"), 24),
        block6=_size(operator.get("clusterPoolIPv6MaskSize"), 120),
        unknown="" if found else nothing,
    )


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [str(item) for item in value] if isinstance(value, list) else []


def _size(value: Any, usual: int) -> int:
    """A prefix's length; the chart's own where the values have none, or something else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:4]) <= 128 else usual


def block_of(pool: Network, size: int, one: Address) -> int:
    """The number of the block that an address lies in, counted from 0 as the operator hands them out."""
    return (int(one) - int(pool.network_address)) >> (pool.max_prefixlen - size)


def blocks(pool: Network, size: int) -> int:
    """How many nodes' shares a pool has."""
    return 1 << max(0, size - pool.prefixlen)


def soon(nodes: int) -> int:
    """How many blocks are handed out before long: those of the nodes that are there, of as many again, and a few."""
    return 2 * nodes + 16
