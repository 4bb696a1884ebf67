"""Take over a Cilium that `kubectl apply` made: what its becoming part of a Helm release changes in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ciliumctl import permissions
from ciliumctl.clients.kube import CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, Kube, Manifest, dig, name_of
from ciliumctl.installation.plan import Plan
from ciliumctl.parallel import together
from ciliumctl.status.collect import PART_OF
from ciliumctl.values.paths import difference

# How many settings a question names.
_NAMED = 6


def taking_over(plan: Plan, kube: Kube, manifest: str) -> str:
    """What is to be agreed to: the settings that `manifest` changes, and the workloads that it does not have."""
    namespace = plan.wanted.namespace
    config, sets, deployments = together(
        lambda: kube.find(CONFIG_MAPS, "cilium-config", namespace),
        lambda: list(kube.objects(DAEMON_SETS, namespace, labels=PART_OF, metadata_only=True)),
        lambda: list(kube.objects(DEPLOYMENTS, namespace, labels=PART_OF, metadata_only=True)),
    )
    objects = permissions.documents(manifest)
    names = {name_of(item) for item in objects if item.get("kind") in {"DaemonSet", "Deployment"}}
    outside = [name_of(item) for item in (*sets, *deployments) if name_of(item) not in names]
    release = f"Helm release `{plan.wanted.release}`, chart {plan.chart.version}"
    said = [f"the running Cilium of {plan.taken_over} becomes part of {release}", _settings(config, objects)]
    if outside:
        said.append(f"these values make no {_listed(outside)}: what is there would stay, outside of the release")
    return "; ".join(said) + "."


def _settings(config: Manifest | None, objects: Sequence[Manifest]) -> str:
    there: Mapping[str, str] = dig(config, "data", default={})
    rendered = next(
        (item for item in objects if (item.get("kind"), name_of(item)) == ("ConfigMap", "cilium-config")), None
    )
    changed = difference(there, dig(rendered, "data", default={}))
    if not changed:
        return "its settings are what these values make"
    return f"{len(changed)} of its settings differ from what these values make: {_listed(changed)}"


def _listed(names: Sequence[str]) -> str:
    more = " and more" if len(names) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in names[:_NAMED]) + more
