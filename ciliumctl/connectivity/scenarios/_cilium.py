"""What the scenarios with Cilium's own policies share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ciliumctl.clients.kube import CILIUM_CLUSTERWIDE_POLICIES, CILIUM_POLICIES
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.model import Applied, Bed, Need, Probe, Scenario
from ciliumctl.connectivity.session import LABEL

SERVER = {"matchLabels": {"kind": "server"}}
CLIENT = {"matchLabels": {"role": "client"}}
EVERYBODY: list[dict[str, Any]] = [{"fromEntities": ["all"]}]
EVERYWHERE: list[dict[str, Any]] = [{"toEntities": ["all"]}]


def policy(name: str, **spec: Any) -> Callable[[Bed], Sequence[Applied]]:
    """A CiliumNetworkPolicy in the lane's namespace; values that are functions are called with the bed."""

    def made(bed: Bed) -> Sequence[Applied]:
        filled = {key: value(bed) if callable(value) else value for key, value in spec.items()}
        manifest = {
            "apiVersion": CILIUM_POLICIES.api_version,
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": name, "namespace": bed.namespace},
            "spec": filled,
        }
        return [Applied(CILIUM_POLICIES, manifest)]

    return made


def outside_of_namespaces(bed: Bed, name: str, **labels: str) -> dict[str, Any]:
    """The metadata of an object that is in no namespace: its name is this lane's alone, `cleanup` knows its label."""
    marks = {"app.kubernetes.io/managed-by": "ciliumctl", LABEL: "policy"}
    return {"name": f"{bed.namespace}-{name}", "labels": {**marks, **labels}}


def of_lane(bed: Bed, value: str, *, key: str = "role") -> dict[str, Any]:
    """A selector of the lane's pods with a label, for policies that see all namespaces."""
    return {"matchLabels": {key: value, "k8s:io.kubernetes.pod.namespace": bed.namespace}}


def clusterwide(name: str, **spec: Any) -> Callable[[Bed], Sequence[Applied]]:
    """A CiliumClusterwideNetworkPolicy; values that are functions are called with the bed."""

    def made(bed: Bed) -> Sequence[Applied]:
        filled = {key: value(bed) if callable(value) else value for key, value in spec.items()}
        manifest = {
            "apiVersion": CILIUM_CLUSTERWIDE_POLICIES.api_version,
            "kind": "CiliumClusterwideNetworkPolicy",
            "metadata": outside_of_namespaces(bed, name),
            "spec": filled,
        }
        return [Applied(CILIUM_CLUSTERWIDE_POLICIES, manifest)]

    return made


def ports(*wanted: tuple[int | str, str], end: int = 0) -> list[dict[str, Any]]:
    """`toPorts` with these ports (numbers or names) and their protocols; `end` makes each a range."""
    listed = [
        {"port": str(port), "protocol": protocol} | ({"endPort": end} if end else {}) for port, protocol in wanted
    ]
    return [{"ports": listed}]


def scenario(
    name: str,
    about: str,
    probes: Callable[[Bed], Iterable[Probe]],
    policies: Callable[[Bed], Sequence[Applied]],
    *official: str,
    more_needs: tuple[Need, ...] = (),
) -> Scenario:
    return Scenario(
        name=f"cilium-policy-{name}",
        about=about,
        category="policy",
        probes=probes,
        policies=policies,
        needs=(needs.cilium_policies, *more_needs),
        official=official,
    )
