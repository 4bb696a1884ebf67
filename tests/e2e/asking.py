"""Pods that ask each other without a pause, and what became of each request: the proof that traffic flows."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ciliumctl.clients.kube import DAEMON_SETS, DEPLOYMENTS, NAMESPACES, SERVICE_ACCOUNTS, SERVICES, Kube, dig
from ciliumctl.migration.pods import BUDGETS
from ciliumctl.wait import Deadline, poll
from tests.cluster import images

SPACE = "asking"
#: Where the clients write, on the node; the test cluster has this folder in its own, node by node.
_ON_NODE = "/var/log/containers"
_SERVE = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["ADDRESS"].encode())
    def log_message(self, *_words):
        pass
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""
# A new connection for each request, ten in a second; SIGTERM ends it between two.
_ASK = """
import json, os, signal, sys, time, urllib.request
signal.signal(signal.SIGTERM, lambda *_: globals().update(going=False))
going = True
with open(f"/asked/asked-{os.environ['NAME']}", "a", buffering=1) as file:
    while going:
        said = {"time": time.time(), "from": os.environ["ADDRESS"]}
        try:
            with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
                said["to"] = answer.read().decode()
        except OSError as error:
            said["failed"] = str(error)
        file.write(json.dumps(said) + "\\n")
        time.sleep(0.1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of all requests. `ways` counts those answered, by the networks of client and server."""

    total: int
    failed: tuple[str, ...]
    ways: Counter[tuple[str, str]]

    def __str__(self) -> str:
        ways = ", ".join(f"{client} to {server}: {count}" for (client, server), count in sorted(self.ways.items()))
        return f"{self.total} requests, {len(self.failed)} lost; {ways}"


def deploy(kube: Kube, folder: Path) -> float:
    """Two servers behind a service, of which one is always there, and a client on every node.

    Returns the time from which on every request counts: each client has had its first answer.
    """
    kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    poll(lambda: kube.find(SERVICE_ACCOUNTS, "default", SPACE), bool, deadline=Deadline.after(20), interval=0.2)
    service = {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]}
    made = kube.create(SERVICES, _object("v1", "Service", "server", service), SPACE)
    kube.create(DEPLOYMENTS, _object("apps/v1", "Deployment", "server", _servers()), SPACE)
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "server"}}}
    kube.create(BUDGETS, _object("policy/v1", "PodDisruptionBudget", "server", budget), SPACE)
    kube.create(DAEMON_SETS, _object("apps/v1", "DaemonSet", "client", _clients(dig(made, "spec", "clusterIP"))), SPACE)

    def ready() -> bool:
        server, client = kube.get(DEPLOYMENTS, "server", SPACE), kube.get(DAEMON_SETS, "client", SPACE)
        return dig(server, "status", "readyReplicas", default=0) == 2 <= dig(client, "status", "numberReady", default=0)

    assert poll(ready, bool, deadline=Deadline.after(60), interval=0.3), "the pods that ask did not get ready"

    def answered() -> bool:
        said = [file.read_text(encoding="utf-8") for file in _files(folder)]
        return len(said) >= 2 and all('"to"' in text.rpartition("\n{")[2] for text in said)

    assert poll(answered, bool, deadline=Deadline.after(60), interval=0.3), "the servers do not answer"
    return time.time()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("node-*/log-containers/asked-*"))


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _template(app: str, container: dict[str, Any], **more: Any) -> dict[str, Any]:
    fields = {"ADDRESS": "status.podIP", "NAME": "metadata.name"}
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    spec = {"containers": [{"name": app, "image": images.PROBE, "env": env, **container}], **more}
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def _servers() -> dict[str, Any]:
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    container = {
        "command": ["python3", "-c", _SERVE],
        # A busy machine is no lost network: a server that is slow stays behind its service.
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 6},
        # What every server behind a service needs: it answers until nobody sends it anything any more.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}},
    }
    selector = {"matchLabels": {"app": "server"}}
    more = {
        "terminationGracePeriodSeconds": 6,
        "topologySpreadConstraints": [{**spread, "labelSelector": selector}],
    }
    return {"replicas": 2, "selector": selector, "template": _template("server", container, **more)}


def _clients(service: str) -> dict[str, Any]:
    container = {
        "command": ["python3", "-c", _ASK, f"http://{service}"],
        "volumeMounts": [{"name": "asked", "mountPath": "/asked"}],
    }
    more = {
        "terminationGracePeriodSeconds": 4,
        "volumes": [{"name": "asked", "hostPath": {"path": _ON_NODE}}],
    }
    return {"selector": {"matchLabels": {"app": "client"}}, "template": _template("client", container, **more)}


def read(folder: Path, networks: dict[str, str], since: float) -> Asked:
    """What all clients wrote since then; `networks` has the beginnings of addresses by the network's name."""
    found = [
        json.loads(line)
        for file in _files(folder)
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.endswith("}")
    ]
    lines = [one for one in found if one["time"] >= since]

    def network(address: str) -> str:
        return next((name for name, start in networks.items() if address.startswith(start)), address)

    return Asked(
        total=len(lines),
        failed=tuple(f"from {one['from']} at {one['time']:.1f}: {one['failed']}" for one in lines if "failed" in one),
        ways=Counter((network(one["from"]), network(one["to"])) for one in lines if "to" in one),
    )
