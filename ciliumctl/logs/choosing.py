"""Which containers are meant: by component, node, pod and name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ciliumctl.agents import AGENT_LABEL
from ciliumctl.clients.kube import PODS, Kube, Manifest, Table, dig
from ciliumctl.errors import NotFound, UsageError
from ciliumctl.logs.model import Source
from ciliumctl.parallel import gather_all
from ciliumctl.status.collect import PART_OF, pods_of
from ciliumctl.status.facts import Pod, component_of

#: What a component is called here, what `status` calls it, and the containers whose logs are meant.
_MAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "agent": ("agent", ("cilium-agent",)),
    "operator": ("operator", ("cilium-operator",)),
    "envoy": ("envoy", ("cilium-envoy",)),
    "relay": ("hubble relay", ("hubble-relay",)),
    "ui": ("hubble ui", ("frontend", "backend")),
    # It has two or three, as it was set up: its pod is asked.
    "clustermesh": ("cluster mesh", ()),
}
COMPONENTS = tuple(_MAIN)
_OF_STATUS = {status: name for name, (status, _containers) in _MAIN.items()}
_KINDS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose logs; what is empty leaves nothing out."""

    namespace: str
    components: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    container: str = ""
    every_container: bool = False
    #: Only containers that have been restarted: the others have no log of a run before.
    restarted: bool = False


def choose(kube: Kube, wanted: Wanted) -> tuple[Source, ...]:
    """The containers, sorted by component, node and name.

    One request; one more for each component when a container is named or all are wanted, and for the cluster mesh.

    Raises:
        UsageError: there is no such component, or none of the pods has such a container.
        NotFound: no pod of Cilium is there, or none of those that were named.
    """
    for name in wanted.components:
        if name not in _MAIN:
            raise UsageError(f"there is no component `{name}`", hint=f"choose among {', '.join(_MAIN)}")
    pods = list(_pods(kube, wanted))
    if not pods:
        raise _none(wanted)
    missing = [name for name in wanted.pods if name not in {pod.name for _component, pod in pods}]
    if missing:
        raise NotFound(
            f"there is no pod `{missing[0]}` of Cilium in namespace `{wanted.namespace}`",
            hint="`ciliumctl status -o wide` names the agents; `kubectl get pods` names all",
        )
    if wanted.restarted:
        pods = [(component, pod) for component, pod in pods if pod.restarts]
    containers = _containers(kube, wanted, pods)
    order = {name: index for index, name in enumerate(COMPONENTS)}
    found = [
        Source(component=component, node=pod.node, namespace=wanted.namespace, pod=pod.name, container=container)
        for component, pod in pods
        for container in containers[component]
    ]
    return tuple(sorted(found, key=lambda one: (order[one.component], one.node, one.pod)))


def _pods(kube: Kube, wanted: Wanted) -> Iterator[tuple[str, Pod]]:
    for pod in pods_of(_table(kube, wanted)):
        component = _OF_STATUS.get(component_of(pod.name), "")
        if (
            component
            and (not wanted.components or component in wanted.components)
            and (not wanted.nodes or pod.node in wanted.nodes)
            and (not wanted.pods or pod.name in wanted.pods)
        ):
            yield component, pod


def _table(kube: Kube, wanted: Wanted) -> Table:
    # Of one node the server picks them: a table of a thousand rows is 300 kB.
    fields = f"spec.nodeName={wanted.nodes[0]}" if len(wanted.nodes) == 1 else ""
    labels = AGENT_LABEL if wanted.components == ("agent",) else PART_OF
    return kube.table(PODS, wanted.namespace, labels=labels, fields=fields, cached=False)


def _none(wanted: Wanted) -> NotFound:
    what = " or ".join(wanted.components) if wanted.components else "Cilium"
    where = f" on node `{'`, `'.join(wanted.nodes)}`" if wanted.nodes else ""
    named = f" named `{'`, `'.join(wanted.pods)}`" if wanted.pods else ""
    return NotFound(
        f"there is no pod of {what}{named}{where} in namespace `{wanted.namespace}`",
        hint="`ciliumctl status` shows what is installed, and where; `-n` names another namespace",
    )


def _containers(kube: Kube, wanted: Wanted, pods: list[tuple[str, Pod]]) -> Mapping[str, tuple[str, ...]]:
    """The containers to read, by component."""
    examples = {component: pod.name for component, pod in pods}
    asked = wanted.container or wanted.every_container
    read = [name for name in examples if asked or not _MAIN[name][1]]
    manifests = gather_all([partial(kube.find, PODS, examples[name], wanted.namespace) for name in read])
    known = {name: _names(pod or {}) for name, pod in zip(read, manifests, strict=True)}
    if wanted.container:
        if not any(wanted.container in names for names in known.values()):
            listed = ", ".join(dict.fromkeys(one for names in known.values() for one in names))
            raise UsageError(
                f"none of these pods has a container `{wanted.container}`", hint=f"they have {listed or 'none'}"
            )
        return {name: (wanted.container,) if wanted.container in names else () for name, names in known.items()}
    if wanted.every_container:
        return known
    main = {name: _MAIN[name][1] for name in examples}
    return main | {name: _names(pod or {}, "containers") for name, pod in zip(read, manifests, strict=True)}


def _names(pod: Manifest, *kinds: str) -> tuple[str, ...]:
    containers: list[Manifest] = []
    for kind in kinds or _KINDS:
        containers += dig(pod, "spec", kind, default=[])
    return tuple(str(one.get("name", "")) for one in containers)
