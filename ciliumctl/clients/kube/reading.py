"""Read objects: one, all of a kind page by page, or as the table that the server makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ciliumctl.clients.kube.connection import Connection
from ciliumctl.clients.kube.resources import Manifest, Resource, dig, namespace_of
from ciliumctl.clients.kube.translate import Expired
from ciliumctl.errors import NotFound

PAGE = 500
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


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


class Reading(Connection):
    """The part of the client that reads objects."""

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


def _selectors(labels: str, fields: str) -> dict[str, str]:
    pairs = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in pairs.items() if value}
