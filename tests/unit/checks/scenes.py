"""Scenes, short to write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ciliumctl.checks import all_of_them
from ciliumctl.checks._model import Check, Verdict
from ciliumctl.checks._scene import Node, Scene, Target
from ciliumctl.clients.helm import Release, decode
from ciliumctl.flavour import Facts, NodeFacts
from tests.world import objects

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def target(version: str = "1.18.12", **more: Any) -> Target:
    return Target(namespace="kube-system", release="cilium", version=version, **more)


def scene(version: str = "1.18.12", *, values: dict[str, Any] | None = None, **more: Any) -> Scene:
    wanted = more.pop("target", None) or target(version, values=values or {})
    facts = more.pop("facts", None) or Facts(host="https://192.0.2.10:6443", kubernetes="1.33.1")
    return Scene(
        context="prod",
        host=facts.host,
        target=wanted,
        flavour=more.pop("flavour", "kubeadm"),
        facts=facts,
        now=NOW,
        **more,
    )


def node(name: str = "one", **more: Any) -> Node:
    return Node(name=name, ready=more.pop("ready", True), **more)


def nodes(count: int, **more: Any) -> tuple[Node, ...]:
    return tuple(node(f"n{number}", **more) for number in range(count))


def installed(version: str) -> Release:
    return decode(objects.release(version=version))


def seen(kubelet: str = "v1.33.1", **more: Any) -> NodeFacts:
    base: dict[str, Any] = {
        "name": "one",
        "provider_id": "",
        "labels": {},
        "annotations": {},
        "os_image": "",
        "addresses": (),
        "pod_range": "",
    }
    return NodeFacts(kubelet=kubelet, **{**base, **more})


def check(name: str) -> Check:
    return next(one for one in all_of_them() if one.id == name)


def judge(name: str, look_at: Scene) -> Verdict:
    return check(name).look(look_at)
