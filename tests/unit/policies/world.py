"""A small cluster to evaluate policies in: two namespaces, two nodes, and what is outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ciliumctl import yaml_files
from ciliumctl.policies import parties, reading
from ciliumctl.policies.model import Party, Settings, State

NAMESPACES: Mapping[str, Mapping[str, str]] = {
    "shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
    "bank": {"team": "b", "kubernetes.io/metadata.name": "bank"},
}


def pod(namespace: str, name: str, address: str, node: str = "node-1", **labels: str) -> Party:
    return parties.of_pod(
        {
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "nodeName": node,
                "serviceAccountName": "robot",
                "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}],
            },
            "status": {"podIPs": [{"ip": address}]},
        },
        NAMESPACES,
    )


def node(name: str, address: str, **labels: str) -> Party:
    addresses = [{"type": "InternalIP", "address": address}]
    return parties.of_node({"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}})


WEB = pod("shop", "web", "10.0.0.1", app="web")
CLIENT = pod("shop", "client", "10.0.0.2", app="client")
THIEF = pod("bank", "thief", "10.0.1.1", "node-2", app="client")
HERE = node("node-1", "192.0.2.1")
THERE = node("node-2", "192.0.2.2", zone="b")
OUTSIDE = parties.at(State(), "198.51.100.7")
NEIGHBOUR = parties.at(State(), "198.51.100.77")
API = parties.at(State(), "203.0.113.6")
PARTIES = {
    "web": WEB,
    "client": CLIENT,
    "thief": THIEF,
    "here": HERE,
    "there": THERE,
    "outside": OUTSIDE,
    "neighbour": NEIGHBOUR,
    "api": API,
    "world": parties.entity("world"),
    "example.com": parties.named("example.com"),
    "www.example.com": parties.named("www.example.com"),
}


def state(policies: str, settings: Settings | None = None, **more: Any) -> State:
    """The state of the cluster with policies, as YAML; names and kinds may be short."""
    settings = settings or Settings()
    specs = [spec for one in yaml_files.parse_all(policies) for spec in reading.read(manifest(one), settings)]
    known = State(
        settings=settings,
        pods={(one.namespace, one.name): one for one in (WEB, CLIENT, THIEF)},
        nodes={one.name: one for one in (HERE, THERE)},
        api_servers=frozenset(["203.0.113.6"]),
        specs=tuple(specs),
    )
    return replace(known, **more)


def manifest(short: Mapping[str, Any]) -> dict[str, Any]:
    """`{np: spec}`, `{cnp: spec}` or `{ccnp: spec}` as an object in namespace `shop`."""
    kinds = {"np": reading.KUBERNETES, "cnp": reading.CILIUM, "ccnp": reading.CLUSTERWIDE}
    ((key, spec),) = short.items()
    metadata = {"name": key} if key == "ccnp" else {"name": key, "namespace": "shop"}
    body = {"specs": spec} if isinstance(spec, list) else {"spec": spec}
    return {"kind": kinds[key], "metadata": metadata, **body}
