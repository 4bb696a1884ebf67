"""Remove what runs left behind: those that were killed, and those that were asked to keep their bed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ciliumctl.clients.kube import CILIUM_CLUSTERWIDE_POLICIES, Kube, Resource, name_of
from ciliumctl.connectivity import deploy, session
from ciliumctl.errors import NotFound
from ciliumctl.report import Reporter

#: What scenarios bring outside of namespaces; a test holds it against what they do bring.
OUTSIDE_OF_NAMESPACES = (
    CILIUM_CLUSTERWIDE_POLICIES,
    Resource("cilium.io", "v2", "ciliumegressgatewaypolicies", namespaced=False),
    Resource("cilium.io", "v2", "ciliumcidrgroups", namespaced=False),
    Resource("cilium.io", "v2alpha1", "ciliumcidrgroups", namespaced=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedUp:
    """The namespaces that were removed, and what was outside of them, as `kind.group/name`."""

    kind: ClassVar[str] = "ConnectivityCleanup"

    context: str
    removed: tuple[str, ...]
    cluster_scoped: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Always: nothing to do counts, too."""
        return True


def clean(kube: Kube, report: Reporter, consent: Callable[[str], None]) -> CleanedUp:
    """Remove the namespaces of all runs; `consent` is asked about those that may be in use, and raises for a no."""
    found = deploy.left(kube)
    for one in found:
        if not deploy.expired(one):
            run = session.of(one)
            consent(f"Namespace `{name_of(one)}` is of {run.owner} and may be in use until {run.expires:%H:%M} UTC.")
    names = [name_of(one) for one in found]
    deploy.remove(kube, names, report)
    return CleanedUp(context=kube.context, removed=tuple(names), cluster_scoped=tuple(_remove_rest(kube)))


def _remove_rest(kube: Kube) -> list[str]:
    """Remove what a killed run left outside of namespaces; it selects pods of namespaces that are gone. Their names."""
    removed: dict[str, None] = {}
    for resource in OUTSIDE_OF_NAMESPACES:
        try:
            for one in kube.objects(resource, labels=session.LABEL):
                kube.delete(resource, name_of(one))
                # A kind that is served in two versions is one.
                removed[f"{resource.plural}.{resource.group}/{name_of(one)}"] = None
        except NotFound:
            continue
    return list(removed)
