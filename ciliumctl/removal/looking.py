"""Find what is there to be removed, changing nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ciliumctl import flavour, nodework, owners, permissions, release
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import NAMESPACES, NODES, Kube, Manifest, Resource, name_of
from ciliumctl.errors import Missing
from ciliumctl.nodework import choosing
from ciliumctl.parallel import together
from ciliumctl.removal import crds, foreign, marks, objects, pods, remembered
from ciliumctl.removal.model import Preview, Removed, Wanted
from ciliumctl.removal.nodes import RESIDUE, folders


def find(kube: Kube, wanted: Wanted, storage: Resource) -> Release | None:
    """The release to remove; `None` when there is no Cilium at all.

    Raises:
        ForeignOwner: there is one, and something else manages it.
    """
    found, owner = together(
        partial(release.current, kube, wanted.release, wanted.namespace, storage),
        partial(owners.of_cilium, kube, namespace=wanted.namespace, release_name=wanted.release),
    )
    if owner is not None:
        raise owners.foreign(owner, "uninstall")
    return found


def leftovers(kube: Kube, wanted: Wanted) -> bool:
    """Whether an uninstallation that stopped half-way, or kept what is asked for now, has left work to do."""
    return (
        wanted.clean_nodes
        or bool(flavour.applied_changes(kube))
        or bool(marks.count(list(kube.objects(NODES))))
        or (wanted.purge_crds and bool(crds.names(kube)))
        or (wanted.purge and bool(objects.beside(kube, wanted.namespace, ())))
        or _deletes_namespace(kube, wanted)
    )


def _deletes_namespace(kube: Kube, wanted: Wanted) -> bool:
    asked = foreign.goes(wanted.namespace, asked=wanted.delete_namespace)
    return asked and kube.find(NAMESPACES, wanted.namespace) is not None


def _held(kube: Kube, wanted: Wanted, items: Sequence[Manifest]) -> tuple[str, foreign.Holding]:
    """The namespace that is deleted, and what it holds of others; nothing when it stays."""
    if not _deletes_namespace(kube, wanted):
        return "", foreign.Holding()
    return wanted.namespace, foreign.held(kube, wanted.namespace, wanted.release, items)


def nothing(kube: Kube, wanted: Wanted) -> Removed:
    """The result where there is no Cilium."""
    return Removed(context=kube.context, namespace=wanted.namespace, release=wanted.release, steps=(), kept=())


def preview(kube: Kube, found: Release | None, wanted: Wanted) -> Preview:
    """Look at what would go, without a release the leftovers. A dozen requests, in parallel.

    Raises:
        Missing: nodes are to be cleaned, and no image for that is known.
        Refused: they are to be cleaned, and the agent's folder may be others' too.
    """
    items = permissions.documents(found.manifest) if found is not None else []
    taken = namespaces(items)
    (
        (counted, others, policies),
        nodes,
        (networked, restarts, without_proxy),
        (beside, (lost, closed), peers),
        (changes, place, held),
    ) = together(
        lambda: (crds.counted(kube), crds.others(kube), crds.policies(kube)),
        lambda: list(kube.objects(NODES)),
        lambda: (pods.networked(kube), pods.restarts(kube), pods.without_kube_proxy(kube, wanted.namespace)),
        lambda: (
            objects.beside(kube, wanted.namespace, items),
            objects.lost_secrets(kube, taken, items),
            objects.peers(kube, wanted.namespace),
        ),
        lambda: (
            tuple(change.info.title for change in flavour.applied_changes(kube)),
            *_held(kube, wanted, items),
        ),
    )
    # Before anything is removed: they may be such that nobody cleans them.
    paths = tuple(folders(node_values(kube, found)).values()) if wanted.clean_nodes else ()
    choice = choosing.choose(nodes) if wanted.clean_nodes else None
    return Preview(
        context=kube.context,
        wanted=wanted,
        namespace=wanted.namespace,
        release=found.name if found is not None else "",
        version=found.chart_version if found is not None else "",
        pending=found.status if found is not None and found.pending else "",
        removes=dict(Counter(str(item.get("kind")) for item in items)),
        namespaces=taken,
        crds=tuple(sorted(counted)),
        other_crds=others,
        objects={name: count for name, count in counted.items() if count},
        policy_names=policies,
        changes=changes,
        marks=marks.count(nodes),
        deleted_namespace=place,
        beside=beside,
        foreign=held.foreign,
        not_known=(
            *(f"the Secret objects in namespace `{name}`" for name in closed if name != place),
            *(f"the {kind} objects in namespace `{place}`" for kind in held.unknown),
            *(f"the objects of `{name}`" for name in sorted(counted) if wanted.purge_crds and counted[name] is None),
        ),
        lost_secrets=lost,
        peers=peers,
        residue=RESIDUE,
        folders=paths,
        nodes=len(choice.names) if choice is not None else 0,
        skipped_nodes=tuple(f"{one.node}: {one.detail}" for one in choice.others) if choice is not None else (),
        node_image=image(kube, found, wanted).image if choice is not None and choice.names else "",
        # Without a release, they run under another CNI by now, or have none already.
        networked_pods=networked if found is not None else 0,
        restarts=restarts if found is not None else (),
        without_kube_proxy=without_proxy,
    )


def node_values(kube: Kube, found: Release | None) -> Mapping[str, Any]:
    """The values that name folders on the nodes: of the release, or of the one that is gone."""
    return found.config if found is not None else remembered.read(kube)[0]


def image(kube: Kube, found: Release | None, wanted: Wanted) -> nodework.NodeImage:
    """The image that cleans the nodes. Raises `Missing`."""
    items = permissions.documents(found.manifest) if found is not None else []
    try:
        asked = wanted.node_image or ("" if found is not None else remembered.read(kube)[1])
        return nodework.image_of(kube, wanted.namespace, wanted=asked, manifests=items)
    except Missing as error:
        raise Missing(error.message.replace("look at", "clean"), hint=error.hint) from None


def namespaces(items: Sequence[Manifest]) -> tuple[str, ...]:
    """The namespaces among a release's objects: they go with all that is in them."""
    return tuple(name_of(item) for item in items if item.get("kind") == "Namespace")
