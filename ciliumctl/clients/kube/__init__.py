"""The Kubernetes API: typed errors, plain JSON, no model classes.

The `kubernetes` package gives configuration, credentials, TLS and the connection pool; its generated API classes cost
0.8 s to import and 4 s per thousand pods, so requests and answers are JSON here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ciliumctl.clients.kube import fetch
from ciliumctl.clients.kube.forward import Forwarder, PodPort
from ciliumctl.clients.kube.kubeconfig import ConnectOptions, load
from ciliumctl.clients.kube.kubeconfig import files as kubeconfig_files
from ciliumctl.clients.kube.logs import Log, LogRequest, Stamped
from ciliumctl.clients.kube.resources import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_ENDPOINTS,
    CILIUM_POLICIES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Manifest,
    Resource,
    annotations_of,
    conditions_of,
    dig,
    is_ciliums_crd,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.clients.kube.streams import Exec, ExecResult
from ciliumctl.clients.kube.translate import Busy, Expired
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.errors import ApiFailed, Conflict, NotFound
from ciliumctl.parallel import gather_all
from ciliumctl.wait import Deadline

__all__ = [
    "CILIUM_CLUSTERWIDE_POLICIES",
    "CILIUM_ENDPOINTS",
    "CILIUM_POLICIES",
    "CONFIG_MAPS",
    "CONTROLLER_REVISIONS",
    "CRDS",
    "DAEMON_SETS",
    "DEPLOYMENTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PODS",
    "REPLICA_SETS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "Access",
    "ConnectOptions",
    "Exec",
    "ExecResult",
    "Forwarder",
    "Kube",
    "Log",
    "LogRequest",
    "Manifest",
    "PodPort",
    "Resource",
    "Stamped",
    "Table",
    "annotations_of",
    "conditions_of",
    "connect",
    "dig",
    "is_ciliums_crd",
    "kubeconfig_files",
    "labels_of",
    "name_of",
    "namespace_of",
]

PAGE = 500
FIELD_MANAGER = "ciliumctl"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What `kubectl get` shows: column names in lower case, and rows of the same length."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> list[Any]:
        """One column's values; empty when the server has no such column."""
        if name not in self.columns:
            return []
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One thing that a user may or may not do."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        what = str(self.resource) + (f"/{self.subresource}" if self.subresource else "")
        where = f" in namespace `{self.namespace}`" if self.namespace else " in the whole cluster"
        return f"{self.verb} `{what}`{where}"


def connect(options: ConnectOptions, environ: Mapping[str, str] | None = None) -> Kube:
    """A client for the cluster and the user that the options, the kubeconfig or the pod we run in name.

    No request is made yet. Raises `NoKubeconfig`, `UnknownContext`, `CredentialPlugin`.
    """
    environ = os.environ if environ is None else environ
    context = load(options, environ)
    return Kube(Transport(context, environ=environ, request_timeout=options.request_timeout))


class Kube:
    """A client for one cluster. Safe to use from several threads; every failure is a `ClusterError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def host(self) -> str:
        """The API server's address."""
        return self._transport.host

    @property
    def context(self) -> str:
        """The context's name in the kubeconfig; `in-cluster` inside a pod."""
        return self._transport.context.name

    @property
    def cluster_name(self) -> str:
        """The cluster's name in the kubeconfig; empty inside a pod."""
        return self._transport.context.cluster_name

    @property
    def namespace(self) -> str:
        """The namespace of the context, `default` without one: where kubectl looks for what names none."""
        return self._transport.context.namespace

    @property
    def user(self) -> str:
        """Whom we act as: the user that is impersonated, else the kubeconfig's name for ours; empty inside a pod."""
        return self._transport.context.as_user or self._transport.context.user_name

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._transport.requests

    @property
    def deadline(self) -> Deadline:
        """When the command's time is up."""
        return self._transport.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._transport.deadline = deadline

    def tell(self, trace: Callable[[str], None]) -> None:
        """Tell of each request from now on."""
        self._transport.trace = trace

    # Reading

    def raw(self, path: str, *, timeout: float | None = None) -> str:
        """The text at a path such as `/version` or `/readyz`."""
        return self._transport.request("GET", path, accept="*/*", timeout=timeout).body.decode("utf-8", "replace")

    def version(self) -> str:
        """The API server's version, such as `v1.34.4`."""
        return str(self._transport.request("GET", "/version").json().get("gitVersion", ""))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Manifest:
        """One object. Raises `NotFound`."""
        body: Manifest = self._transport.request("GET", resource.path(namespace=namespace, name=name)).json()
        return body

    def find(self, resource: Resource, name: str, namespace: str = "") -> Manifest | None:
        """One object, or `None` when it, or its kind, does not exist."""
        try:
            return self.get(resource, name, namespace)
        except NotFound:
            return None

    def objects(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        limit: int = PAGE,
    ) -> Iterator[Manifest]:
        """Yield the objects, page by page of `limit`; of each only its metadata when asked.

        A list that grew too old to be continued (410) goes on from what the server offers instead.
        """
        query = _selectors(labels, fields) | {"limit": str(limit)}
        accept = _METADATA if metadata_only else "application/json"
        while True:
            try:
                answer = self._transport.request("GET", resource.path(namespace=namespace), query=query, accept=accept)
            except Expired as error:
                if not error.token:
                    raise
                query["continue"] = error.token
                continue
            body = answer.json()
            yield from body.get("items") or []
            token = dig(body, "metadata", "continue", default="")
            if not token:
                return
            query["continue"] = token

    def table(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        cached: bool = True,
        namespaces: bool = False,
    ) -> Table:
        """The objects as the server's own table, without the objects: 130 bytes a pod instead of 20 kB.

        `cached` takes the API server's watch cache, a moment behind and three to ten times as fast at scale.
        `namespaces` adds a first column, out of the objects' metadata: five times as many bytes.
        """
        query = _selectors(labels, fields) | {"includeObject": "Metadata" if namespaces else "None"}
        if cached:
            query["resourceVersion"] = "0"
        body = self._transport.request("GET", resource.path(namespace=namespace), query=query, accept=_TABLE).json()
        columns = tuple(str(column["name"]).lower() for column in body.get("columnDefinitions") or [])
        rows = tuple(tuple(row.get("cells") or ()) for row in body.get("rows") or [])
        if namespaces:
            columns = ("namespace", *columns)
            places = (namespace_of(dig(row, "object", default={})) for row in body.get("rows") or [])
            rows = tuple((place, *row) for place, row in zip(places, rows, strict=True))
        return Table(columns=columns, rows=rows)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The API groups beside the core one, with their versions, preferred one first. One request."""
        body = self._transport.request("GET", "/apis").json()
        return {
            str(group["name"]): tuple(str(version["version"]) for version in group.get("versions") or [])
            for group in body.get("groups") or []
        }

    def kinds(self) -> dict[tuple[str, str], Resource]:
        """Every kind that the server knows, by (apiVersion, kind). Two requests where discovery is aggregated.

        Servers before 1.26 answer without the kinds; they are asked group by group.
        """
        found: dict[tuple[str, str], Resource] = {}
        for root in ("/api", "/apis"):
            body = self._transport.request("GET", root, accept=_DISCOVERY).json()
            if "items" not in body:
                self._kinds_one_by_one(root, body, found)
                continue
            for group in body["items"]:
                name = dig(group, "metadata", "name", default="")
                for version in group.get("versions") or []:
                    for entry in version.get("resources") or []:
                        resource = Resource(
                            name,
                            version["version"],
                            entry["resource"],
                            namespaced=entry["scope"] == "Namespaced",
                        )
                        kind = dig(entry, "responseKind", "kind", default="")
                        found.setdefault((resource.api_version, kind), resource)
        return found

    def _kinds_one_by_one(self, root: str, body: Mapping[str, Any], found: dict[tuple[str, str], Resource]) -> None:
        if root == "/api":
            versions = [("", str(version)) for version in body.get("versions") or []]
        else:
            versions = [
                (str(group["name"]), str(version["version"]))
                for group in body.get("groups") or []
                for version in group.get("versions") or []
            ]
        for group, version in versions:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            try:
                entries = self._transport.request("GET", path).json().get("resources") or []
            except (ApiFailed, NotFound):
                if not group:
                    raise
                # An extension that is down (a metrics server, say) hides its own kinds, as with kubectl.
                continue
            for entry in entries:
                if "/" not in entry["name"]:
                    resource = Resource(group, version, entry["name"], namespaced=bool(entry["namespaced"]))
                    found.setdefault((resource.api_version, entry["kind"]), resource)

    def denied(self, accesses: Sequence[Access]) -> list[Access]:
        """Those of `accesses` that this user does not have, in their order. One request each, in parallel."""
        allowed = gather_all([partial(self._allowed, access) for access in accesses])
        return [access for access, yes in zip(accesses, allowed, strict=True) if not yes]

    def _allowed(self, access: Access) -> bool:
        attributes = {
            "verb": access.verb,
            "group": access.resource.group,
            "version": access.resource.version,
            "resource": access.resource.plural,
            "subresource": access.subresource,
            "namespace": access.namespace,
            "name": access.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        body = self._transport.request("POST", path, body=review).json()
        return bool(dig(body, "status", "allowed", default=False))

    # Changing

    def create(self, resource: Resource, manifest: Manifest, namespace: str = "", *, dry_run: bool = False) -> Manifest:
        """Create an object; with `dry_run` only let the server check it. Raises `Conflict` when it exists."""
        body: Manifest = self._transport.request(
            "POST",
            resource.path(namespace=namespace),
            query={"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {}),
            body=manifest,
        ).json()
        return body

    def apply(
        self,
        resource: Resource,
        manifest: Manifest,
        namespace: str = "",
        *,
        force: bool = False,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Manifest:
        """Server-side apply. Raises `Conflict` when another manager owns a field and `force` is off."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        body: Manifest = self._transport.request(
            "PATCH",
            resource.path(namespace=namespace, name=name_of(manifest)),
            query=query,
            body=manifest,
            content_type="application/apply-patch+yaml",
        ).json()
        return body

    def replace(
        self, resource: Resource, manifest: Manifest, namespace: str = "", *, dry_run: bool = False
    ) -> Manifest:
        """Put an object in place of the one with the same name; with `dry_run` only learn what it would become.

        Raises `Conflict` when the one that is there changed meanwhile.
        """
        body: Manifest = self._transport.request(
            "PUT",
            resource.path(namespace=namespace, name=name_of(manifest)),
            query={"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {}),
            body=manifest,
        ).json()
        return body

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: Manifest,
        namespace: str = "",
        *,
        subresource: str = "",
        strategic: bool = False,
        dry_run: bool = False,
    ) -> Manifest:
        """Merge `patch` into an object (RFC 7386: null deletes a key); with `dry_run` only learn what it would become.

        `strategic` merges as kubectl does by default: an entry is added to a list whose entries have names, where
        RFC 7386 would put the list in the other's place.
        """
        body: Manifest = self._transport.request(
            "PATCH",
            resource.path(namespace=namespace, name=name, subresource=subresource),
            query={"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {}),
            body=patch,
            content_type=f"application/{'strategic-merge' if strategic else 'merge'}-patch+json",
        ).json()
        return body

    def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", foreground: bool = False
    ) -> bool:
        """Delete an object, only the one with `uid` when given. Returns whether it was there."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._transport.request("DELETE", resource.path(namespace=namespace, name=name), body=options)
        except NotFound:
            return False
        return True

    def evict(self, namespace: str, pod: str, *, uid: str = "", grace: int | None = None) -> str:
        """Ask for a pod to be moved off its node, as `kubectl drain` does: its PodDisruptionBudgets are respected.

        `grace` is in seconds, the pod's own when `None`. Returns why it may not go now; empty when it goes, or is gone.
        """
        options: dict[str, Any] = {} if grace is None else {"gracePeriodSeconds": grace}
        if uid:
            options["preconditions"] = {"uid": uid}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": options,
        }
        try:
            self._transport.request("POST", PODS.path(namespace=namespace, name=pod, subresource="eviction"), body=body)
        except Busy as error:
            return error.detail or error.message
        except (Conflict, NotFound):
            # Another pod has its name, or none.
            return ""
        return ""

    # In containers

    def open_exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> Exec:
        """Start a command in a container and return the open connection."""
        query: list[tuple[str, Any]] = [("command", part) for part in command]
        query += [("stdout", "true"), ("stderr", str(not tty).lower())]
        query += [("stdin", str(stdin).lower()), ("tty", str(tty).lower())]
        if container:
            query.append(("container", container))
        return Exec(self._transport, PODS.path(namespace=namespace, name=pod, subresource="exec"), query)

    def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 30.0,
    ) -> ExecResult:
        """Run a command in a container to its end. Raises `TimedOut` after `timeout` seconds."""
        deadline = self.deadline.within(timeout)
        collected = {"stdout": bytearray(), "stderr": bytearray()}
        with self.open_exec(namespace, pod, command, container=container, stdin=bool(stdin)) as running:
            if stdin:
                running.feed(stdin)
            for channel, piece in running.frames(deadline):
                collected[channel] += piece
            return ExecResult(
                code=running.exit_code, stdout=bytes(collected["stdout"]), stderr=bytes(collected["stderr"])
            )

    def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "",
        tail: int = 20,
        previous: bool = False,
        since: float = 0.0,
        limit: int = 0,
    ) -> str:
        """The last `tail` lines of a container's log, or of the one before it.

        `since` leaves out what is older, in seconds; `limit` is the most bytes, counted from the first line.
        """
        query = {"tailLines": str(tail), "previous": str(previous).lower()}
        if container:
            query["container"] = container
        if since:
            query["sinceSeconds"] = str(max(1, round(since)))
        if limit:
            query["limitBytes"] = str(limit)
        path = PODS.path(namespace=namespace, name=pod, subresource="log")
        answer = self._transport.request("GET", path, query=query, accept="*/*")
        return answer.body.decode("utf-8", "replace")

    def proxied(self, place: PodPort, path: str, *, timeout: float, tls: bool = False) -> str:
        """What a pod's port answers to GET, asked by the API server. One request. See `fetch.through_proxy`."""
        return fetch.through_proxy(self._transport, place, path, timeout, tls=tls)

    def fetched(self, place: PodPort, path: str, *, timeout: float) -> str:
        """What a pod's port answers to GET, through a port-forward of its own. See `fetch.through_forward`."""
        return fetch.through_forward(self._transport, place, path, timeout)

    def open_logs(self, requests: Sequence[LogRequest]) -> list[Log]:
        """Logs to be read line by line, in the order of `requests`; none is asked for before its `lines`."""
        pool = self._transport.streams()
        return [Log(self._transport, pool, request) for request in requests]

    def forward(
        self,
        resolve: Callable[[], PodPort],
        *,
        address: str,
        port: int,
        say: Callable[[str], None],
    ) -> Forwarder:
        """Listen on a local port and carry connections into the pod that `resolve` names.

        Nothing is accepted before `start`. Raises `UsageError` when the port cannot be had.
        """
        return Forwarder(self._transport, resolve, address=address, port=port, say=say)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    pairs = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in pairs.items() if value}
