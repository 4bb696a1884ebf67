"""Kubernetes is of a version that the chart accepts and that Cilium's own tests ran on."""

from __future__ import annotations

from ciliumctl import versioning
from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    here, target = scene.facts.kubernetes, scene.target
    if not versioning.numbers(here):
        return skipped("the API server does not say its version")
    if not versioning.accepts(target.kube_version, here):
        text = f"Kubernetes {here} is outside of `{target.kube_version}`, which the chart {target.version} demands"
        return judged(
            [Finding(text=text)],
            good="",
            bad=text,
            hint="upgrade Kubernetes first, or choose an older Cilium with `--version`",
        )
    tested: list[str] = compatibility.of_minor(target.minor).get("kubernetes", [])
    minor = versioning.named(versioning.minor_of(here))
    if not tested:
        return passed(f"the chart accepts it; which versions {target.version} was tested with is not known here")
    if minor in tested:
        return passed(f"{minor} is among those that Cilium {versioning.named(target.minor)} is tested with")
    listed = ", ".join(tested)
    text = f"Cilium {versioning.named(target.minor)} is tested with Kubernetes {listed}, not with {minor}"
    better = [name for name, entry in compatibility.table()["minors"].items() if minor in entry["kubernetes"]]
    hint = f"Cilium {' and '.join(better)} are tested with it" if better else "it mostly works; try it elsewhere first"
    return judged([Finding(text=text, severity="warning")], good="", bad=text, hint=hint)


API_VERSION = Check(
    id="CIL-API-002",
    category="api",
    title="Kubernetes is of a version that this Cilium supports",
    why="A chart refuses Kubernetes below its floor. Above it, Cilium guarantees only the versions that its own "
    "end-to-end tests ran on; others depend on how well Kubernetes keeps its APIs.",
    remedy="Choose the Cilium whose list holds your Kubernetes, with `--version`; or upgrade Kubernetes to one of the "
    "list first.",
    look=_look,
)
