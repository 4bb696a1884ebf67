"""Filters on flows that are at hand, as Hubble's server applies them (pkg/hubble/filters): for files, offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from ciliumctl.connectivity.selecting import matches as selector_matches
from ciliumctl.errors import UsageError
from ciliumctl.hubble.filters import Filters
from ciliumctl.hubble.flow import EVENTS, POINTS, TRACE, Flow, Side, part

Test = Callable[[Flow, Any], bool]
_DEFAULT_CLUSTER = "default"


def predicate(filters: Filters) -> Callable[[Flow], bool]:
    """Whether a flow passes.

    Raises:
        UsageError: a filter that only an agent can apply.
    """
    if filters.allow or filters.deny:
        raise UsageError(
            "`--allowlist` and `--denylist` are for agents, not for files",
            hint="use the options of the same meaning, or `hubble observe --input-file`",
        )
    allowed, denied = filters.alternatives(negated=False), filters.alternatives(negated=True)
    for field in {field for one in (*allowed, *denied) for field in one}:
        if field not in _TESTS:
            raise UsageError(
                f"`--{field.replace('_', '-')}` cannot be applied to a file",
                hint="give it to the command that wrote the file",
            )

    def passes(flow: Flow) -> bool:
        return (not allowed or any(_all(one, flow) for one in allowed)) and not any(_all(one, flow) for one in denied)

    return passes


def _all(fields: Mapping[str, Sequence[Any]], flow: Flow) -> bool:
    return all(any(_TESTS[name](flow, value) for value in values) for name, values in fields.items())


# One value of one field


def _named(namespace: str, name: str, wanted: str) -> bool:
    place, slash, prefix = wanted.rpartition("/")
    if not namespace and not name:
        return False
    return name.startswith(prefix) and (place == namespace or (bool(slash) and not place))


def _pod(side: Side, wanted: str) -> bool:
    return _named(side.namespace if side.pod else "", side.pod, wanted)


def _service(side: Side, wanted: str) -> bool:
    return _named(side.namespace if side.service else "", side.service, wanted)


def _workload(side: Side, wanted: str) -> bool:
    kind, _slash, name = wanted.rpartition("/")
    return any(name in {"", mine} and kind.lower() in {"", of.lower()} for of, mine in side.workloads)


def _within(address: str, wanted: str) -> bool:
    try:
        return ip_address(address) in ip_network(wanted, strict=False)
    except ValueError:
        return False


def _fqdn(side: Side, wanted: str) -> bool:
    pattern = _pattern(wanted)
    return any(pattern.fullmatch(name.rstrip(".").lower()) for name in side.names)


def _label(side: Side, wanted: str) -> bool:
    labels: dict[str, str] = {}
    for text in side.labels:
        key, _equals, value = text.partition("=")
        labels[key] = value
        labels.setdefault(key.partition(":")[2] or key, value)
    return selector_matches(_selector(wanted), labels)


_SET = re.compile(r"(\S+)\s+(in|notin)\s+\((.*)\)")


def _selector(text: str) -> dict[str, Any]:
    """Kubernetes' selector in words, as the object that means the same."""
    expressions = []
    for term in re.split(r",(?![^(]*\))", text):
        word = term.strip()
        found = _SET.fullmatch(word)
        if found:
            operator = "In" if found[2] == "in" else "NotIn"
            values = [value.strip() for value in found[3].split(",")]
            expressions.append({"key": found[1], "operator": operator, "values": values})
        elif "=" in word:
            key, _equals, value = word.partition("=")
            operator = "NotIn" if key.endswith("!") else "In"
            expressions.append({"key": key.rstrip("!").strip(), "operator": operator, "values": [value.strip("= ")]})
        else:
            operator = "DoesNotExist" if word.startswith("!") else "Exists"
            expressions.append({"key": word.lstrip("!"), "operator": operator})
    return {"matchExpressions": expressions}


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text.rstrip(".").lower()).replace(r"\*", "[-.0-9a-z]*"))


def node_matches(node: str, wanted: str) -> bool:
    """Whether a node's name, perhaps with the cluster's before a slash, fits `NODE` or `CLUSTER/NODE` with `*`."""
    cluster, _slash, name = node.rpartition("/")
    wanted_cluster, slash, wanted_name = wanted.rpartition("/")
    if slash and wanted_cluster and not _pattern(wanted_cluster).fullmatch(cluster or _DEFAULT_CLUSTER):
        return False
    return not wanted_name or _pattern(wanted_name).fullmatch(name.lower()) is not None


def _event(flow: Flow, wanted: str) -> bool:
    kind, _colon, sub = wanted.partition(":")
    number = EVENTS[kind] if kind in EVENTS else int(kind)
    if flow.event != number:
        return False
    if number == TRACE and sub and not sub.isdecimal():
        return flow.sub_event == next(number for number, name in POINTS.items() if name == sub)
    return not sub or flow.sub_event == int(sub)


def _protocol(flow: Flow, wanted: str) -> bool:
    mine = flow.protocol.lower()
    return wanted in {mine, flow.layer7} or (wanted == "icmp" and mine.startswith("icmp"))


def _flags(flow: Flow, wanted: str) -> bool:
    flags = part(flow.raw, "l4", "TCP", "flags")
    return bool(flags) and all(flags.get(flag) for flag in wanted.split(","))


def _http(flow: Flow) -> Mapping[str, Any]:
    return part(flow.raw, "l7", "http")


def _status(flow: Flow, wanted: str) -> bool:
    code = str(_http(flow).get("code") or "")
    return bool(code) and (code.startswith(wanted[:-1]) if wanted.endswith("+") else code == wanted)


def _url(flow: Flow, wanted: str) -> bool:
    return bool(_http(flow)) and re.search(wanted, str(_http(flow).get("url") or "")) is not None


def _path(flow: Flow, wanted: str) -> bool:
    from urllib.parse import urlsplit

    return bool(_http(flow)) and re.search(wanted, urlsplit(str(_http(flow).get("url") or "")).path) is not None


def _header(flow: Flow, wanted: str) -> bool:
    key, _colon, value = wanted.partition(":")
    return any(
        one.get("key", "").lower() == key.lower() and one.get("value") == value
        for one in _http(flow).get("headers") or ()
    )


def _version(flow: Flow, wanted: str) -> bool:
    said = str(part(flow.raw, "IP").get("ipVersion") or "")
    return {"v4": "IPv4", "v6": "IPv6", "none": ""}[wanted] == said


def _sided(test: Callable[[Side, Any], bool]) -> tuple[Test, Test]:
    return (lambda flow, value: test(flow.source, value)), (lambda flow, value: test(flow.destination, value))


_SIDES: Mapping[str, tuple[Test, Test]] = {
    "pod": _sided(_pod),
    "service": _sided(_service),
    "workload": _sided(_workload),
    "label": _sided(_label),
    "ip": _sided(lambda side, value: _within(side.ip, value)),
    "fqdn": _sided(_fqdn),
    "identity": _sided(lambda side, value: side.identity == value),
    "port": _sided(lambda side, value: side.port == int(value)),
}
_TESTS: Mapping[str, Test] = {
    **{f"source_{name}": tests[0] for name, tests in _SIDES.items()},
    **{f"destination_{name}": tests[1] for name, tests in _SIDES.items()},
    "source_cluster_name": lambda flow, value: part(flow.raw, "source").get("cluster_name") == value,
    "destination_cluster_name": lambda flow, value: part(flow.raw, "destination").get("cluster_name") == value,
    "uuid": lambda flow, value: flow.raw.get("uuid") == value,
    "node_name": lambda flow, value: bool(flow.node) and node_matches(flow.node, value),
    "node_labels": lambda flow, value: selector_matches(
        _selector(value), dict(text.partition("=")[::2] for text in flow.raw.get("node_labels") or ())
    ),
    "protocol": _protocol,
    "tcp_flags": _flags,
    "event_type": _event,
    "verdict": lambda flow, value: flow.verdict == value,
    "drop_reason_desc": lambda flow, value: flow.reason_name == value,
    "http_status_code": _status,
    "http_method": lambda flow, value: str(_http(flow).get("method") or "").lower() == value.lower(),
    "http_path": _path,
    "http_url": _url,
    "http_header": _header,
    "trace_id": lambda flow, value: part(flow.raw, "trace_context", "parent").get("trace_id") == value,
    "ip_trace_id": lambda flow, value: int(part(flow.raw, "ip_trace_id").get("trace_id") or 0) == value,
    "encrypted": lambda flow, value: bool(part(flow.raw, "IP").get("encrypted")) is value,
    "source_ip_xlated": lambda flow, value: _within(str(part(flow.raw, "IP").get("source_xlated") or ""), value),
    "ip_version": _version,
    "traffic_direction": lambda flow, value: flow.direction.lower() == value,
    "interface": lambda flow, value: part(flow.raw, "interface").get("name") == value,
}
