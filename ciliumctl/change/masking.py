"""Secrets are not shown: each gets a number, the same secret the same one, so that a change is seen all the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ciliumctl.clients.kube import Manifest
from ciliumctl.values import secrets
from ciliumctl.values.paths import Path

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Masker:
    """Gives numbers to secrets, over everything that one command shows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def hide(self, value: Any) -> str:
        """What is shown in place of a secret."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        return f"<-- value not shown (#{number})"

    def value(self, value: Any, path: Path = ()) -> Any:
        """A Helm value, which stands at `path`, with the secrets in it hidden. Nothing stays nothing."""
        return secrets.hidden(value, path, self.hide)

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
