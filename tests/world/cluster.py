"""An API server in this process, filled from plain objects: enough of the real one's behaviour to run commands on.

It speaks HTTP on a loopback port, so that the real client with the real libraries talks to it.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ciliumctl import yaml_files
from tests.world import execs, forwards
from tests.world.spdy import App

Object = dict[str, Any]

#: What the server knows: (group, version, plural, kind, namespaced).
KINDS: tuple[tuple[str, str, str, str, bool], ...] = (
    ("", "v1", "namespaces", "Namespace", False),
    ("", "v1", "nodes", "Node", False),
    ("", "v1", "pods", "Pod", True),
    ("", "v1", "services", "Service", True),
    ("", "v1", "secrets", "Secret", True),
    ("", "v1", "configmaps", "ConfigMap", True),
    ("", "v1", "serviceaccounts", "ServiceAccount", True),
    ("", "v1", "events", "Event", True),
    ("apps", "v1", "daemonsets", "DaemonSet", True),
    ("apps", "v1", "deployments", "Deployment", True),
    ("apps", "v1", "replicasets", "ReplicaSet", True),
    ("apps", "v1", "controllerrevisions", "ControllerRevision", True),
    ("coordination.k8s.io", "v1", "leases", "Lease", True),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False),
)
#: What a migration looks at besides.
MIGRATION = (
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True),
    ("cilium.io", "v2", "ciliumnodeconfigs", "CiliumNodeConfig", True),
)
CILIUM_ENDPOINTS = ("cilium.io", "v2", "ciliumendpoints", "CiliumEndpoint", True)
NETWORK_POLICIES = ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True)
POLICIES = (
    ("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", True),
    ("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy", False),
)

_PROXIED = re.compile(r"/api/v1/namespaces/[^/]+/pods/([^/:]+)(?::|%3A)(\d+)/proxy/metrics")


@dataclass
class Fault:
    """What goes wrong for requests whose `METHOD path` matches, `times` times (-1 for always)."""

    pattern: str
    status: int = 0
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0.0
    times: int = -1


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class _Listener(ThreadingHTTPServer):
    """Knows its connections, so that they can be cut."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.connections: set[Any] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)


class FakeCluster:
    """The server and what it holds."""

    def __init__(self, *, version: str = "v1.30.0") -> None:
        self.version = version
        self.kinds = list(KINDS)
        self.faults: list[Fault] = []
        self.denied: set[tuple[str, str]] = set()
        self.seen: list[Seen] = []
        self.page_expires = False
        #: What answers commands in pods; those that were run are in `calls`.
        self.program: execs.Program = lambda _call: execs.Answer(status=404)
        self.calls: list[execs.Call] = []
        #: What takes the connections that are forwarded into a pod, by its name; the others are not there.
        self.forwarded: dict[str, App] = {}
        #: What pods serve at a port, by (pod, port): a text, or what makes one; the others refuse the connection.
        self.served: dict[tuple[str, int], str | Callable[[], str]] = {}

        #: What answers a request for a log piece by piece; `None` leaves it to the pod's `x-log`.
        self.log: Callable[[Seen], Iterator[bytes] | None] = lambda _seen: None
        #: What the controllers of a real one do to an object that somebody makes.
        self.on_create: Callable[[Object], None] = lambda _item: None
        #: What they do when one is deleted.
        self.on_delete: Callable[[Object], None] = lambda _item: None
        #: What a node does with a container that is put beside those of a pod.
        self.on_ephemeral: Callable[[Object, Object], None] = _start_ephemeral
        #: Why a pod may not be evicted now; one that may is deleted.
        self.keeps: Callable[[Object], str] = lambda _item: ""
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._lock = threading.RLock()
        self._uid = 0
        self._server = self._serve(0)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, port: int) -> _Listener:
        server = _Listener(("127.0.0.1", port), _handler(self))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The server is restarted: its connections are cut, and its port refuses others until it is back."""
        port = self._server.server_address[1]
        self.close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        yield
        self._server = self._serve(port)

    def kubeconfig(self, folder: Path, *, context: str = "prod", user: Mapping[str, Any] | None = None) -> Path:
        """Write a kubeconfig for the server."""
        path = folder / f"{context}.conf"
        path.write_text(
            yaml_files.dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": context,
                    "clusters": [{"name": context, "cluster": {"server": self.url}}],
                    "users": [{"name": context, "user": dict(user or {"token": "secret-token"})}],
                    "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
                }
            )
        )
        return path

    # Objects

    def add(self, *objects: Object) -> None:
        """Put objects in, as they are."""
        for item in objects:
            group, plural, namespaced = self._place(item)
            namespace = item["metadata"].get("namespace", "default") if namespaced else ""
            with self._lock:
                self._uid += 1
                stored = copy.deepcopy(item)
                metadata = stored["metadata"]
                metadata.setdefault("uid", f"uid-{self._uid}")
                metadata.setdefault("resourceVersion", str(self._uid))
                metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
                if namespaced:
                    metadata["namespace"] = namespace
                self._of(group, plural)[(namespace, metadata["name"])] = stored

    def get(self, plural: str, name: str, namespace: str = "") -> Object | None:
        """An object that is there."""
        group = next(kind[0] for kind in self.kinds if kind[2] == plural)
        return self._of(group, plural).get((namespace, name))

    def all(self, plural: str) -> list[Object]:
        """All objects of a kind."""
        group = next(kind[0] for kind in self.kinds if kind[2] == plural)
        return list(self._of(group, plural).values())

    def _of(self, group: str, plural: str) -> dict[tuple[str, str], Object]:
        return self._objects.setdefault((group, plural), {})

    def _place(self, item: Object) -> tuple[str, str, bool]:
        group = item["apiVersion"].rpartition("/")[0]
        for known, _version, plural, kind, namespaced in self.kinds:
            if (known, kind) == (group, item["kind"]):
                return known, plural, namespaced
        raise KeyError(f"{item['apiVersion']} {item['kind']} is not known")

    # Requests

    def answer(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers for one request."""
        for fault in self.faults:
            if fault.times and re.search(fault.pattern, f"{seen.method} {seen.path}"):
                fault.times -= 1
                time.sleep(fault.delay)
                if fault.cut:
                    raise ConnectionAbortedError
                if fault.status:
                    return fault.status, _status(fault.status, fault.message or "injected"), fault.headers
        if (proxied := _PROXIED.fullmatch(seen.path)) is not None:
            return (*self._proxied(proxied[1], int(proxied[2])), {})
        special = self._special(seen)
        if special is not None:
            return 200, special, {}
        with self._lock:
            return (*self._resource(seen), {})

    def _proxied(self, pod: str, port: int) -> tuple[int, Any]:
        """What the API server's own proxy answers."""
        served = self.served.get((pod, port))
        if served is None:
            return 503, _status(503, f"error trying to reach service: dial tcp 192.0.2.1:{port}: connection refused")
        return 200, served if isinstance(served, str) else served()

    def streamed(self, seen: Seen, status: int, handler: BaseHTTPRequestHandler) -> bool:
        """Answer in chunks, as the API server does with logs. Says whether it did; the client may hang up."""
        pieces = self.log(seen) if status == 200 and seen.path.endswith("/log") else None
        if pieces is None:
            return False
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.write(b"0\r\n\r\n")
        return True

    def _special(self, seen: Seen) -> Any:
        if seen.path == "/version":
            return {"gitVersion": self.version}
        if seen.path == "/readyz":
            return "ok"
        if seen.path == "/apis" and "APIGroupDiscoveryList" not in seen.headers.get("Accept", ""):
            groups = dict.fromkeys((kind[0], kind[1]) for kind in self.kinds if kind[0])
            return {"groups": [{"name": group, "versions": [{"version": version}]} for group, version in groups]}
        if seen.path in {"/api", "/apis"}:
            return self._discovery(core=seen.path == "/api")
        if seen.path.endswith("/selfsubjectaccessreviews"):
            asked = seen.body["spec"]["resourceAttributes"]
            pairs = {(asked["verb"], asked["resource"]), ("*", "*")}
            everything = asked["verb"] == "*"
            allowed = not (self.denied if everything else pairs & self.denied)
            return {"status": {"allowed": allowed}}
        return None

    def _discovery(self, *, core: bool) -> Object:
        items: dict[str, Object] = {}
        for group, version, plural, kind, namespaced in self.kinds:
            if (group == "") is core:
                item = items.setdefault(
                    group, {"metadata": {"name": group}, "versions": [{"version": version, "resources": []}]}
                )
                item["versions"][0]["resources"].append(
                    {
                        "resource": plural,
                        "responseKind": {"kind": kind},
                        "scope": "Namespaced" if namespaced else "Cluster",
                    }
                )
        return {"kind": "APIGroupDiscoveryList", "items": list(items.values())}

    def _resource(self, seen: Seen) -> tuple[int, Any]:
        parts = [part for part in seen.path.split("/") if part]
        group, parts = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace = ""
        if len(parts) >= 2 and parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        plural, name = parts[0], parts[1] if len(parts) > 1 else ""
        kind = next((kind for kind in self.kinds if (kind[0], kind[2]) == (group, plural)), None)
        if kind is None:
            return 404, _status(404, "the server could not find the requested resource")
        subresource = parts[2] if len(parts) > 2 else ""
        if name:
            return self._one(seen, kind, namespace, name, subresource)
        if seen.method == "POST":
            return self._create(seen, kind, namespace)
        return 200, self._list(seen, kind, namespace)

    def _one(
        self, seen: Seen, kind: tuple[str, str, str, str, bool], namespace: str, name: str, subresource: str
    ) -> tuple[int, Any]:
        objects = self._of(kind[0], kind[2])
        there = objects.get((namespace, name))
        if seen.method == "PATCH" and "apply-patch" in seen.headers.get("Content-Type", "") and there is None:
            return self._create(seen, kind, namespace)
        if there is None:
            return 404, _status(404, f'{kind[2]} "{name}" not found')
        if subresource in {"log", "eviction"}:
            return (200, there.get("x-log", "")) if subresource == "log" else self._evict(objects, there)
        if seen.method == "GET":
            return 200, there
        if seen.method == "DELETE":
            wanted = ((seen.body or {}).get("preconditions") or {}).get("uid")
            if wanted and wanted != there["metadata"]["uid"]:
                return 409, _status(409, "the UID in the precondition does not match")
            del objects[(namespace, name)]
            self.on_delete(there)
            return 200, {"kind": "Status", "status": "Success"}
        if seen.method == "PATCH":
            beside = subresource == "ephemeralcontainers"
            changed = self._with_ephemeral(there, seen) if beside else _merged(there, seen.body)
        else:
            if seen.body["metadata"].get("resourceVersion") not in {None, there["metadata"]["resourceVersion"]}:
                return 409, _status(409, "the object has been modified")
            changed = copy.deepcopy(seen.body)
        self._uid += 1
        changed["metadata"]["resourceVersion"] = str(self._uid)
        changed["metadata"]["uid"] = there["metadata"]["uid"]
        if seen.query.get("dryRun") != "All":
            objects[(namespace, name)] = changed
        return 200, changed

    def _with_ephemeral(self, pod: Object, seen: Seen) -> Object:
        """A strategic merge adds to the list, and the metadata remember who did it."""
        changed = copy.deepcopy(pod)
        entry = {"manager": seen.query["fieldManager"], "operation": "Update", "subresource": "ephemeralcontainers"}
        changed["metadata"].setdefault("managedFields", []).append(entry)
        for container in seen.body["spec"]["ephemeralContainers"]:
            changed["spec"].setdefault("ephemeralContainers", []).insert(0, container)
            self.on_ephemeral(changed, container)
        return changed

    def _evict(self, objects: dict[tuple[str, str], Object], there: Object) -> tuple[int, Any]:
        why = self.keeps(there)
        if why:
            return 429, _status(429, why)
        del objects[(there["metadata"]["namespace"], there["metadata"]["name"])]
        self.on_delete(there)
        return 201, {"kind": "Status", "status": "Success"}

    def _create(self, seen: Seen, kind: tuple[str, str, str, str, bool], namespace: str) -> tuple[int, Any]:
        item = copy.deepcopy(seen.body)
        item.setdefault("apiVersion", f"{kind[0]}/{kind[1]}" if kind[0] else kind[1])
        item.setdefault("kind", kind[3])
        if kind[4]:
            item["metadata"]["namespace"] = namespace
            if self.get("namespaces", namespace) is None and namespace not in {"default", "kube-system"}:
                return 404, _status(404, f'namespaces "{namespace}" not found')
        if (namespace, item["metadata"]["name"]) in self._of(kind[0], kind[2]):
            return 409, _status(409, f'{kind[2]} "{item["metadata"]["name"]}" already exists')
        if seen.query.get("dryRun") == "All":
            return 201, item
        self.on_create(item)
        self.add(item)
        return 201, self._of(kind[0], kind[2])[(namespace, item["metadata"]["name"])]

    def _list(self, seen: Seen, kind: tuple[str, str, str, str, bool], namespace: str) -> Any:
        found = [
            item
            for (place, _name), item in sorted(self._of(kind[0], kind[2]).items())
            if (not namespace or place == namespace)
            and _labels_match(item, seen.query.get("labelSelector", ""))
            and _fields_match(item, seen.query.get("fieldSelector", ""))
        ]
        accept = seen.headers.get("Accept", "")
        if "as=Table" in accept:
            return _table(kind[3], found)
        start = int(seen.query.get("continue", "0").removeprefix("later-"))
        if seen.query.get("continue") and self.page_expires and "later-" not in seen.query["continue"]:
            return 410
        limit = int(seen.query.get("limit", "0")) or len(found)
        page = found[start : start + limit]
        if "PartialObjectMetadataList" in accept:
            page = [{"metadata": item["metadata"]} for item in page]
        more = {"continue": str(start + limit)} if start + limit < len(found) else {}
        return {"kind": f"{kind[3]}List", "metadata": more, "items": page}


def _start_ephemeral(pod: Object, container: Object) -> None:
    status = {"name": container["name"], "state": {"running": {}}}
    pod.setdefault("status", {}).setdefault("ephemeralContainerStatuses", []).append(status)


def _status(code: int, message: str) -> Object:
    return {"kind": "Status", "status": "Failure", "code": code, "message": message}


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _labels_match(item: Object, selector: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    for part in re.split(r",(?![^(]*\))", selector) if selector else []:
        inside = re.fullmatch(r"(\S+) (in|notin) \((.*)\)", part.strip())
        if inside:
            values = {value.strip() for value in inside[3].split(",")}
            if (labels.get(inside[1]) in values) is (inside[2] == "notin"):
                return False
            continue
        if part.startswith("!"):
            if part[1:] in labels:
                return False
            continue
        key, equals, value = part.replace("==", "=").partition("=")
        if key.endswith("!"):
            if labels.get(key[:-1]) == value:
                return False
        elif key not in labels if not equals else labels.get(key) != value:
            return False
    return True


def _fields_match(item: Object, selector: str) -> bool:
    for part in selector.split(",") if selector else []:
        path, _equals, wanted = part.partition("=")
        unlike = path.endswith("!")
        path = path.removesuffix("!")
        value: Any = item
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if path == "spec.hostNetwork":
            value = str(bool(value)).lower()
        if (str(value or "") != wanted) is not unlike:
            return False
    return True


def _table(kind: str, items: list[Object]) -> Object:
    columns, row = _COLUMNS.get(kind, (["Name", "Age"], lambda item: [item["metadata"]["name"], "1m"]))
    return {
        "kind": "Table",
        "columnDefinitions": [{"name": column} for column in columns],
        "rows": [{"cells": row(item), "object": {"metadata": item["metadata"]}} for item in items],
    }


def _pod_row(item: Object) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    containers = status.get("containerStatuses") or []
    ready = sum(1 for container in containers if container.get("ready"))
    total = len(spec.get("containers") or containers)
    restarts = sum(container.get("restartCount", 0) for container in containers)
    reason = status.get("reason") or status.get("phase", "Pending")
    if "deletionTimestamp" in item["metadata"]:
        reason = "Terminating"
    for container in containers:
        reason = (container.get("state", {}).get("waiting") or {}).get("reason", reason)
    shown = f"{restarts} (2m ago)" if restarts else "0"
    return [
        item["metadata"]["name"],
        f"{ready}/{total}",
        reason,
        shown,
        "1m",
        status.get("podIP", "<none>"),
        spec.get("nodeName", "<none>"),
        "<none>",
        "<none>",
    ]


def _node_row(item: Object) -> list[Any]:
    status = item.get("status", {})
    info = status.get("nodeInfo", {})
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    addresses = {one["type"]: one["address"] for one in status.get("addresses", [])}
    return [
        item["metadata"]["name"],
        "Ready" if ready else "NotReady",
        "<none>",
        "1d",
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        "<none>",
        info.get("osImage", ""),
        info.get("kernelVersion", ""),
        info.get("containerRuntimeVersion", ""),
    ]


_COLUMNS: dict[str, tuple[list[str], Callable[[Object], list[Any]]]] = {
    "Pod": (
        ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"],
        _pod_row,
    ),
    "Node": (
        [
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            "Internal-IP",
            "External-IP",
            "OS-Image",
            "Kernel-Version",
            "Container-Runtime",
        ],
        _node_row,
    ),
    "CiliumEndpoint": (
        ["Name", "Security Identity", "Endpoint State", "IPv4", "IPv6"],
        lambda item: [item["metadata"]["name"], 1, "ready", item.get("x-ipv4", ""), ""],
    ),
}


def _forwarded(cluster: FakeCluster, handler: BaseHTTPRequestHandler) -> bool:
    """Forward a port into a pod where something takes the connections."""
    app = cluster.forwarded.get(forwards.pod_of(handler.path))
    if app is not None:
        forwards.serve(handler, app)
    return app is not None


def _handler(cluster: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            return

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length) if length else b""
            parts = urlsplit(self.path)
            body = json.loads(raw) if raw else None
            seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
            cluster.seen.append(seen)
            if (execs.is_exec(self.path) and self._executed()) or _forwarded(cluster, self):
                return
            try:
                status, answer, headers = cluster.answer(seen)
                if cluster.streamed(seen, status, self):
                    return
            except ConnectionAbortedError:
                self.close_connection = True
                self.connection.close()
                return
            if answer == 410:
                status, answer = (
                    410,
                    {**_status(410, "too old"), "metadata": {"continue": f"later-{seen.query['continue']}"}},
                )
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _executed(self) -> bool:
            """Run a command; not one that is refused, which a plain answer says."""
            call = execs.call_of(self.path)
            cluster.calls.append(call)
            answer = cluster.program(call)
            if answer.status == 101:
                execs.serve(self, answer)
                return True
            fault = Fault(pattern=f"/pods/{call.pod}/exec$", status=answer.status, message=answer.stderr, times=1)
            cluster.faults.insert(0, fault)
            return False

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that http.server asks for

    return Handler


@contextmanager
def fake_cluster(**options: Any) -> Iterator[FakeCluster]:
    """A server for the time of a test."""
    cluster = FakeCluster(**options)
    try:
        yield cluster
    finally:
        cluster.close()
