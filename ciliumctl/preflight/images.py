"""Ask registries whether they have an image, as anybody may ask: without credentials, without fetching it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import urlencode

from ciliumctl.clients.web import Web
from ciliumctl.errors import CiliumctlError
from ciliumctl.parallel import gather_all

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
#: Seconds for one registry's answer.
_PATIENCE = 10.0
_LOCAL = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?$")


def published(web: Web, images: Iterable[str]) -> dict[str, str]:
    """`there`, `missing`, or why it is not known, for each image. Two or three requests each, eight at a time."""
    wanted = list(images)
    return dict(zip(wanted, gather_all([partial(_answer, web, image) for image in wanted], limit=8), strict=True))


def address_of(image: str) -> tuple[str, str, str]:
    """Registry, repository and tag or digest of an image. A name without a registry has none."""
    name, _at, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return "", name, digest
    repository, tag = (rest.rpartition(":")[0], rest.rpartition(":")[2]) if ":" in rest else (rest, "latest")
    return first, repository, digest or tag


def _answer(web: Web, image: str) -> str:
    registry, repository, reference = address_of(image)
    if not registry:
        return "not known: the name has no registry"
    scheme = "http" if _LOCAL.match(registry) else "https"
    url = f"{scheme}://{registry}/v2/{repository}/manifests/{reference}"
    try:
        status, headers = web.head(url, {"Accept": _MANIFESTS}, timeout=_PATIENCE)
        if status == 401:
            token = _token(web, headers, repository)
            if not token:
                return "not known: the registry wants credentials"
            allowed = {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"}
            status, _headers = web.head(url, allowed, timeout=_PATIENCE)
    except CiliumctlError as error:
        return f"not known: {error.message}"
    if status == 404:
        return "missing"
    if status in {401, 403}:
        return "not known: the registry wants credentials, or has no such repository"
    return "there" if status < 300 else f"not known: the registry answered {status}"


def _token(web: Web, headers: Mapping[str, str], repository: str) -> str:
    """The token that a registry gives to anybody; empty where it gives none."""
    challenge = headers.get("www-authenticate", "")
    if not challenge.lower().startswith("bearer "):
        return ""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not parts.get("realm"):
        return ""
    asked = {"scope": parts.get("scope") or f"repository:{repository}:pull"}
    if parts.get("service"):
        asked["service"] = parts["service"]
    try:
        page = web.text(f"{parts['realm']}?{urlencode(asked)}", timeout=_PATIENCE, attempts=1, limit=1 << 20)
        found = json.loads(page)
    except (CiliumctlError, ValueError):
        return ""
    return str(found.get("token") or found.get("access_token") or "") if isinstance(found, dict) else ""
