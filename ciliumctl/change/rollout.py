"""Restarts: which pods read what changed without being rolled by it, and how they are restarted, never all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ciliumctl.change import rules
from ciliumctl.change.objects import Ref, pod_template, read_while_running, same
from ciliumctl.clients.kube import DAEMON_SETS, DEPLOYMENTS, Kube, Manifest, dig, namespace_of
from ciliumctl.permissions import keyed
from ciliumctl.report import Reporter

WORKLOADS = {"DaemonSet": DAEMON_SETS, "Deployment": DEPLOYMENTS}
RESTARTED = "kubectl.kubernetes.io/restartedAt"
# Who reads a ConfigMap through the API when it starts: no volume of the pod tells.
_READERS = {"cilium-config": ("cilium", "cilium-operator", "clustermesh-apiserver")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A DaemonSet or Deployment of the release, and why it is restarted."""

    kind: str
    namespace: str
    name: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def needed(before: str, after: str, namespace: str) -> tuple[Workload, ...]:
    """The workloads that must be restarted by us to see what changed between two manifests.

    Those are the ones whose pods stay as they are (a changed pod template rolls by itself) while a ConfigMap that they
    read when they start is another one.
    """
    old, new = keyed(before), keyed(after)
    changed: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        key[2]: (dig(old[key], "data", default={}), dig(item, "data", default={}))
        for key, item in new.items()
        if key[0] == "ConfigMap" and key in old and not read_while_running(Ref(key[0], "", key[2]))
    }
    found = []
    for key, item in new.items():
        kind, _place, name = key
        if kind not in WORKLOADS or key not in old or not same(pod_template(old[key]), pod_template(item)):
            continue
        read = sorted(config for config in set(_reads(name, item)) & changed.keys() if _minds(name, *changed[config]))
        if read:
            why = f"it read {', '.join(f'ConfigMap `{config}`' for config in read)} when it started"
            found.append(Workload(kind=kind, namespace=namespace_of(item) or namespace, name=name, why=why))
    return tuple(found)


def _minds(workload: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether the workload reads one of the keys that changed: of some it is known that only others do."""
    for key in rules.changed_keys(before, after):
        rule = rules.find(key, before.get(key, ""), after.get(key, ""), mesh=False)
        if rule is None or not rule.readers or workload in rule.readers:
            return True
    return False


def readers(manifest: str) -> dict[str, frozenset[str]]:
    """The ConfigMaps that each workload of a manifest reads, by `kind/name`."""
    return {
        f"{kind.lower()}/{name}": frozenset(_reads(name, item))
        for (kind, _place, name), item in keyed(manifest).items()
        if kind in WORKLOADS
    }


def _reads(name: str, item: Manifest) -> Iterator[str]:
    """The names of the ConfigMaps that a workload's pods read."""
    yield from (config for config, readers in _READERS.items() if name in readers)
    spec: Manifest = dig(item, "spec", "template", "spec", default={})
    volumes: list[Manifest] = dig(spec, "volumes", default=[])
    for volume in volumes:
        yield dig(volume, "configMap", "name", default="")
        sources: list[Manifest] = dig(volume, "projected", "sources", default=[])
        yield from (dig(source, "configMap", "name", default="") for source in sources)
    containers: list[Manifest] = [*dig(spec, "initContainers", default=[]), *dig(spec, "containers", default=[])]
    for container in containers:
        variables: list[Manifest] = dig(container, "env", default=[])
        yield from (dig(variable, "valueFrom", "configMapKeyRef", "name", default="") for variable in variables)
        whole: list[Manifest] = dig(container, "envFrom", default=[])
        yield from (dig(source, "configMapRef", "name", default="") for source in whole)


def restart(kube: Kube, workloads: Sequence[Workload], report: Reporter) -> None:
    """Restart them as `kubectl rollout restart` does: pod by pod, within each workload's own limits."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = {"metadata": {"annotations": {RESTARTED: moment}}}
    for workload in workloads:
        with report.step(f"Restarting {workload}") as step:
            patch = {"spec": {"template": template}}
            kube.patch(WORKLOADS[workload.kind], workload.name, patch, workload.namespace)
            step.finish(workload.why)
