"""What the server knows, and what this user may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ciliumctl.clients.kube.connection import Connection
from ciliumctl.clients.kube.resources import Resource, dig
from ciliumctl.errors import ApiFailed, NotFound
from ciliumctl.parallel import gather_all

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


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


class Discovery(Connection):
    """The part of the client that asks what there is, and what is allowed."""

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
