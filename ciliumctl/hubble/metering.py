"""Which metrics Hubble makes of flows: `hubble.metrics.enabled`, a list of names with their options.

An agent that is given a name it does not know does not start, so names are checked before (pkg/hubble/metrics).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl.errors import UsageError
from ciliumctl.values.paths import get

VALUE = ("hubble", "metrics", "enabled")
OPEN = ("hubble", "metrics", "enableOpenMetrics")
#: The metrics that agents know, with what they count.
KNOWN: Mapping[str, str] = {
    "dns": "DNS queries and answers",
    "drop": "drops, by reason and protocol",
    "flow": "flows, by type and verdict",
    "flows-to-world": "flows that leave the cluster",
    "http": "HTTP requests, in the older form",
    "httpV2": "HTTP requests and their duration",
    "icmp": "ICMP messages",
    "kafka": "Kafka requests (before 1.19)",
    "policy": "verdicts of policies",
    "port-distribution": "connections by port",
    "sctp": "SCTP chunks (since 1.18)",
    "tcp": "TCP flags",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What is to become of the metrics: these `on`, these `off` (`all` for every one), OpenMetrics or not."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    open_metrics: bool | None = None

    def wanted(self, now: Sequence[str]) -> tuple[str, ...]:
        """The list as it is to be: what is on stays, one that is given again gets its new options."""
        if "all" in self.off:
            return ()
        found = {name_of(one): one for one in now}
        found |= {name_of(one): one for one in self.on}
        for name in self.off:
            found.pop(name, None)
        if {"http", "httpV2"} <= found.keys():
            raise UsageError(
                "`http` and `httpV2` cannot be on together: an agent with both does not start",
                hint="`ciliumctl hubble disable --metrics http` first",
            )
        return tuple(found.values())


def name_of(metric: str) -> str:
    """The name in `dns:query;ignoreAAAA`."""
    return metric.partition(":")[0]


def parse(text: str) -> tuple[str, ...]:
    """The metrics in `dns:query;ignoreAAAA,drop,tcp`; a comma inside of an option belongs to it. Raises `UsageError`.

    `httpV2:labelsContext=source_ip,source_app` has such commas: what follows one and is no name is the option's.
    """
    found: list[str] = []
    for piece in text.split(","):
        part = piece.strip()
        if name_of(part) in KNOWN:
            found.append(part)
        elif found and ":" in found[-1] and part:
            found[-1] += f",{part}"
        else:
            raise UsageError(
                f"Hubble has no metric `{part}`, and agents that are told one do not start",
                hint=f"some of {', '.join(KNOWN)}, each perhaps with options, such as `dns:query;ignoreAAAA`",
            )
    return tuple(dict.fromkeys(found))


def on_now(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics that a release's values switch on."""
    found = get(values, VALUE, default=None)
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def changes(values: Mapping[str, Any], metrics: Metrics) -> dict[tuple[str, ...], Any]:
    """The values that have to change, by their path; none when everything is as wanted.

    Raises:
        UsageError: the chart has no OpenMetrics, or two metrics exclude each other.
    """
    found: dict[tuple[str, ...], Any] = {}
    now = on_now(values)
    wanted = metrics.wanted(now)
    if wanted != now:
        found[VALUE] = list(wanted)
    if metrics.open_metrics is not None:
        is_open = get(values, OPEN, default=None)
        if is_open is None:
            raise UsageError("this chart has no OpenMetrics for Hubble", hint="it came with Cilium 1.13")
        if bool(is_open) is not metrics.open_metrics:
            found[OPEN] = metrics.open_metrics
    return found
