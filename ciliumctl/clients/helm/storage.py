"""Read what Helm keeps of a release in the cluster, without running Helm.

A release is a Secret (or ConfigMap) `sh.helm.release.v1.NAME.vREVISION` whose `release` key is base64 of gzip of JSON;
a Secret adds the API's own base64 (helm.sh/helm `pkg/storage/driver`). Reading it costs one request and no process,
where `helm status`, `history` and `get values` cost 50 ms and the same request each.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ciliumctl.errors import HelmFailed

PENDING = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
_GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision of a release, as Helm's labels tell it."""

    name: str
    namespace: str
    revision: int
    status: str

    @property
    def pending(self) -> bool:
        """Whether a Helm operation is at work on it, or was killed at it."""
        return self.status in PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Revision):
    """One revision with what was installed."""

    chart: str
    chart_version: str
    app_version: str
    updated: str
    description: str
    config: Mapping[str, Any] = field(repr=False)
    defaults: Mapping[str, Any] = field(repr=False)
    manifest: str = field(repr=False)
    stored_chart: Mapping[str, Any] = field(repr=False)
    #: How Helm 4 changed the cluster: `ssa`, `csa`, or empty as Helm 3 leaves it.
    apply_method: str = ""
    #: On which of Helm's events hooks of the chart run, such as `post-upgrade`.
    hooks: tuple[str, ...] = ()
    #: When the release was installed; the same in all its revisions.
    first: str = ""


def revision_of(stored: Mapping[str, Any]) -> Revision | None:
    """The revision that a stored object's labels tell; `None` when it is not one of Helm's."""
    metadata = stored.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if labels.get("owner") != "helm" or not str(labels.get("version", "")).isdigit():
        return None
    return Revision(
        name=str(labels.get("name", "")),
        namespace=str(metadata.get("namespace", "")),
        revision=int(labels["version"]),
        status=str(labels.get("status", "unknown")),
    )


def decode(stored: Mapping[str, Any]) -> Release:
    """The release in a stored Secret or ConfigMap. Raises `HelmFailed` when it is damaged."""
    name = str((stored.get("metadata") or {}).get("name", ""))
    try:
        data = str((stored.get("data") or {})["release"]).encode()
        if stored.get("kind", "Secret") != "ConfigMap":
            data = base64.b64decode(data)
        packed = base64.b64decode(data)
        body = json.loads(gzip.decompress(packed) if packed[:3] == _GZIP else packed)
        return release_of(body)
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise HelmFailed(
            f"the stored Helm release `{name}` is damaged", hint=f"look at it: `kubectl get secret -A | grep {name}`"
        ) from error


def release_of(body: Mapping[str, Any]) -> Release:
    """The release in Helm's own JSON, as stored and as `--output json` prints it."""
    metadata = body["chart"]["metadata"]
    info = body.get("info") or {}
    return Release(
        name=str(body["name"]),
        namespace=str(body.get("namespace", "")),
        revision=int(body["version"]),
        status=str(info.get("status", "unknown")),
        chart=str(metadata.get("name", "")),
        chart_version=str(metadata.get("version", "")).removeprefix("v"),
        app_version=str(metadata.get("appVersion", "")).removeprefix("v"),
        updated=str(info.get("last_deployed", "")),
        description=str(info.get("description", "")),
        config=body.get("config") or {},
        defaults=body["chart"].get("values") or {},
        manifest=str(body.get("manifest", "")),
        stored_chart=body["chart"],
        apply_method=str(body.get("apply_method") or ""),
        hooks=tuple(sorted({str(event) for hook in body.get("hooks") or [] for event in hook.get("events") or []})),
        first=str(info.get("first_deployed") or ""),
    )


def restated(stored: Mapping[str, Any], status: str, description: str, now: float) -> dict[str, Any]:
    """A stored revision with another status, in its labels and in what it holds, as Helm itself writes it.

    All else stays as it is, so that a replacement fails where somebody changed it meanwhile.
    """
    data = str((stored.get("data") or {})["release"]).encode()
    secret = stored.get("kind", "Secret") != "ConfigMap"
    packed = base64.b64decode(base64.b64decode(data) if secret else data)
    body = json.loads(gzip.decompress(packed) if packed[:3] == _GZIP else packed)
    body["info"] = {**body["info"], "status": status, "description": description}
    written = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    encoded = base64.b64encode(gzip.compress(written, 9))
    text = (base64.b64encode(encoded) if secret else encoded).decode()
    metadata = dict(stored["metadata"])
    metadata["labels"] = {**metadata["labels"], "status": status, "modifiedAt": str(int(now))}
    return {**stored, "metadata": metadata, "data": {**stored["data"], "release": text}}


def as_input(values: Mapping[str, Any]) -> bytes:
    """Values as JSON that is YAML, too.

    Half of a surrogate pair is no character there, so what JSON writes as one stands as it is; all else that is not
    ASCII is escaped: some of it would be a line break.
    """
    text = json.dumps(values, ensure_ascii=False)
    return re.sub("[\x7f-\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def unpack_chart(release: Release, folder: Path) -> Path:
    """Write the chart that a release was made from into `folder` and return the chart's own folder.

    So a change of values needs no repository, and is made with exactly the chart that is installed.
    """
    chart = release.stored_chart
    # Its name is what somebody wrote into the cluster: the last part cannot lead out of the folder.
    top = folder / (PurePosixPath(str(chart["metadata"]["name"])).name or "chart")
    top.mkdir(parents=True)
    (top / "Chart.yaml").write_bytes(as_input(chart["metadata"]))
    (top / "values.yaml").write_bytes(as_input(chart.get("values") or {}))
    if chart.get("schema"):
        (top / "values.schema.json").write_bytes(base64.b64decode(chart["schema"]))
    for entry in [*(chart.get("templates") or []), *(chart.get("files") or [])]:
        path = (top / str(entry["name"])).resolve()
        if not path.is_relative_to(top.resolve()):
            raise HelmFailed(f"the stored chart of release `{release.name}` has a file outside of it: {entry['name']}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(entry["data"]))
    return top
