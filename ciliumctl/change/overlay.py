"""What Helm makes of an object that is there: the new manifest over it, without what only the old manifest had.

Helm 3 patches with the difference of three (old manifest, new manifest, live object), Helm 4 applies on the server;
both leave alone what others added. Lists of named things are merged by name, as the API server does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ciliumctl.clients.kube import Manifest

# Lists that are merged, and what their items are told apart by (the patch merge keys of Kubernetes' own types).
_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "webhooks": ("name",),
    "ownerReferences": ("uid",),
}
_BUILT_IN = ("", "apps", "batch", "policy")


def overlay(live: Manifest, old: Manifest, new: Manifest, *, server_side: bool = False) -> dict[str, Any]:
    """The live object as it would be after `old` was replaced with `new`.

    A null in `new` deletes what others set there when Helm patches, and says nothing when the server applies.
    """
    group = str(new.get("apiVersion", "")).rpartition("/")[0]
    by_key = group in _BUILT_IN or group.endswith(".k8s.io")
    wanted = without_nulls(new) if server_side else new
    merged: dict[str, Any] = _value(live, without_nulls(old) if server_side else old, wanted, "", by_key=by_key)
    # What a cluster says of an object is not the manifest's to change, and it keeps the version it was read in.
    return {**merged, "apiVersion": live.get("apiVersion", new.get("apiVersion"))} | (
        {"status": live["status"]} if "status" in live else {}
    )


def without_nulls(value: Any) -> Any:
    """The same, without keys that are null."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _value(live: Any, old: Any, new: Any, name: str, *, by_key: bool) -> Any:
    if isinstance(new, Mapping):
        return _mapping(live, old, new, by_key=by_key)
    keys = _keys_of(name, new) if by_key and isinstance(new, list) else ()
    if keys and isinstance(live, list):
        return _list(live, old if isinstance(old, list) else [], new, keys)
    return new


def _mapping(live: Any, old: Any, new: Mapping[str, Any], *, by_key: bool) -> dict[str, Any]:
    result = dict(live) if isinstance(live, Mapping) else {}
    before = old if isinstance(old, Mapping) else {}
    for key in before.keys() - new.keys():
        result.pop(key, None)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _value(result.get(key), before.get(key), value, key, by_key=by_key)
    return result


def _keys_of(name: str, items: Sequence[Any]) -> tuple[str, ...]:
    if not all(isinstance(item, Mapping) for item in items):
        return ()
    if name == "ports":
        if all("containerPort" in item for item in items):
            return ("containerPort", "protocol")
        return ("port", "protocol") if all("port" in item for item in items) else ()
    keys = _KEYS.get(name, ())
    return keys if all(key in item for item in items for key in keys) else ()


def _identity(item: Any, keys: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(item, Mapping):
        return ()
    return tuple(str(item.get(key, "TCP" if key == "protocol" else "")) for key in keys)


def _list(live: list[Any], old: list[Any], new: list[Any], keys: Sequence[str]) -> list[Any]:
    there = {_identity(item, keys): item for item in live}
    before = {_identity(item, keys): item for item in old}
    wanted = {_identity(item, keys): item for item in new}
    merged = [
        _value(there.get(name), before.get(name), item, "", by_key=True) if name in there else item
        for name, item in wanted.items()
    ]
    # What others added comes last, as with a patch.
    return merged + [item for name, item in there.items() if name not in wanted and name not in before]
