"""A flow as Hubble writes it (`-o jsonpb`, one object a line), and the parts of it that we look at.

The shape is `GetFlowsResponse` in Cilium's `api/v1/observer/observer.proto`, in protobuf's mapping to JSON: what is
zero or empty is not there, enums are words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ciliumctl.hubble import times

#: Numbers of events (pkg/monitor/api/types.go) that a flow comes from.
DROP, CAPTURE, TRACE, VERDICT, SOCK, L7 = 1, 3, 4, 5, 7, 129
EVENTS = {"drop": DROP, "capture": CAPTURE, "trace": TRACE, "l7": L7, "policy-verdict": VERDICT, "trace-sock": SOCK}
#: Identities that have a name, which `hubble` prints instead of the number (pkg/identity/reserved.go).
RESERVED = {
    0: "unknown",
    1: "host",
    2: "world",
    3: "unmanaged",
    4: "health",
    5: "init",
    6: "remote-node",
    7: "kube-apiserver",
    8: "ingress",
    9: "world-ipv4",
    10: "world-ipv6",
    11: "encrypted-overlay",
}
Outcome = Literal["allowed", "denied", "audited"]
#: What a policy said, by the flow's verdict.
OUTCOMES: Mapping[str, Outcome] = {
    "FORWARDED": "allowed",
    "REDIRECTED": "allowed",
    "DROPPED": "denied",
    "ERROR": "denied",
    "AUDIT": "audited",
}
#: How a rule matched (pkg/monitor/api/types.go).
MATCHES = {0: "none", 1: "L3-Only", 2: "L3-L4", 3: "L4-Only", 4: "all", 5: "L3-Proto", 6: "Proto-Only"}
#: Points of observation by number (pkg/monitor/api/types.go), for flows without the word.
POINTS = {
    0: "to-endpoint",
    1: "to-proxy",
    2: "to-host",
    3: "to-stack",
    4: "to-overlay",
    5: "from-endpoint",
    6: "from-proxy",
    7: "from-host",
    8: "from-stack",
    9: "from-overlay",
    10: "from-network",
    11: "to-network",
    12: "from-crypto",
    13: "to-crypto",
}
_NOTHING: Mapping[str, Any] = {}


def part(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """An object inside of others; an empty one where there is none."""
    found: Any = value
    for key in keys:
        found = found.get(key)
        if not isinstance(found, Mapping):
            return _NOTHING
    return found if isinstance(found, Mapping) else _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a flow; what is not known is empty. `identity` is 0 when nobody knows."""

    namespace: str
    pod: str
    service: str
    names: tuple[str, ...]
    workloads: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    identity: int
    ip: str
    port: int

    @property
    def host(self) -> str:
        """What it is called: `namespace/pod`, else the service, else its names, else its address."""
        if self.pod:
            return f"{self.namespace}/{self.pod}" if self.namespace else self.pod
        if self.service:
            return f"{self.namespace}/{self.service}" if self.namespace else self.service
        return ",".join(self.names) or self.ip

    @property
    def reserved(self) -> str:
        """The name of its identity when that is one of Cilium's own; empty for an endpoint's."""
        return RESERVED.get(self.identity, "") if self.identity else ""


@dataclass(frozen=True)
class Flow:
    """One flow. `raw` is Hubble's own object, `line` its text, `moment` its time in nanoseconds since 1970."""

    raw: Mapping[str, Any] = field(repr=False)
    line: str = field(repr=False)
    moment: int

    @property
    def node(self) -> str:
        """The node that saw it, perhaps with the cluster's name before a slash."""
        return str(self.raw.get("node_name") or "")

    @property
    def verdict(self) -> str:
        """`FORWARDED`, `DROPPED`, …; `VERDICT_UNKNOWN` where there is none."""
        return str(self.raw.get("verdict") or "VERDICT_UNKNOWN")

    @property
    def event(self) -> int:
        """The number of the event that it comes from."""
        return int(part(self.raw, "event_type").get("type") or 0)

    @property
    def sub_event(self) -> int:
        """The number of the event's sub-type."""
        return int(part(self.raw, "event_type").get("sub_type") or 0)

    @property
    def direction(self) -> str:
        """`INGRESS`, `EGRESS` or empty."""
        said = str(self.raw.get("traffic_direction") or "")
        return "" if said == "TRAFFIC_DIRECTION_UNKNOWN" else said

    @property
    def is_reply(self) -> bool | None:
        """Whether it goes back; `None` where nobody knows."""
        said = self.raw.get("is_reply")
        return None if said is None else bool(said)

    @property
    def reason(self) -> int:
        """The number of the reason that it was dropped for; 0 for none."""
        return int(self.raw.get("drop_reason") or (self.sub_event if self.event == DROP else 0))

    @property
    def reason_name(self) -> str:
        """The reason's name in Hubble, such as `POLICY_DENIED`; empty for none."""
        said = str(self.raw.get("drop_reason_desc") or "")
        return "" if said == "DROP_REASON_UNKNOWN" else said

    @property
    def match(self) -> str:
        """How specific the rule was, of a policy's verdict; `none` where no rule matched."""
        return MATCHES.get(int(self.raw.get("policy_match_type") or 0), "unknown")

    @property
    def summary(self) -> str:
        """Hubble's own words."""
        return str(self.raw.get("Summary") or "")

    @cached_property
    def protocol(self) -> str:
        """`TCP`, `UDP`, `SCTP`, `ICMPv4`, `ICMPv6`, or empty."""
        return next(iter(part(self.raw, "l4")), "")

    @property
    def layer7(self) -> str:
        """`dns`, `http`, `kafka`, or empty."""
        return next((name for name in ("dns", "http", "kafka") if name in part(self.raw, "l7")), "")

    @cached_property
    def source(self) -> Side:
        """Where it comes from."""
        return self._side("source")

    @cached_property
    def destination(self) -> Side:
        """Where it goes to."""
        return self._side("destination")

    @property
    def server_port(self) -> int:
        """The port of the side that is asked: the destination's, and of an answer the source's."""
        return self.source.port if self.is_reply else self.destination.port

    def rules(self, outcome: str) -> tuple[str, ...]:
        """The policies that it was `allowed` or `denied` by, as `Kind namespace/name`; agents before 1.16 say none."""
        found = []
        for direction in ("egress", "ingress"):
            for policy in self.raw.get(f"{direction}_{outcome}_by") or ():
                name = "/".join(str(policy[key]) for key in ("namespace", "name") if policy.get(key))
                found.append(" ".join(filter(None, (str(policy.get("kind") or ""), name))))
        return tuple(dict.fromkeys(found))

    def _side(self, name: str) -> Side:
        known = part(self.raw, name)
        service = part(self.raw, f"{name}_service")
        ports = part(self.raw, "l4", self.protocol)
        address = part(self.raw, "IP").get(name) or part(self.raw, "ethernet").get(name) or ""
        workloads = known.get("workloads") or ()
        return Side(
            namespace=str(known.get("namespace") or service.get("namespace") or ""),
            pod=str(known.get("pod_name") or ""),
            service=str(service.get("name") or ""),
            names=tuple(map(str, self.raw.get(f"{name}_names") or ())),
            workloads=tuple((str(one.get("kind") or ""), str(one.get("name") or "")) for one in workloads),
            labels=tuple(map(str, known.get("labels") or ())),
            identity=int(known.get("identity") or 0),
            ip=str(address),
            port=int(ports.get(f"{name}_port") or 0),
        )


def kind_of(flow: Flow) -> str:
    """What `hubble` prints as its type: where it was seen, why it was dropped, or what a rule said."""
    if flow.raw.get("l7"):
        said = str(part(flow.raw, "l7").get("type") or "unknown_l7_type").lower()
        seen_by = part(flow.raw, "l7", "dns").get("observation_source")
        return f"{flow.layer7 or 'l7'}-{said}" + (f" {seen_by}" if seen_by else "")
    if flow.event == TRACE:
        point = str(flow.raw.get("trace_observation_point") or "")
        known = point.lower().replace("_", "-") if point and point != "UNKNOWN_POINT" else ""
        return known or POINTS.get(flow.sub_event, str(flow.sub_event))
    if flow.event == DROP:
        from ciliumctl.hubble import reasons

        return reasons.text(flow.reason)
    if flow.event == VERDICT:
        return f"policy-verdict:{flow.match} {flow.direction or 'TRAFFIC_DIRECTION_UNKNOWN'}"
    if flow.event == CAPTURE:
        return str(flow.raw.get("debug_capture_point") or "DBG_CAPTURE_POINT_UNKNOWN")
    if flow.event == SOCK:
        point = str(flow.raw.get("sock_xlate_point") or "SOCK_XLATE_POINT_UNKNOWN")
        short = {"PRE_DIRECTION_FWD": "pre-xlate-fwd", "PRE_DIRECTION_REV": "pre-xlate-rev"}
        short |= {"POST_DIRECTION_FWD": "post-xlate-fwd", "POST_DIRECTION_REV": "post-xlate-rev"}
        return short.get(point.removeprefix("SOCK_XLATE_POINT_"), point)
    return "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Lost:
    """What an agent says that it lost before anybody could read it: a number of events."""

    node: str
    events: int


@dataclass(frozen=True, slots=True)
class Away:
    """What the relay says of nodes that it gets no flows from."""

    nodes: tuple[str, ...]
    why: str


def read(line: str) -> Flow | Lost | Away | None:
    """The flow in a line; what was lost; nodes that are away; `None` for what is none of them.

    A line may also be a flow alone, as `hubble` before 0.9 wrote it, and as `jq .flow` leaves it.

    Raises:
        ValueError: it is no JSON object, or not one of Hubble's.
    """
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of a line, not of an argument
    try:
        return _found(found, line)
    except (TypeError, AttributeError) as error:
        raise ValueError("not one of Hubble's objects") from error


def _found(found: Mapping[str, Any], line: str) -> Flow | Lost | Away | None:
    lost = part(found, "lost_events")
    if lost:
        return Lost(str(found.get("node_name") or ""), int(lost.get("num_events_lost") or 0))
    status = part(found, "node_status")
    if status.get("state_change") in {"NODE_UNAVAILABLE", "NODE_ERROR"}:
        said = str(status.get("message") or "the relay is not connected to its agent")
        return Away(tuple(map(str, status.get("node_names") or ())), said)
    raw = found.get("flow", found if "IP" in found or "event_type" in found else None)
    if not isinstance(raw, dict):
        return None
    return Flow(raw=raw, line=line, moment=times.moment(str(raw.get("time") or found.get("time") or "")))
