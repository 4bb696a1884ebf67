"""What `cilium-health status -o json` says, as pairs. Pure.

The shape is that of `api/v1/health/models` of Cilium 1.15 to 1.20: `local.name`; `nodes[]` with `name`,
`host.primary-address` and `health-endpoint.primary-address` (before 1.14 `endpoint`), each with `icmp` and `http`, each
of these with `latency` in nanoseconds and `status`, which is empty when it got through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl.clients.kube import dig
from ciliumctl.latency.model import Pair, Way

_NANO = 1e6
_PLACES: tuple[tuple[tuple[str, ...], tuple[tuple[str, Way, str], ...]], ...] = (
    (
        ("host", "primary-address"),
        (("icmp", "node-icmp", "ICMP to the node"), ("http", "node-http", "HTTP to its agent")),
    ),
    (
        ("health-endpoint", "primary-address"),
        (("icmp", "pod-icmp", "ICMP into its pod network"), ("http", "pod-http", "HTTP into its pod network")),
    ),
)


def probed(answer: Any) -> str:
    """When the agent probed, as it says."""
    return dig(answer, "timestamp", default="")


def pairs(answer: Any, node: str) -> Iterator[Pair]:
    """What the agent of `node` says of every other node; of its own cluster's by their plain names."""
    local: str = dig(answer, "local", "name", default="")
    cluster = f"{local.rpartition('/')[0]}/" if "/" in local else ""
    listed: list[Any] = dig(answer, "nodes", default=[])
    for one in listed:
        name: str = dig(one, "name", default="")
        if name and name != local and name.removeprefix(cluster) != node:
            yield _pair(one, node, name.removeprefix(cluster))


def _pair(one: Any, source: str, target: str) -> Pair:
    times: dict[str, float] = {}
    failed: dict[str, list[str]] = {}
    for place, protocols in _PLACES:
        status = dig(one, *place) or (dig(one, "endpoint") if place[0] == "health-endpoint" else None)
        for protocol, way, words in protocols:
            found = dig(status, protocol)
            if found is None:
                continue
            said: str = dig(found, "status", default="")
            if said:
                failed.setdefault(said, []).append(words)
            else:
                times[way] = dig(found, "latency", default=0.0) / _NANO
    problem = "; ".join(f"{' and '.join(ways)}: {said}" for said, ways in failed.items())
    return Pair(source=source, target=target, times=times, problem=problem)
