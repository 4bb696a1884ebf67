"""Secrets are not shown: each gets a number, the same secret the same one, so that a change is seen all the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ciliumctl.clients.kube import Manifest
from ciliumctl.values.paths import Path

# Names of values that hold a secret themselves; certificates are public.
_SECRET_NAMES = frozenset(
    {
        "key",
        "password",
        "token",
        "clientSecret",
        "secretKey",
        "secretAccessKey",
        "privateKey",
        "keyFile",
        "bindPassword",
    }
)
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def is_secret_path(path: Path) -> bool:
    """Whether the value at a path of Helm values is a secret."""
    return bool(path) and path[-1] in _SECRET_NAMES


class Masker:
    """Gives numbers to secrets, over everything that one command shows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def hide(self, value: Any) -> str:
        """What is shown in place of a secret."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        return f"<-- value not shown (#{number})"

    def value(self, value: Any, *, secret: bool = False) -> Any:
        """A Helm value with the secrets in it hidden; `secret` hides it all. Nothing stays nothing."""
        if isinstance(value, Mapping):
            return {key: self.value(item, secret=secret or key in _SECRET_NAMES) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, secret=secret) for item in value]
        if not secret or value is None or value == "" or isinstance(value, bool):
            return value
        return self.hide(value)

    def manifest(self, item: Manifest) -> dict[str, Any]:
        """A Secret without its values; any other object as it is."""
        shown = dict(item)
        if item.get("kind") != "Secret":
            return shown
        for part in ("data", "stringData"):
            data = item.get(part)
            if isinstance(data, Mapping):
                shown[part] = {key: self.hide(_plain(value, part)) for key, value in data.items()}
        metadata = item.get("metadata")
        if isinstance(metadata, Mapping) and _APPLIED in (metadata.get("annotations") or {}):
            annotations = {**metadata["annotations"]}
            annotations[_APPLIED] = self.hide(annotations[_APPLIED])
            shown["metadata"] = {**metadata, "annotations": annotations}
        return shown


def _plain(value: Any, part: str) -> Any:
    """A Secret's value as its owner knows it, so that it is the same one in `data` and in `stringData`."""
    if part != "data" or not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True).decode("latin-1")
    except ValueError:
        return value
