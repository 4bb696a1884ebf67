"""There are as many nodes as replicas of the operator."""

from __future__ import annotations

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.checks._scheduling import fits, operator_of
from ciliumctl.clients.kube import Manifest, dig


def _look(scene: Scene) -> Verdict:
    operator = operator_of(scene.manifest)
    if operator is None:
        return skipped("these values render no operator")
    replicas: int = dig(operator, "spec", "replicas", default=1)
    pod: Manifest = dig(operator, "spec", "template", "spec", default={})
    places = [node for node in scene.nodes if fits(node, pod)]
    if replicas <= len(places):
        return judged([], good=f"{counted(replicas, 'operator')} for {counted(len(places), 'node')}", bad="", hint="")
    text = f"{counted(replicas, 'operator')} for {counted(len(places), 'node')} where one may run: two never share one"
    return judged(
        [Finding(text=text, severity="warning" if places else "error", object=_NAME.format(scene.target.namespace))],
        good="",
        bad=text,
        hint=f"`--set operator.replicas={max(1, len(places))}`"
        if places
        else '`--set-json operator.tolerations=\'[{"operator":"Exists"}]\'` lets it run on tainted nodes',
    )


_NAME = "Deployment/{}/cilium-operator"

NODE_OPERATORS = Check(
    id="CIL-NODE-005",
    category="nodes",
    title="every replica of the operator finds a node",
    why="The operator's replicas never share a node. One too many stays pending for ever, and Helm 4's `--wait` waits "
    "for it. Without any operator no agent becomes ready, because it makes the CRDs.",
    remedy="`--set operator.replicas=1` on a cluster of one node; ciliumctl sets it by itself unless "
    "`--no-autodetect` is given.",
    look=_look,
    reads=("nodes", "manifest"),
    after=("CIL-API-001", "CIL-VAL-001"),
)
