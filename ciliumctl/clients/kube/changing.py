"""Change objects: create, apply, replace, patch, delete, evict."""

from __future__ import annotations

from typing import Any

from ciliumctl.clients.kube.connection import Connection
from ciliumctl.clients.kube.resources import PODS, Manifest, Resource, name_of
from ciliumctl.clients.kube.translate import Busy
from ciliumctl.errors import Conflict, NotFound

#: By which the server knows, field by field, that it was us.
FIELD_MANAGER = "ciliumctl"


class Changing(Connection):
    """The part of the client that changes objects."""

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
