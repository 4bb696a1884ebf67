"""Cilium's host firewall: policies for the nodes themselves, which must never lock anybody out.

They are safe by construction, and stay so when a run is killed half-way: each allows every entity (`all`: whatever the
identity, protocol and port), so that nothing is denied by default, and denies one pod of the test bed one port. That
port is one that only the test bed listens on (38080 on the nodes) or that of a test pod (8090). Nothing else on any
node can be hit by it, and when the test's namespace is gone, the rule selects nothing. `cleanup` knows its label.

They hold for all nodes. One node cannot be named: Cilium's filter keeps labels that begin with `kubernetes.io/` from
the host's endpoint (`pkg/labelsfilter/filter.go`, `Endpoint.InitWithNodeLabels` of cilium/cilium), and a
`nodeSelector` with `kubernetes.io/hostname` silently selects nothing. The official tests select all nodes, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_HTTP
from ciliumctl.connectivity.commands import HTTP, OTHER, http, ping
from ciliumctl.connectivity.model import ANSWERED, DENIED, Bed, Probe, Scenario, Target
from ciliumctl.connectivity.scenarios._cilium import EVERYBODY, EVERYWHERE, clusterwide, of_lane, ports


def _in(bed: Bed) -> Iterator[Probe]:
    """From pods of the node itself: where pods are masqueraded, the other node does not see who they are."""
    here = bed.pod("client").node
    for host in (pod for pod in bed.group("host") if pod.node == here):
        for family in sorted(set(bed.families) & host.addresses.keys()):
            target = host.target(family, "a port of its own host")
            yield http("client", target, port=HOST_HTTP, expect=DENIED)
            yield http("other", target, port=HOST_HTTP)
            yield ping("client", Target(name="its own host", address=target.address, node=here))


def _out(bed: Bed) -> Iterator[Probe]:
    host, far = bed.pod("host-1"), bed.pod("far")
    for family in sorted(set(bed.families) & host.addresses.keys()):
        yield http(host.role, far.target(family), port=OTHER, expect=DENIED)
        yield http(host.role, far.target(family), port=HTTP, expect=ANSWERED)


_NEEDS = (
    needs.switched_on("enable-host-firewall", "Cilium's host firewall is off"),
    needs.clusterwide_policies,
    needs.privileged,
)

INGRESS = Scenario(
    name="cilium-host-firewall-ingress",
    about="a policy for nodes keeps one pod from one port of its node, and nobody else from anything",
    category="policy",
    probes=_in,
    policies=clusterwide(
        "host-ingress",
        nodeSelector={},
        ingress=EVERYBODY,
        ingressDeny=lambda bed: [
            {"fromEndpoints": [of_lane(bed, "client")], "toPorts": ports((HOST_HTTP, "TCP"))},
        ],
    ),
    needs=_NEEDS,
    groups=("hosts",),
    official=("host-firewall-ingress",),
)
EGRESS = Scenario(
    name="cilium-host-firewall-egress",
    about="a policy for nodes keeps them from one port of one pod, and from nothing else",
    category="policy",
    probes=_out,
    policies=clusterwide(
        "host-egress",
        nodeSelector={},
        egress=EVERYWHERE,
        egressDeny=lambda bed: [{"toEndpoints": [of_lane(bed, "far")], "toPorts": ports((OTHER, "TCP"))}],
    ),
    needs=(*_NEEDS, needs.two_nodes),
    groups=("hosts",),
    official=("host-firewall-egress",),
)
