"""CiliumCIDRGroup: addresses outside that policies refer to by name, or by label.

Rules for outgoing traffic may refer to them since 1.17 (the official tests' gate); the kind is `v2` since 1.18, where
`v2alpha1` is deprecated (`pkg/k8s/apis/cilium.io/client/crds/v2/ciliumcidrgroups.yaml` of cilium/cilium).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ciliumctl.clients.kube import Resource
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import outside
from ciliumctl.connectivity.model import ANSWERED, DENIED, Applied, Bed, Probe, Scenario
from ciliumctl.connectivity.scenarios._cilium import CLIENT, EVERYWHERE, outside_of_namespaces, policy
from ciliumctl.connectivity.scenarios.policies import ask

KIND = "CiliumCIDRGroup"
VERSIONS = ("cilium.io/v2", "cilium.io/v2alpha1")


def _group(bed: Bed, name: str, labels: Mapping[str, str]) -> Applied:
    served = next((one for one in VERSIONS if (one, KIND) in bed.world.served), VERSIONS[0])
    address = bed.world.external
    manifest = {
        "apiVersion": served,
        "kind": KIND,
        "metadata": outside_of_namespaces(bed, name, **labels),
        "spec": {"externalCIDRs": [f"{address}/{128 if ':' in address else 32}"]},
    }
    return Applied(Resource("cilium.io", served.rpartition("/")[2], "ciliumcidrgroups", namespaced=False), manifest)


def _denied(
    name: str, labels: Callable[[Bed], Mapping[str, str]], refer: Callable[[Bed], Mapping[str, Any]]
) -> Callable[[Bed], Sequence[Applied]]:
    """A group, and a policy that allows everything but what is in it."""

    def made(bed: Bed) -> Sequence[Applied]:
        rule = [{"toCIDRSet": [dict(refer(bed))]}]
        denying = policy(name, endpointSelector=CLIENT, egress=EVERYWHERE, egressDeny=rule)
        return [_group(bed, name, labels(bed)), *denying(bed)]

    return made


def _probes(bed: Bed) -> Iterator[Probe]:
    yield outside("client", bed.world.external, address=bed.world.external, expect=DENIED)
    yield outside("other", bed.world.external, address=bed.world.external)
    yield from ask(bed, "client", bed.servers(), ANSWERED)


def _mark(bed: Bed) -> Mapping[str, str]:
    """A label that only this lane's group has."""
    return {"ciliumctl.io/lane": bed.namespace}


_NEEDS = (needs.cilium_policies, needs.kind(KIND, *VERSIONS), needs.since(1, 17), needs.external_address)

BY_NAME = Scenario(
    name="cilium-policy-deny-egress-to-cidr-group",
    about="a deny rule keeps a client from the addresses of a group, although it may go everywhere",
    category="policy",
    probes=_probes,
    policies=_denied("group", lambda _bed: {}, lambda bed: {"cidrGroupRef": f"{bed.namespace}-group"}),
    needs=_NEEDS,
    official=("client-egress-to-cidrgroup-deny",),
)
BY_LABEL = Scenario(
    name="cilium-policy-deny-egress-to-cidr-group-by-label",
    about="a deny rule keeps a client from the addresses of all groups with a label, although it may go everywhere",
    category="policy",
    probes=_probes,
    policies=_denied("labelled-group", _mark, lambda bed: {"cidrGroupSelector": {"matchLabels": dict(_mark(bed))}}),
    needs=_NEEDS,
    official=("client-egress-to-cidrgroup-deny-by-label",),
)
