"""The API server answers. Every other check hangs on it; the runner says so where it does not."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Verdict, passed
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    return passed(f"Kubernetes {scene.facts.kubernetes or 'of an unknown version'} at {scene.host}")


API_REACHABLE = Check(
    id="CIL-API-001",
    category="api",
    title="the API server answers",
    why="Everything that ciliumctl does goes through the Kubernetes API; without it nothing can be looked at.",
    remedy="Check the context, the network and the credentials: `kubectl --context CONTEXT get --raw /readyz`.",
    look=_look,
    after=(),
    fatal=True,
)
