"""An API server in this process whose pods run as soon as they are made, and whose containers answer an exec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.world.cluster import FakeCluster, Object
from tests.world.execs import Program


class PodCluster(FakeCluster):
    """Gives every pod that is made a node, addresses and a good condition, and runs `program` for each exec."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program

    def add(self, *objects: Object) -> None:
        """Put objects in; pods run."""
        super().add(*objects)
        for item in objects:
            if item["kind"] == "Pod" and "status" not in item:
                place = (item["metadata"].get("namespace", "default"), item["metadata"]["name"])
                self._of("", "pods")[place] |= self._running(item)

    def _running(self, item: Object) -> Object:
        spec = item["spec"]
        (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        (node,) = term["matchFields"][0]["values"]
        # Whatever order they are made in, a pod has the same address: `far` has 203.0.113.3.
        number = len(item["metadata"]["name"])
        found = self.get("nodes", node) or {}
        ranges = found["spec"].get("podCIDRs", ["203.0.113.0/24"])
        families = {6 if ":" in one else 4 for one in ranges}
        ips = {4: f"203.0.113.{number}", 6: f"2001:db8:1::{number}"}
        return {
            "spec": {**spec, "nodeName": node},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "podIPs": [{"ip": ips[family]} for family in sorted(families)],
            },
        }


@contextmanager
def pod_cluster(program: Program) -> Iterator[PodCluster]:
    """A server for the time of a test."""
    cluster = PodCluster(program)
    try:
        yield cluster
    finally:
        cluster.close()
