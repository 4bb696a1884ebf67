"""An API server in this process whose pods run as soon as they are made, and whose containers answer an exec."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.world.cluster import FakeCluster, Object, Seen
from tests.world.websockets import Head, Peer, Server, upgrade

_PROTOCOL = "v5.channel.k8s.io"


@dataclass(frozen=True)
class Said:
    """What a command did."""

    out: str = ""
    code: int = 0
    err: str = ""


#: What a command in a pod (its name) does.
Program = Callable[[str, list[str]], Said]


@dataclass
class Asked:
    """One exec: the pod's path and the command."""

    place: str
    pod: str
    command: list[str] = field(default_factory=list)


class PodCluster(FakeCluster):
    """Gives every pod that is made a node, addresses and a good condition, and runs `program` for each exec."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.execs: list[Asked] = []
        self._front = Server(self._serve)
        self._front.__enter__()
        self.url = self._front.url

    def close(self) -> None:
        """Stop serving."""
        self._front.__exit__()
        super().close()

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

    def _serve(self, peer: Peer) -> None:
        while (asked := peer.request()) is not None:
            head, body = asked
            parts = urlsplit(head.target)
            if parts.path.endswith("/exec"):
                self._exec(peer, head)
                return
            headers = {name.title(): value for name, value in head.headers}
            seen = Seen(
                head.method, parts.path, dict(parse_qsl(parts.query)), headers, json.loads(body) if body else None
            )
            self.seen.append(seen)
            status, answer, more = self.answer(seen)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            named: dict[str, Any] = {key.replace("-", "_"): value for key, value in more.items()}
            peer.answer(status, data, Content_Type="application/json", **named)

    def _exec(self, peer: Peer, head: Head) -> None:
        parts = urlsplit(head.target)
        _api, _v1, _namespaces, place, _pods, pod, _exec = parts.path.strip("/").split("/")[0:7]
        command = [value for name, value in parse_qsl(parts.query) if name == "command"]
        self.execs.append(Asked(place, pod, command))
        socket = upgrade(peer, head, _PROTOCOL)
        said = self.program(pod, command)
        for channel, text in ((b"\1", said.out), (b"\2", said.err)):
            if text:
                socket.send(channel + text.encode())
        socket.send(b"\3" + json.dumps(_status(said.code)).encode())
        # Let the client be the one who hangs up: an early end could overtake what was sent.
        with contextlib.suppress(OSError):
            peer.exactly(1 << 30)


def _status(code: int) -> Object:
    if not code:
        return {"status": "Success"}
    cause = {"reason": "ExitCode", "message": str(code)}
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}


@contextmanager
def pod_cluster(program: Program) -> Iterator[PodCluster]:
    """A server for the time of a test."""
    cluster = PodCluster(program)
    try:
        yield cluster
    finally:
        cluster.close()
