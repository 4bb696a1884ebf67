"""The images are there, or can be pulled, as far as that can be known from here."""

from __future__ import annotations

from ciliumctl.checks._images import images_of, same
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def _answered(scene: Scene, evidence: list[str]) -> Verdict:
    """What the registries said: an image that is missing fails, one of which nobody knows is said to be so."""
    unknown = {image: answer for image, answer in scene.published.items() if answer not in {"there", "missing"}}
    missing = [image for image, answer in scene.published.items() if answer == "missing"]
    if unknown and not missing:
        first = next(iter(unknown))
        return skipped(f"of {len(unknown)} of {counted(len(scene.published), 'image')} it is {unknown[first]}")
    return judged(
        [Finding(text=f"{image} is not in its registry", object=f"Image//{image}") for image in missing],
        good=f"{counted(len(scene.published), 'image')} in their registries, as seen from this machine",
        bad=f"{counted(len(missing), 'image')} not in the registry",
        hint="nodes may see other registries than this machine: behind a mirror name it in the values "
        "(`image.repository`, `operator.image.repository` …)",
        evidence=[*evidence, *(f"{image}: {answer}" for image, answer in unknown.items())],
    )


def _look(scene: Scene) -> Verdict:
    wanted = images_of(scene.manifest)
    if not wanted:
        return skipped("the manifest names no image")
    linux = [node for node in scene.nodes if node.system == "linux"]
    counts = {image: sum(any(same(image, there) for there in node.images) for node in linux) for image in wanted}
    evidence = [f"{image}: on {count} of {counted(len(linux), 'node')}" for image, count in counts.items()]
    if scene.published:
        return _answered(scene, evidence)
    everywhere = [image for image, count in counts.items() if linux and count == len(linux)]
    if len(everywhere) == len(wanted):
        return passed(f"{counted(len(wanted), 'image')} on every node already", *evidence)
    missing = len(wanted) - len(everywhere)
    return skipped(
        f"{missing} of {counted(len(wanted), 'image')} not on every node yet, and whether they can be pulled is not "
        "known: add `--check-images` to ask the registries from here"
    )


IMAGES_AVAILABLE = Check(
    id="CIL-IMG-001",
    category="images",
    title="every image is on the nodes or in its registry",
    why="An agent whose image cannot be pulled leaves its node without a network, in the middle of a rollout. Nodes "
    "tell which images they hold; the registries are asked only with `--check-images`, without any credentials.",
    remedy="Check the image's name and tag, the mirror and the pull secret (`imagePullSecrets`). A registry that wants "
    "credentials cannot be judged from here; pull the image on a node: `crictl pull IMAGE`.",
    look=_look,
    reads=("nodes", "manifest", "published"),
    after=("CIL-API-001", "CIL-VAL-001"),
)
