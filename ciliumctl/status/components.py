"""The state of each part of Cilium."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ciliumctl.status.facts import Snapshot
from ciliumctl.status.verdict import Component


def tag(image: str) -> str:
    """The tag of an image reference; of one that has only a digest, the digest's first characters."""
    name, _at, digest = image.partition("@")
    last = name.rsplit("/", 1)[-1]
    if ":" in last:
        return last.rsplit(":", 1)[1]
    return digest[:19] if digest else "latest"


def version_of(images: Iterable[str]) -> str:
    """Cilium's version as the first image says it that has one in its tag, without the `v`; else empty."""
    tags = map(tag, images)
    return next((found.removeprefix("v") for found in tags if re.fullmatch(r"v\d+\.\d+\.\d+\S*", found)), "")


def component(name: str, snapshot: Snapshot) -> Component:
    """The state of one part: by its counts, and whether it has to be there at all."""
    workload = snapshot.workloads.get(name)
    if workload is None:
        needed = name in {"agent", "operator"} or (name == "envoy" and _envoy_expected(snapshot))
        return Component(name=name, state="missing" if needed and snapshot.installed else "disabled")
    versions: Counter[str] = Counter()
    images = workload.images or dict.fromkeys(workload.wanted_images, 0)
    for image, count in images.items():
        versions[tag(image)] = max(versions[tag(image)], count)
    well = workload.observed and workload.ready >= workload.desired and workload.updated >= workload.desired
    return Component(
        name=name,
        state="healthy" if well and workload.desired else "unhealthy",
        desired=workload.desired,
        ready=workload.ready,
        updated=workload.updated,
        restarts=sum(pod.restarts for pod in snapshot.pods.get(name, ())),
        images=dict(images),
        versions=dict(versions),
    )


def _envoy_expected(snapshot: Snapshot) -> bool:
    return snapshot.config.get("external-envoy-proxy") == "true"
