"""Flows as Hubble prints them with `-o jsonpb`: one object a line, short to write; and agents that have seen some."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call

Object = dict[str, Any]
START = 1_767_322_800  # 2026-01-02T03:00:00Z


def when(seconds: float) -> str:
    """So many seconds after 2026-01-02T03:00:00Z, at most an hour, as Hubble writes it: without trailing zeros."""
    whole, rest = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"2026-01-02T03:{whole // 60:02d}:{whole % 60:02d}{fraction}Z"


def end(name: str, *, identity: int = 4711, labels: Sequence[str] = ()) -> Object:
    """A pod, of `namespace/name`; or one of the reserved identities, of its number."""
    place, _slash, pod = name.partition("/")
    own = labels or (f"k8s:app={pod.split('-')[0]}", f"k8s:io.kubernetes.pod.namespace={place}")
    workload = {"name": pod.rsplit("-", 1)[0], "kind": "Deployment"}
    return {"identity": identity, "namespace": place, "labels": list(own), "pod_name": pod, "workloads": [workload]}


def flow(
    at: float = 0.0,
    *,
    source: str = "shop/web-1",
    destination: str = "shop/db-1",
    port: int = 5432,
    protocol: str = "TCP",
    verdict: str = "FORWARDED",
    node: str = "one",
    **more: Any,
) -> Object:
    """A flow from one pod to another; `more` replaces parts of it."""
    ports = {"source_port": 40000, "destination_port": port}
    made: Object = {
        "time": when(at),
        "uuid": f"id-{at}",
        "verdict": verdict,
        "IP": {"source": "10.0.0.1", "destination": "10.0.1.1", "ipVersion": "IPv4"},
        "l4": {protocol: {**ports, "flags": {"SYN": True}} if protocol == "TCP" else ports},
        "source": end(source),
        "destination": end(destination, identity=4712),
        "Type": "L3_L4",
        "node_name": node,
        "event_type": {"type": 4, "sub_type": 3},
        "traffic_direction": "EGRESS",
        "trace_observation_point": "TO_STACK",
        "is_reply": False,
        "Summary": "TCP Flags: SYN",
    }
    return made | more


def dropped(at: float = 0.0, reason: int = 133, name: str = "POLICY_DENIED", **more: Any) -> Object:
    """A flow that was dropped, at the destination's node as a rule."""
    gone: Object = {"event_type": {"type": 1, "sub_type": reason}, "drop_reason": reason, "drop_reason_desc": name}
    found = flow(at, verdict="DROPPED", **{"traffic_direction": "INGRESS", **gone, **more})
    found.pop("trace_observation_point")
    return found


def verdict(at: float = 0.0, outcome: str = "FORWARDED", **more: Any) -> Object:
    """What a rule said."""
    said: Object = {"event_type": {"type": 5}, "policy_match_type": 2, "traffic_direction": "INGRESS"}
    found = flow(at, verdict=outcome, **{**said, **more})
    found.pop("trace_observation_point")
    return found


def lines(*flows: Object) -> str:
    """As `hubble observe -o jsonpb` prints them."""
    return "".join(
        json.dumps({"flow": one, "node_name": one["node_name"], "time": one["time"]}, separators=(",", ":")) + "\n"
        for one in flows
    )


def agents(cluster: FakeCluster, seen: Mapping[str, Answer | Sequence[Object]], *, place: str = "kube-system") -> None:
    """Give the cluster a node with an agent for each name, which answers so whatever it is asked."""
    answers = {
        f"cilium-{node}": found if isinstance(found, Answer) else Answer(stdout=lines(*found))
        for node, found in seen.items()
    }
    for node in seen:
        cluster.add(objects.node(node))
        cluster.add(objects.pod(f"cilium-{node}", on=node, place=place, labels={"k8s-app": "cilium"}))

    def program(call: Call) -> Answer:
        return answers.get(call.pod, Answer(status=404))

    cluster.program = program
