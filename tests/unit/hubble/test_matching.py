"""Each filter on flows at hand: one flow that fits, and one that does not, as Hubble's server would have it."""

from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.hubble import filters, matching
from ciliumctl.hubble.filters import Filter
from ciliumctl.hubble.flow import Flow, read
from tests.world import flows

HTTP = {"code": 503, "method": "GET", "url": "http://web.shop/page/7?x=1", "headers": [{"key": "X-A", "value": "b"}]}
WEB: dict[str, Any] = flows.flow(
    1,
    IP={
        "source": "10.0.0.1",
        "destination": "10.0.1.1",
        "source_xlated": "192.0.2.9",
        "ipVersion": "IPv4",
        "encrypted": True,
    },
    source_names=["a.example.com"],
    destination_names=["b.example.org."],
    source_service={"name": "front", "namespace": "shop"},
    destination_service={"name": "store", "namespace": "data"},
    l7={"type": "REQUEST", "http": HTTP},
    node_name="east/one",
    node_labels=["zone=a", "topology.kubernetes.io/region=r"],
    trace_context={"parent": {"trace_id": "abc"}},
    ip_trace_id={"trace_id": "77", "ip_option_id": 136},
    interface={"index": 2, "name": "eth0"},
    uuid="u-1",
) | {
    "source": flows.end("shop/web-1") | {"cluster_name": "east"},
    "destination": flows.end("data/db-1", identity=4712) | {"cluster_name": "west"},
}
OTHER: dict[str, Any] = flows.dropped(
    2,
    source="other/job-1",
    destination="other/sink-1",
    protocol="UDP",
    port=53,
    node="two",
    IP={"source": "fd00::1", "destination": "fd00::2", "ipVersion": "IPv6"},
    l4={"UDP": {"source_port": 1000, "destination_port": 53}},
) | {"source": flows.end("other/job-1", identity=9), "destination": flows.end("other/sink-1", identity=10)}

#: What fits the first flow, and not the second.
FITS = [
    ("pod", "shop/we"),
    ("pod", "data/db"),
    ("from-pod", "shop/web-1"),
    ("to-pod", "data/db"),
    ("service", "data/st"),
    ("from-service", "shop/fr"),
    ("to-service", "data/store"),
    ("workload", "Deployment/web"),
    ("from-workload", "web"),
    ("to-workload", "deployment/db"),
    ("label", "app=web"),
    ("from-label", "k8s:app in (web, front)"),
    ("to-label", "app!=sink,k8s:app"),
    ("ip", "10.0.1.0/24"),
    ("from-ip", "10.0.0.1"),
    ("to-ip", "10.0.1.1"),
    ("fqdn", "*.example.com"),
    ("from-fqdn", "a.example.com"),
    ("to-fqdn", "*.example.org"),
    ("identity", "4711"),
    ("from-identity", "4711"),
    ("to-identity", "4712"),
    ("port", "5432"),
    ("from-port", "40000"),
    ("to-port", "5432"),
    ("namespace", "data"),
    ("from-namespace", "shop"),
    ("to-namespace", "data"),
    ("uuid", "u-1"),
    ("node-name", "east/o*"),
    ("node-name", "one"),
    ("node-label", "zone=a"),
    ("cluster", "ea*"),
    ("from-cluster", "east"),
    ("to-cluster", "west"),
    ("protocol", "tcp"),
    ("protocol", "HTTP"),
    ("tcp-flags", "syn"),
    ("type", "trace:to-stack"),
    ("type", "4"),
    ("verdict", "forwarded"),
    ("http-status", "5+"),
    ("http-status", "503"),
    ("http-method", "get"),
    ("http-path", "^/page/\\d$"),
    ("http-url", "shop/page"),
    ("http-header", "x-a:b"),
    ("trace-id", "abc"),
    ("ip-trace-id", "77"),
    ("snat-ip", "192.0.2.0/24"),
    ("ipv4", "v4"),
    ("ip-version", "4"),
    ("traffic-direction", "EGRESS"),
    ("interface", "eth0"),
    ("encrypted", "true"),
]
#: What fits the second, and not the first.
FITS_NOT = [("ipv6", "v6"), ("drop-reason-desc", "POLICY_DENIED"), ("unencrypted", "true"), ("identity", "world-ipv4")]
#: What fits both.
ANYWHERE = ["all-namespaces", "from-all-namespaces", "to-all-namespaces"]


def flow(raw: dict[str, Any]) -> Flow:
    found = read(flows.lines(raw))
    assert isinstance(found, Flow)
    return found


def passes(name: str, value: str, raw: dict[str, Any], *, negated: bool = False) -> bool:
    return matching.predicate(filters.read([Filter(name=name, value=value, negated=negated)]))(flow(raw))


@pytest.mark.parametrize(("name", "value"), FITS)
def test_a_filter_lets_through_what_fits_and_nothing_else(name: str, value: str) -> None:
    assert passes(name, value, WEB)
    assert not passes(name, value, OTHER)
    assert not passes(name, value, WEB, negated=True)
    assert passes(name, value, OTHER, negated=True)


@pytest.mark.parametrize(("name", "value"), FITS_NOT)
def test_a_filter_keeps_back_what_does_not_fit(name: str, value: str) -> None:
    assert passes(name, value, OTHER)
    assert not passes(name, value, WEB)


def test_every_filter_is_tried_here_and_the_one_that_only_agents_can_apply_is_refused() -> None:
    for name in ANYWHERE:
        assert passes(name, "true", WEB)
        assert passes(name, "true", OTHER)
    assert {name for name, _value in (*FITS, *FITS_NOT)} | {*ANYWHERE, "cel-expression"} == filters.NAMES
    with pytest.raises(UsageError, match="cannot be applied to a file"):
        passes("cel-expression", "true", WEB)


def test_values_of_one_are_alternatives_and_filters_must_all_hold() -> None:
    def both(*given: tuple[str, str]) -> bool:
        return matching.predicate(filters.read([Filter(name=name, value=value) for name, value in given]))(flow(WEB))

    assert both(("port", "53"), ("port", "5432"))
    assert not both(("port", "5432"), ("protocol", "udp"))
    # Of either end, all hold for one of them.
    assert both(("pod", "data/db"), ("port", "5432"))
    assert not both(("pod", "data/db"), ("port", "40000"))
