"""Apply a policy, after saying what it does to the pods that are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    NETWORK_POLICIES,
    PODS,
    Kube,
    Resource,
    labels_of,
    namespace_of,
)
from ciliumctl.connectivity.selecting import matches
from ciliumctl.errors import Exists
from ciliumctl.policies import collecting, parties, reading
from ciliumctl.policies.model import Ref
from ciliumctl.policies.patterns import New, placed

MANAGED = {"app.kubernetes.io/managed-by": "ciliumctl"}
_RESOURCES = {
    reading.KUBERNETES: NETWORK_POLICIES,
    reading.CILIUM: CILIUM_POLICIES,
    reading.CLUSTERWIDE: CILIUM_CLUSTERWIDE_POLICIES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A policy that the server would take. `effect` is what it does, in a sentence without its full stop."""

    made: New
    ref: Ref
    effect: str


def resource_of(kind: str) -> Resource:
    """Where policies of a kind are."""
    return _RESOURCES[kind]


def prepared(kube: Kube, made: New) -> Prepared:
    """Look at the pods that it selects, and let the server check it. Four requests; nothing is changed.

    One that names no namespace is for the context's, as with kubectl.

    Raises:
        Exists: a policy of that name is there, and is another one.
        NotFound: the namespace, or the kind, does not exist.
        Invalid: the server does not accept it.
    """
    made = placed(made, kube.namespace)
    ref = reading.ref_of(made.policy)
    place = ref.namespace
    there = kube.find(resource_of(ref.kind), ref.name, place)
    if there is not None and there.get("spec") != made.policy["spec"]:
        raise Exists(
            f"{ref} is there already, and says something else", hint="give this one another name with `--name`"
        )
    namespaces = collecting.namespaces(kube)
    pods = kube.objects(PODS, place, fields=collecting.WITH_A_NETWORK, metadata_only=True)
    kube.apply(resource_of(ref.kind), _marked(made), place, dry_run=True)
    (spec,) = reading.read(made.policy)
    count = sum(
        matches(
            spec.selector,
            parties.identity(labels_of(pod), namespace_of(pod), namespaces.get(namespace_of(pod), {})),
        )
        for pod in pods
    )
    directions = " and ".join(sorted(spec.isolates, key=["ingress", "egress"].index))
    does = f"isolates them for {directions}" if directions else "isolates none of them"
    noun = "pod" if count == 1 else "pods"
    return Prepared(made=made, ref=ref, effect=f"it selects {count} {noun} and {does}")


def apply(kube: Kube, wanted: Prepared) -> New:
    """Do it. One request."""
    done = kube.apply(resource_of(wanted.ref.kind), _marked(wanted.made), wanted.ref.namespace)
    return replace(wanted.made, policy=done, applied=True)


def _marked(made: New) -> dict[str, Any]:
    metadata = {**made.policy["metadata"], "labels": MANAGED}
    return {**made.policy, "metadata": metadata}
