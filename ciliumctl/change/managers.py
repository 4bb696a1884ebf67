"""Who set what in an object: the API server keeps it, field by field, in `metadata.managedFields`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ciliumctl.clients.kube import FIELD_MANAGER, Manifest, dig
from ciliumctl.values.paths import Path

# Helm, ourselves, and the cluster's own controllers.
_EXPECTED = frozenset({"helm", "Helm", FIELD_MANAGER, "kube-controller-manager", "kube-scheduler", "kubelet"})
_PARTS = ("spec", "data", "stringData", "binaryData", "rules", "webhooks")
# A restart is no drift.
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def set_by_others(live: Manifest, manifest: Manifest) -> dict[str, list[str]]:
    """The fields that neither Helm nor the cluster set and that the manifest does not have, by who set them."""
    found: dict[str, list[str]] = {}
    entries: list[Manifest] = dig(live, "metadata", "managedFields", default=[])
    for entry in entries:
        manager = str(entry.get("manager", ""))
        if manager in _EXPECTED or entry.get("subresource") or manager.startswith("cilium-operator"):
            continue
        fields: Mapping[str, Any] = dig(entry, "fieldsV1", default={})
        for part in _PARTS:
            for path in _unknown(fields.get(f"f:{part}"), manifest.get(part), (part,)):
                found.setdefault(manager, []).append(".".join(path))
    return found


def _unknown(fields: Any, known: Any, path: Path) -> Iterator[Path]:
    """The paths in `fields` that lead to nothing in `known`, each only as far as it is not known."""
    if not isinstance(fields, Mapping):
        return
    for step, below in fields.items():
        if step == "." or not step.startswith(("f:", "k:")):
            continue
        name, item = _followed(step, known)
        if item is None:
            if name != _RESTARTED:
                yield (*path, name)
        else:
            yield from _unknown(below, item, (*path, name))


def _followed(step: str, known: Any) -> tuple[str, Any]:
    if step.startswith("f:"):
        name = step[2:]
        return name, known.get(name) if isinstance(known, Mapping) else None
    keys: dict[str, Any] = json.loads(step[2:])
    items = known if isinstance(known, list) else []
    found = next((item for item in items if all(_is(item, key, value) for key, value in keys.items())), None)
    return ",".join(str(value) for value in keys.values()), found


def _is(item: Any, key: str, value: Any) -> bool:
    return isinstance(item, Mapping) and item.get(key, "TCP" if key == "protocol" else None) == value
