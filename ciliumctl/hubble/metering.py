"""Which metrics Hubble makes of flows: `hubble.metrics.enabled`, a list of names with their options.

An agent that is given a name it does not know does not start, so names are checked before (pkg/hubble/metrics).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ciliumctl.errors import UsageError
from ciliumctl.values.paths import get
from ciliumctl.versioning import below, numbers

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
    "kafka": "Kafka requests",
    "policy": "verdicts of policies",
    "port-distribution": "connections by port",
    "sctp": "SCTP chunks",
    "tcp": "TCP flags",
}
#: Those that some versions of Cilium lack: since when they are there, and from when on no more.
_VERSIONS = {"kafka": ("", "1.19"), "sctp": ("1.18", "")}
#: Options that only some have; agents pass over those that they do not know.
_OPTIONS = {
    "dns": ("query", "ignoreAAAA"),
    "flows-to-world": ("any-drop", "port", "syn-only"),
    "httpV2": ("exemplars",),
}
#: Options of all of them, and what they may be set to (`api/context.go` there, and Cilium's page about metrics).
CONTEXTS = (
    *("sourceContext", "sourceEgressContext", "sourceIngressContext"),
    *("destinationContext", "destinationEgressContext", "destinationIngressContext"),
)
IDENTIFIERS = (
    *("identity", "namespace", "pod", "pod-short", "pod-name", "dns", "ip", "reserved-identity", "workload"),
    *("workload-name", "app"),
)
LABELS_CONTEXT = "labelsContext"
LABELS = (
    *(
        f"{end}_{what}"
        for end in ("source", "destination")
        for what in ("ip", "namespace", "pod", "workload", "workload_kind", "app")
    ),
    "traffic_direction",
)


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
            if found.pop(name, None) is None:
                # Off already, or misspelt.
                _check(name)
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
    """The metrics in `dns:query;ignoreAAAA,drop,tcp`, checked; a comma inside of an option belongs to it.

    `httpV2:labelsContext=source_ip,source_app` has such commas: what follows one and is no name is the option's.

    Raises:
        UsageError: a metric, or what an option is set to, is not known, so that agents would not start; or an option is
            only misspelt, which they would pass over.
    """
    found = _pieces(text)
    for metric in found:
        _check(metric)
    return tuple(dict.fromkeys(found))


def named(text: str) -> tuple[str, ...]:
    """The names in such a list, whether they are known or not: one that is on can be switched off."""
    return tuple(dict.fromkeys(name_of(metric) for metric in _pieces(text)))


def _pieces(text: str) -> list[str]:
    found: list[str] = []
    for piece in text.split(","):
        part = piece.strip()
        if name_of(part) in KNOWN or not found or ":" not in found[-1] or not part:
            found.append(part)
        else:
            found[-1] += f",{part}"
    return found


def _check(metric: str) -> None:
    name, colon, options = metric.partition(":")
    if name not in KNOWN:
        near = get_close_matches(name, KNOWN, n=1)
        raise UsageError(
            f"Hubble has no metric `{name}`, and agents that are told one do not start",
            hint=(f"did you mean `{near[0]}`? " if near else "")
            + f"Some of {', '.join(KNOWN)}, each perhaps with options, such as `dns:query;ignoreAAAA`",
        )
    for option in options.split(";") if colon else ():
        _check_option(name, option)


def _check_option(metric: str, option: str) -> None:
    key, _equals, value = option.partition("=")
    names = (*_OPTIONS.get(metric, ()), *CONTEXTS, LABELS_CONTEXT)
    near = get_close_matches(key, names, n=1, cutoff=0.8)
    # One that looks like none of them may be a newer agent's.
    if not key or (near and key.lower() != near[0].lower()):
        raise UsageError(
            f"metric `{metric}` has no option `{key}`", hint=f"some of {', '.join(names)}, with `;` between them"
        )
    if key.lower() == LABELS_CONTEXT.lower():
        _check_values(f"`{key}` of metric `{metric}`", value, LABELS, ",")
    elif key.lower() in {one.lower() for one in CONTEXTS}:
        _check_values(f"`{key}` of metric `{metric}`", value.lower(), IDENTIFIERS, "|")


def _check_values(what: str, value: str, known: Sequence[str], between: str) -> None:
    for one in value.split(between):
        if one not in known:
            raise UsageError(
                f"{what} cannot be `{one}`, and agents that are told so do not start",
                hint=f"some of {', '.join(known)}, with `{between}` between them",
            )


def check_version(metrics: Sequence[str], version: str) -> None:
    """Refuse metrics that the agents of this version do not have. Raises `UsageError`."""
    for name in map(name_of, metrics):
        since, before = _VERSIONS.get(name, ("", ""))
        if (since and below(version, since)) or (before and numbers(version) and not below(version, before)):
            raise UsageError(
                f"Cilium {version} has no metric `{name}`, and agents that are told one do not start",
                hint=f"it came with {since}" if since else f"it was there before {before}",
            )


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
