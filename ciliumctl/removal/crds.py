"""Cilium's CRDs and their objects, everybody's policies among them."""

from __future__ import annotations

from functools import partial

from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    CRDS,
    Kube,
    Manifest,
    Resource,
    dig,
    is_ciliums_crd,
    name_of,
    namespace_of,
)
from ciliumctl.errors import CiliumctlError, NotFound, TimedOut
from ciliumctl.parallel import gather
from ciliumctl.wait import Deadline, overtime, poll

GROUP = "cilium.io"
_LAST_LOOK = 10.0


def names(kube: Kube) -> list[str]:
    """The names of Cilium's CRDs: a CRD's name is its plural and its group, always."""
    return [name for name in _of_the_group(kube) if is_ciliums_crd(name)]


def others(kube: Kube) -> tuple[str, ...]:
    """CRDs of other programs in Cilium's group, such as Tetragon's: they stay."""
    return tuple(sorted(name for name in _of_the_group(kube) if not is_ciliums_crd(name)))


def _of_the_group(kube: Kube) -> list[str]:
    found = [name_of(item) for item in kube.objects(CRDS, metadata_only=True)]
    return [name for name in found if name.endswith(f".{GROUP}")]


def counted(kube: Kube) -> dict[str, int | None]:
    """Cilium's CRDs, with the number of objects of each; `None` where it cannot be known."""
    found = {name_of(item): _resource(item) for item in kube.objects(CRDS) if _is_ours(item)}
    counts = gather([partial(_count, kube, resource) for resource in found.values()])
    return {name: _known(count) for name, count in zip(found, counts, strict=True)}


def _known(count: int | Exception) -> int | None:
    if isinstance(count, int):
        return count
    if isinstance(count, NotFound):
        # It is not served any more, or not yet.
        return 0
    if isinstance(count, CiliumctlError):
        return None
    raise count


def policies(kube: Kube) -> tuple[str, ...]:
    """The users' policies, as `kind/namespace/name`."""
    found = []
    for resource in (CILIUM_POLICIES, CILIUM_CLUSTERWIDE_POLICIES):
        try:
            found += [
                "/".join(part for part in (resource.plural, namespace_of(item), name_of(item)) if part)
                for item in kube.objects(resource, metadata_only=True)
            ]
        except NotFound:
            continue
    return tuple(sorted(found))


def _is_ours(item: Manifest) -> bool:
    return is_ciliums_crd(name_of(item))


def _resource(item: Manifest) -> Resource:
    versions: list[Manifest] = dig(item, "spec", "versions", default=[])
    stored = [dig(entry, "name", default="") for entry in versions if dig(entry, "storage", default=False)]
    return Resource(GROUP, stored[0] if stored else "v2", dig(item, "spec", "names", "plural", default=""))


def _count(kube: Kube, resource: Resource) -> int:
    return len(kube.table(resource).rows)


def purge(kube: Kube, deadline: Deadline) -> str:
    """Delete the CRDs and wait until they are gone. A finalizer is named, never taken off: somebody waits for it.

    Raises:
        TimedOut: some stay; whose finalizers hold them is in the message.
    """
    found = names(kube)
    for name in found:
        kube.delete(CRDS, name)

    def left() -> list[str]:
        # The last look of all comes when the time is up.
        with overtime(kube, seconds=_LAST_LOOK):
            return [name for name in found if kube.find(CRDS, name) is not None]

    still = poll(left, lambda still: not still, deadline=deadline, interval=1.0)
    if still:
        with overtime(kube, seconds=_LAST_LOOK):
            held = _holders(kube, still)
        raise TimedOut(
            f"{len(still)} CRDs are still being deleted: {', '.join(still[:3])}{held}",
            hint="a finalizer is for a controller to take off; whoever put it there must run, or take it off by hand: "
            f"`kubectl edit crd {still[0]}`",
        )
    return f"{len(found)} deleted"


def _holders(kube: Kube, still: list[str]) -> str:
    """Which finalizers hold them: the CRDs' own, and those of up to three objects."""
    held: dict[str, None] = {}
    for name in still[:5]:
        item = kube.find(CRDS, name) or {}
        for finalizer in _finalizers(item):
            if finalizer.startswith("customresourcecleanup."):
                # The server's own: it waits for the objects.
                held.update(dict.fromkeys(_objects_held(kube, _resource(item))))
            else:
                held[f"`{finalizer}` on the CRD itself"] = None
    return f", held by {', '.join(list(held)[:4])}" if held else ""


def _objects_held(kube: Kube, resource: Resource) -> list[str]:
    try:
        items = [item for item in kube.objects(resource, metadata_only=True) if _finalizers(item)]
    except CiliumctlError:
        # It is only an explanation, and the kind is half gone.
        return []
    return [f"`{_finalizers(item)[0]}` on {resource.plural} `{name_of(item)}`" for item in items[:3]]


def _finalizers(item: Manifest) -> list[str]:
    return dig(item, "metadata", "finalizers", default=[])
