"""The images of a manifest, and whether two names mean the same image."""

from __future__ import annotations

from collections.abc import Iterable

from ciliumctl.clients.kube import Manifest, dig


def images_of(manifest: Iterable[Manifest]) -> tuple[str, ...]:
    """Every image that a manifest's workloads run, each once, in the order of the manifest."""
    found: dict[str, None] = {}
    for item in manifest:
        template = (
            ("spec", "jobTemplate", "spec", "template") if item.get("kind") == "CronJob" else ("spec", "template")
        )
        spec: Manifest = dig(item, *template, "spec", default={})
        for group in ("initContainers", "containers"):
            containers: list[Manifest] = dig(spec, group, default=[])
            found |= {str(image): None for one in containers if (image := dig(one, "image"))}
    return tuple(found)


def same(wanted: str, there: str) -> bool:
    """Whether a node's name of an image means the wanted one: by digest where there is one, else by tag."""
    name, _at, digest = wanted.partition("@")
    if not digest:
        return there == wanted
    repository = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
    return there in {wanted, f"{repository}@{digest}"}
