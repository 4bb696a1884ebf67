"""Cilium's policies that select by service account, each also over a range of ports.

Cilium gives every pod the label `io.cilium.k8s.policy.serviceaccount`; policies with `endPort` need Cilium 1.16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, OTHER
from ciliumctl.connectivity.model import ANSWERED, DENIED, Bed, Probe, Scenario
from ciliumctl.connectivity.scenarios._cilium import CLIENT, EVERYWHERE, policy, ports, scenario
from ciliumctl.connectivity.scenarios.policies import ask

_LABEL = "io.cilium.k8s.policy.serviceaccount"
_AS_CLIENT = {"matchLabels": {_LABEL: "client"}}
_AS_SERVER = {"matchLabels": {_LABEL: "server"}}


def _only_servers(bed: Bed) -> Iterator[Probe]:
    """The port of the servers is reached, neither their other one nor a pod of another account."""
    yield from ask(bed, "client", bed.servers(), ANSWERED)
    yield from ask(bed, "client", bed.servers(), DENIED, port=OTHER)
    yield from ask(bed, "client", [bed.pod("other")], DENIED)


def _no_server(bed: Bed) -> Iterator[Probe]:
    """The port of the servers is shut to this account; their other one, and other accounts, are not."""
    yield from ask(bed, "client", bed.servers(), DENIED)
    yield from ask(bed, "client", bed.servers(), ANSWERED, port=OTHER)
    yield from ask(bed, "client", [bed.pod("other")], ANSWERED)
    yield from ask(bed, "other", bed.servers(), ANSWERED)


def _one_port() -> list[dict[str, Any]]:
    return ports((HTTP, "TCP"))


def _range() -> list[dict[str, Any]]:
    return ports((HTTP - 10, "TCP"), end=OTHER - 1)


def _pair(name: str, about: str, official: str, *, deny: bool, by: str) -> tuple[Scenario, Scenario]:
    """A scenario and its twin over a range of ports; the account is that of who asks (`source`) or is asked."""
    subject = _AS_CLIENT if by == "source" else CLIENT
    peer = {"matchLabels": {"kind": "server"}} if by == "source" else _AS_SERVER
    made = []
    for ending, listed, over in (("", _one_port(), ""), ("-port-range", _range(), ", over a range of ports")):
        rule = [{"toEndpoints": [peer], "toPorts": listed}]
        spec: dict[str, Any] = {"egress": EVERYWHERE, "egressDeny": rule} if deny else {"egress": rule}
        made.append(
            scenario(
                f"{name}{ending}",
                f"{about}{over}",
                _no_server if deny else _only_servers,
                policy(f"{name}{ending}", endpointSelector=subject, **spec),
                f"{official}{ending}",
                more_needs=(needs.since(1, 16),) if ending else (),
            )
        )
    return made[0], made[1]


FROM_ACCOUNT, FROM_ACCOUNT_RANGE = _pair(
    "allow-egress-of-service-account",
    "a client that is selected by its service account reaches the servers' one port",
    "client-with-service-account-egress-to-echo",
    deny=False,
    by="source",
)
TO_ACCOUNT, TO_ACCOUNT_RANGE = _pair(
    "allow-egress-to-service-account",
    "a client reaches one port of the pods with a service account",
    "client-egress-to-echo-service-account",
    deny=False,
    by="target",
)
DENY_FROM_ACCOUNT, DENY_FROM_ACCOUNT_RANGE = _pair(
    "deny-egress-of-service-account",
    "a deny rule keeps a service account from the servers' one port",
    "client-with-service-account-egress-to-echo-deny",
    deny=True,
    by="source",
)
DENY_TO_ACCOUNT, DENY_TO_ACCOUNT_RANGE = _pair(
    "deny-egress-to-service-account",
    "a deny rule shuts one port of the pods with a service account",
    "client-egress-to-echo-service-account-deny",
    deny=True,
    by="target",
)
