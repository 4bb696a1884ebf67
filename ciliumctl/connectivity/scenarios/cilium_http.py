"""Cilium's policies that need its proxy: HTTP rules, names, the API server behind a name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http, outside, tls
from ciliumctl.connectivity.model import DENIED, Bed, Probe, Target
from ciliumctl.connectivity.scenarios._cilium import CLIENT, SERVER, policy, ports, scenario
from ciliumctl.connectivity.scenarios.policies import ask


def _api(bed: Bed) -> Iterator[Probe]:
    target = Target(name="the API server", address=f"kubernetes.default.svc.{bed.world.domain}")
    yield tls("client", target, port=443, path="/version")
    yield from ask(bed, "client", bed.servers(), DENIED)


def paths(bed: Bed) -> Iterator[Probe]:
    """One path that rules let through, and another."""
    for server in bed.servers():
        for family in bed.families:
            yield http("client", server.target(family), path="/hostname")
            yield http("client", server.target(family), path="/clientip", expect=DENIED)


def methods(bed: Bed) -> Iterator[Probe]:
    """One method that rules let through, and another."""
    for server in bed.servers():
        for family in bed.families:
            asked = http("client", server.target(family))
            yield asked
            yield Probe(
                name=f"POST to {server.role}" + (" over IPv6" if family == 6 else ""),
                source="client",
                target=asked.target,
                command=asked.command.replace("curl ", "curl -X POST ", 1),
                expect=DENIED,
            )


DNS_RULE = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}}],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
}


def _only_named(bed: Bed) -> Iterator[Probe]:
    yield outside("client", bed.world.external)
    yield from ask(bed, "client", bed.servers(), DENIED)


def _named(bed: Bed) -> list[dict[str, Any]]:
    return [DNS_RULE, {"toFQDNs": [{"matchName": bed.world.external}]}]


def _http_rule(port: int | str = HTTP, **rule: str) -> list[dict[str, Any]]:
    return [{"fromEndpoints": [CLIENT], "toPorts": [{**ports((port, "TCP"))[0], "rules": {"http": [rule]}}]}]


def _http_out(port: int | str) -> list[dict[str, Any]]:
    rules = {"http": [{"path": "/hostname"}]}
    return [{"toEndpoints": [SERVER], "toPorts": [{**ports((port, "TCP"))[0], "rules": rules}]}]


TO_API_SERVER = scenario(
    "allow-egress-to-api-server",
    "a client that may only ask for names and the API server reaches no pod",
    _api,
    policy("to-api", endpointSelector=CLIENT, egress=[{"toEntities": ["kube-apiserver"]}, DNS_RULE]),
    "pod-to-k8s-on-controlplane-cidr",
    more_needs=(needs.l7,),
)

HTTP_PATH = scenario(
    "http-path",
    "a rule for HTTP lets one path through and refuses the others",
    paths,
    policy("http-path", endpointSelector=SERVER, ingress=_http_rule(path="/hostname")),
    "echo-ingress-l7",
    more_needs=(needs.l7,),
)

HTTP_OUT = scenario(
    "http-path-egress",
    "a rule for outgoing HTTP lets one path through and refuses the others",
    paths,
    policy("http-out", endpointSelector=CLIENT, egress=_http_out(HTTP)),
    "client-egress-l7",
    more_needs=(needs.l7,),
)

HTTP_OUT_NAMED_PORT = scenario(
    "http-path-egress-named-port",
    "a rule for outgoing HTTP finds its port by the name that the pod gives it",
    paths,
    policy("http-out-named", endpointSelector=CLIENT, egress=_http_out("http")),
    "client-egress-l7-named-port",
    more_needs=(needs.l7,),
)

HTTP_NAMED_PORT = scenario(
    "http-path-named-port",
    "a rule for incoming HTTP finds its port by the name that the pod gives it",
    paths,
    policy("http-named", endpointSelector=SERVER, ingress=_http_rule("http", path="/hostname")),
    "echo-ingress-l7-named-port",
    more_needs=(needs.l7,),
)

HTTP_METHOD = scenario(
    "http-method",
    "a rule for HTTP lets GET through and refuses POST",
    methods,
    policy("http-method", endpointSelector=SERVER, ingress=_http_rule(method="GET")),
    "client-egress-l7-method",
    more_needs=(needs.l7,),
)

TO_NAME = scenario(
    "allow-egress-to-name",
    "a client reaches the one name outside that it may, and no pod",
    _only_named,
    policy("to-name", endpointSelector=CLIENT, egress=_named),
    "to-fqdns",
    "dns-only",
    more_needs=(needs.l7, needs.external_name),
)
