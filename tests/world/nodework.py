"""Nodes that run what a DaemonSet of `nodework` makes: its pods, and what their script would have said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.world import objects
from tests.world.cluster import FakeCluster, Object

Answer = Callable[[str], Object | str]


def pod(name: str, place: str, node: str, task: str, log: str) -> Object:
    """A pod whose script ended; it sleeps."""
    made = objects.pod(name, place=place, on=node, log=log, labels={"ciliumctl.io/node-work": task})
    made["spec"]["initContainers"] = [{"name": task}]
    return made


def report(task: str, node: str, **members: Any) -> str:
    """A node's report, as the script prints it."""
    return json.dumps({"ciliumctl": task, "node": node, "time": 1.0, **members}, separators=(",", ":"))


def nodes_answer(cluster: FakeCluster, answers: Mapping[str, Mapping[str, Any] | Object]) -> None:
    """From now on, a DaemonSet gets a pod on each of these nodes; each says what `answers` has for it.

    An answer with `kind: Pod` is the pod itself: one that waits, say.
    """

    def made(item: Object) -> None:
        if item["kind"] != "DaemonSet":
            return
        task = item["spec"]["template"]["spec"]["initContainers"][0]["name"]
        place = item["metadata"]["namespace"]
        for node, answer in answers.items():
            if answer.get("kind") == "Pod":
                cluster.add({**answer, "metadata": {**answer["metadata"], "namespace": place}})
            else:
                log = report(task, node, **answer) + "\n"
                cluster.add(pod(f"nodes-{node}", place, node, task, log))

    cluster.on_create = made
