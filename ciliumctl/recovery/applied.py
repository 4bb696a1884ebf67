"""How much of a revision has reached the cluster: live objects against the manifests before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ciliumctl.clients.kube import Kube, Manifest, Resource
from ciliumctl.parallel import gather_all
from ciliumctl.permissions import keyed

Key = tuple[str, str, str]
State = Literal["new", "old", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The objects in which two revisions differ, by which of the two they are like in the cluster."""

    new: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    neither: tuple[str, ...] = ()

    @property
    def all(self) -> bool:
        """Whether the newer revision is there whole."""
        return not self.old and not self.neither

    @property
    def none(self) -> bool:
        """Whether nothing of the newer revision is there."""
        return not self.new and not self.neither

    def state_of(self, name: str) -> State | None:
        """What an object is like; `None` where the revisions do not differ in it."""
        if name in self.new:
            return "new"
        if name in self.old:
            return "old"
        return "neither" if name in self.neither else None


def look(kube: Kube, before: str, after: str, namespace: str) -> Applied:
    """Compare. A request for each object that differs, in parallel, and two to learn the kinds."""
    old, new = keyed(before), keyed(after)
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if not keys:
        return Applied()
    kinds = kube.kinds()
    live = gather_all([partial(_live, kube, kinds, new.get(key) or old[key], key, namespace) for key in keys])
    found: dict[State, list[str]] = {"new": [], "old": [], "neither": []}
    for key, item in zip(keys, live, strict=True):
        found[_state(item, old.get(key), new.get(key))].append(shown(key))
    return Applied(new=tuple(found["new"]), old=tuple(found["old"]), neither=tuple(found["neither"]))


def shown(key: Key) -> str:
    """An object's kind and name."""
    kind, place, name = key
    return f"{kind} {place + '/' if place else ''}{name}"


def _live(
    kube: Kube, kinds: Mapping[tuple[str, str], Resource], item: Manifest, key: Key, namespace: str
) -> Manifest | None:
    resource = kinds.get((str(item.get("apiVersion")), str(item.get("kind"))))
    return kube.find(resource, key[2], key[1] or namespace) if resource is not None else None


def _state(live: Manifest | None, old: Manifest | None, new: Manifest | None) -> State:
    if live is None:
        return "old" if old is None else "new" if new is None else "neither"
    if new is None:
        return "old"
    if old is None:
        return "new" if _holds(live, new) else "neither"
    is_old, is_new = _holds(live, old), _holds(live, new)
    if is_old and is_new:
        # One says more than the other, and all of it is there: had the other been applied, it would not be.
        return "new" if _size(new) >= _size(old) else "old"
    return "new" if is_new else "old" if is_old else "neither"


def _holds(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; the server adds defaults, and drops what is empty."""
    if isinstance(wanted, Mapping):
        return (
            (not wanted and not live)
            or (isinstance(live, Mapping) and all(_holds(live.get(key), value) for key, value in wanted.items()))
            or (live is None and not any(wanted.values()))
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        if not wanted:
            return not live
        return (
            isinstance(live, Sequence)
            and len(live) == len(wanted)
            and all(_holds(one, other) for one, other in zip(live, wanted, strict=True))
        )
    if wanted in (None, "", False, 0):
        return not live
    return bool(live == wanted) or str(live) == str(wanted)


def _size(item: Any) -> int:
    if isinstance(item, Mapping):
        return sum(map(_size, item.values())) + len(item)
    if isinstance(item, Sequence) and not isinstance(item, str):
        return sum(map(_size, item)) + len(item)
    return 1
