"""Who manages the Cilium that is there: us, another Helm release, GitOps, a distribution, a cloud, or nobody known."""

from __future__ import annotations

from functools import partial

from ciliumctl.clients.kube import DAEMON_SETS, Kube, namespace_of
from ciliumctl.errors import ForeignOwner
from ciliumctl.owners.argo import of_argo
from ciliumctl.owners.flux import of_flux
from ciliumctl.owners.marks import of_kubectl, of_marks, of_nobody_known
from ciliumctl.owners.model import INTENTIONS, Intention, Owner
from ciliumctl.owners.releases import helm_charts, of_another, of_operator, of_rancher, release_of
from ciliumctl.parallel import together

__all__ = ["INTENTIONS", "Intention", "Owner", "foreign", "of_cilium", "refuse_foreign"]

# What the intention would have done, in the words of a refusal.
_THERE: dict[Intention, str] = {
    "install": "",
    "upgrade": ": it is upgraded there",
    "change values": ": its values are changed there",
    "rollback": ": it is rolled back there",
    "uninstall": ": it is removed there",
}


def of_cilium(kube: Kube, *, namespace: str, release_name: str) -> Owner | None:
    """The owner of the Cilium that is there; `None` when there is none, or it is this very Helm release alone.

    Three requests in parallel, and one or two more for the object of a GitOps tool that owns it. A Helm release that
    a GitOps tool, an operator or a distribution deployed is theirs.
    """
    found, dataplane, charts = together(
        lambda: list(kube.objects(DAEMON_SETS, fields="metadata.name=cilium", metadata_only=True)),
        # What GKE's Dataplane V2 calls its own Cilium.
        partial(kube.find, DAEMON_SETS, "anetd", "kube-system"),
        partial(helm_charts, kube),
    )
    if not found:
        return of_marks(dataplane) if dataplane is not None else None
    agent = next((agent for agent in found if namespace_of(agent) == namespace), found[0])
    above = of_argo(kube, agent) or of_flux(kube, agent) or of_operator(agent) or of_rancher(agent, charts)
    owner = above or of_marks(agent)
    if owner is not None or release_of(agent) == (release_name, namespace):
        return owner
    return of_another(agent, namespace, release_name) or of_kubectl(kube, agent) or of_nobody_known(agent)


def foreign(owner: Owner, intention: Intention) -> ForeignOwner:
    """The error for a Cilium that something else manages, with that tool's way in the hint."""
    already = "is there already and belongs" if intention == "install" else "belongs"
    return ForeignOwner(
        f"Cilium {already} to {owner.tool} ({'; '.join(owner.evidence)}){_THERE[intention]}",
        hint=owner.hint_for(intention),
    )


def refuse_foreign(kube: Kube, *, namespace: str, release_name: str, intention: Intention) -> None:
    """Refuse to change a Cilium that is not this very Helm release alone. Raises `ForeignOwner`."""
    owner = of_cilium(kube, namespace=namespace, release_name=release_name)
    if owner is not None:
        raise foreign(owner, intention)
