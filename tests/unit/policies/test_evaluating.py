"""What policies say to a connection. The cases are what the documentation of Kubernetes and Cilium says of each field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliumctl.policies import passage, verdict
from ciliumctl.policies.matching import like
from ciliumctl.policies.model import Protocol, Service, Settings
from tests.unit.policies.world import CLIENT, HERE, OUTSIDE, PARTIES, WEB, manifest, state

_DENY = "{np: {podSelector: {}, policyTypes: [Ingress, Egress]}}"

# Policies; from whom to whom; the port and the answers: out of the source, into the destination.
_KUBERNETES: dict[str, tuple[str, str, str, int | None, str]] = {
    "nothing is isolated without a policy": ("{}", "client", "web", 80, "allowed allowed"),
    "an empty list of types isolates for ingress": ("{np: {podSelector: {}}}", "client", "web", 80, "allowed denied"),
    "an isolated source denies": (_DENY, "client", "example.com", 80, "denied allowed"),
    "an isolated destination denies": (_DENY, "thief", "web", 80, "allowed denied"),
    "a pod reaches itself": (_DENY, "web", "web", 80, "allowed allowed"),
    "its own node reaches a pod": (_DENY, "here", "web", 80, "allowed allowed"),
    "another node does not": (_DENY, "there", "web", 80, "allowed denied"),
    "an empty rule allows everybody": (
        "{np: {podSelector: {}, ingress: [{}]}}",
        "outside",
        "web",
        80,
        "allowed allowed",
    ),
    "no rule in a list allows nobody": ("{np: {podSelector: {}, ingress: []}}", "outside", "web", 80, "allowed denied"),
    "a selector of pods means the policy's namespace": (
        "{np: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}}",
        "thief",
        "web",
        80,
        "allowed denied",
    ),
    "and its pods are let in": (
        "{np: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}}",
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "a selector of namespaces means all of their pods": (
        "{np: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}}",
        "thief",
        "web",
        80,
        "allowed allowed",
    ),
    "both selectors in one entry must fit": (
        (
            "{np: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}},"
            " podSelector: {matchLabels: {app: web}}}]}]}}"
        ),
        "thief",
        "web",
        80,
        "allowed denied",
    ),
    "of two entries one is enough": (
        (
            "{np: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}},"
            " {podSelector: {matchLabels: {app: web}}}]}]}}"
        ),
        "thief",
        "web",
        80,
        "allowed allowed",
    ),
    "an empty selector of namespaces means pods only": (
        "{np: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}}",
        "outside",
        "web",
        80,
        "allowed denied",
    ),
    "a port is TCP": (
        "{np: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}",
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "another port is closed": (
        "{np: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}",
        "client",
        "web",
        81,
        "allowed denied",
    ),
    "the end of a range belongs to it": (
        "{np: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}]}]}}",
        "client",
        "web",
        90,
        "allowed allowed",
    ),
    "a named port is the pod's": (
        "{np: {podSelector: {}, ingress: [{ports: [{port: http}]}]}}",
        "client",
        "web",
        8080,
        "allowed allowed",
    ),
    "without a port the answer depends on it": (
        "{np: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}",
        "client",
        "web",
        None,
        "allowed unknown",
    ),
    "a range of addresses means the outside": (
        "{np: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.64/26]}}]}]}}",
        "outside",
        "web",
        80,
        "allowed allowed",
    ),
    "but for its exceptions": (
        "{np: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.64/26]}}]}]}}",
        "neighbour",
        "web",
        80,
        "allowed denied",
    ),
    "a range never means pods": (
        "{np: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "a range never means nodes": (
        "{np: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}",
        "there",
        "web",
        80,
        "allowed denied",
    ),
    "policies add up": (
        _DENY + "\n---\n{np: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}}",
        "client",
        "web",
        80,
        "denied allowed",
    ),
}

_CILIUM: dict[str, tuple[str, str, str, int | None, str]] = {
    "an empty rule isolates and allows nobody": (
        "{cnp: {endpointSelector: {}, ingress: [{}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "an empty list does nothing": (
        "{cnp: {endpointSelector: {}, ingress: []}}",
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "an empty list of peers allows nobody": (
        "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "a key of peers without a value is not there": (
        "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints: , toPorts: [{ports: [{port: '80'}]}]}]}}",
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "an empty selector means the policy's namespace": (
        "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}}",
        "thief",
        "web",
        80,
        "allowed denied",
    ),
    "an empty selector of a clusterwide policy means every pod": (
        "{ccnp: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}}",
        "thief",
        "web",
        80,
        "allowed allowed",
    ),
    "and nothing outside": (
        "{ccnp: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}}",
        "outside",
        "web",
        80,
        "allowed denied",
    ),
    "a label for the namespace opens another one": (
        (
            "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints:"
            " [{matchLabels: {'k8s:io.kubernetes.pod.namespace': bank}}]}]}}"
        ),
        "thief",
        "web",
        80,
        "allowed allowed",
    ),
    "so does a label of the namespace": (
        (
            "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints:"
            " [{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': b}}]}]}}"
        ),
        "thief",
        "web",
        80,
        "allowed allowed",
    ),
    "a service account is a label": (
        (
            "{cnp: {endpointSelector: {}, ingress: [{fromEndpoints:"
            " [{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}]}]}}"
        ),
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "a port alone opens it for everybody": (
        "{cnp: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}",
        "outside",
        "web",
        80,
        "allowed allowed",
    ),
    "an entry without ports opens none": (
        "{cnp: {endpointSelector: {}, ingress: [{toPorts: [{}]}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "port 0 is every port": (
        "{cnp: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '0', protocol: TCP}]}]}]}}",
        "client",
        "web",
        7,
        "allowed allowed",
    ),
    "deny wins over allow": (
        "{cnp: {endpointSelector: {}, ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{}]}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "deny of one port leaves the others": (
        (
            "{cnp: {endpointSelector: {}, ingress: [{fromEntities: [all]}],"
            " ingressDeny: [{toPorts: [{ports: [{port: '22', protocol: TCP}]}]}]}}"
        ),
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "a deny rule isolates, too": (
        "{cnp: {endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}}",
        "client",
        "web",
        80,
        "allowed denied",
    ),
    "unless it is told not to": (
        "{cnp: {endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]}}",
        "client",
        "web",
        80,
        "allowed allowed",
    ),
    "and denies what it says": (
        "{cnp: {endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]}}",
        "outside",
        "web",
        80,
        "allowed denied",
    ),
    "a rule may deny a pod's own node": (
        "{cnp: {endpointSelector: {}, ingressDeny: [{fromEntities: [host]}]}}",
        "here",
        "web",
        80,
        "allowed denied",
    ),
    "the world is what is outside": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [world]}]}}",
        "client",
        "outside",
        80,
        "allowed allowed",
    ),
    "the world is no pod": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [world]}]}}",
        "client",
        "web",
        80,
        "denied allowed",
    ),
    "the cluster is pods and nodes": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [cluster]}]}}",
        "client",
        "there",
        80,
        "allowed allowed",
    ),
    "the host is the pod's own node": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [host]}]}}",
        "client",
        "there",
        80,
        "denied allowed",
    ),
    "other nodes are remote": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [remote-node]}]}}",
        "client",
        "there",
        80,
        "allowed allowed",
    ),
    "the API server may be outside": (
        "{cnp: {endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}}",
        "client",
        "api",
        6443,
        "allowed allowed",
    ),
    "a range is for what is outside": (
        "{cnp: {endpointSelector: {}, egress: [{toCIDR: [198.51.100.0/24]}]}}",
        "client",
        "outside",
        80,
        "allowed allowed",
    ),
    "exceptions are taken out of it": (
        "{cnp: {endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 198.51.100.0/24, except: [198.51.100.64/26]}]}]}}",
        "client",
        "neighbour",
        80,
        "denied allowed",
    ),
    "a name is matched": (
        "{cnp: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: example.com}]}]}}",
        "client",
        "example.com",
        443,
        "allowed allowed",
    ),
    "another name is not": (
        "{cnp: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: example.com}]}]}}",
        "client",
        "www.example.com",
        443,
        "denied allowed",
    ),
    "whose an address is nobody knows": (
        "{cnp: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: example.com}]}]}}",
        "client",
        "outside",
        443,
        "unknown allowed",
    ),
    "a name never means a pod": (
        "{cnp: {endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: '*'}]}]}}",
        "client",
        "web",
        443,
        "denied allowed",
    ),
    "several specs are several policies": (
        (
            "{cnp: [{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{}]}]},"
            " {endpointSelector: {matchLabels: {app: client}}, egress: [{}]}]}"
        ),
        "client",
        "web",
        80,
        "denied allowed",
    ),
    "groups of a cloud are not known": (
        "{cnp: {endpointSelector: {}, egress: [{toGroups: [{aws: {region: x}}]}]}}",
        "client",
        "outside",
        80,
        "unknown allowed",
    ),
}


@pytest.mark.parametrize("case", [*_KUBERNETES.values(), *_CILIUM.values()], ids=[*_KUBERNETES, *_CILIUM])
def test_policies_mean_what_their_documentation_says(case: tuple[str, str, str, int | None, str]) -> None:
    policies, source, destination, port, wanted = case
    found = passage(state(policies if policies != "{}" else ""), PARTIES[source], PARTIES[destination], port=port)
    assert f"{found.egress.answer} {found.ingress.answer}" == wanted, (found.egress.why, found.ingress.why)


@pytest.mark.parametrize(
    ("protocol", "port", "answer"),
    [("ICMP", 8, "allowed"), ("ICMP", 0, "denied"), ("ICMPv6", 8, "denied"), ("TCP", 8, "denied")],
)
def test_icmp_rules_mean_messages(protocol: Protocol, port: int, answer: str) -> None:
    known = state("{cnp: {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: EchoRequest}]}]}]}}")
    assert verdict(known, CLIENT, WEB, port=port, protocol=protocol, direction="ingress").answer == answer


def test_a_rule_with_ports_lets_no_ping_through_and_one_without_does() -> None:
    ports = state("{np: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}")
    assert verdict(ports, CLIENT, WEB, port=8, protocol="ICMP", direction="ingress").answer == "denied"
    every = state("{np: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}")
    assert verdict(every, CLIENT, WEB, port=8, protocol="ICMP", direction="ingress").answer == "allowed"


@pytest.mark.parametrize(
    ("settings", "source", "answer"),
    [
        (Settings(mode="never"), "thief", "allowed"),
        (Settings(audit=True), "thief", "audited"),
        (Settings(local_host=False), "here", "denied"),
        (Settings(kubernetes=False), "thief", "allowed"),
    ],
)
def test_the_agents_settings_change_the_answer(settings: Settings, source: str, answer: str) -> None:
    assert verdict(state(_DENY, settings), PARTIES[source], WEB, port=80, direction="ingress").answer == answer


def test_a_pod_that_no_policy_selects_is_isolated_where_the_agents_always_enforce() -> None:
    found = verdict(state("", Settings(mode="always")), CLIENT, WEB, port=80, direction="ingress")
    assert (found.answer, found.rules) == ("denied", ())
    assert "`enable-policy` is `always`" in found.why


def test_an_endpoint_in_audit_mode_lets_through_what_it_would_deny() -> None:
    known = replace(state(_DENY), audited=frozenset([("shop", "web")]))
    found = verdict(known, CLIENT, WEB, port=80, direction="ingress")
    assert (found.answer, found.ok) == ("audited", True)
    assert found.rules[0].effect == "isolates"


def test_ranges_mean_nodes_where_cilium_is_told_so() -> None:
    policy = "{cnp: {endpointSelector: {}, egress: [{toCIDR: [192.0.2.0/24]}]}}"
    nodes = Settings(ranges_mean_nodes=True)
    assert verdict(state(policy), CLIENT, HERE, port=22, direction="egress").answer == "denied"
    assert verdict(state(policy, nodes), CLIENT, HERE, port=22, direction="egress").answer == "allowed"


def test_nodes_are_chosen_by_their_labels_where_that_is_on_and_never_the_own_one() -> None:
    policy = "{cnp: {endpointSelector: {}, egress: [{toNodes: [{matchLabels: {zone: b}}]}]}}"
    on = Settings(node_labels=True)
    assert verdict(state(policy), CLIENT, PARTIES["there"], port=22, direction="egress").answer == "denied"
    assert verdict(state(policy, on), CLIENT, PARTIES["there"], port=22, direction="egress").answer == "allowed"
    assert verdict(state(policy, on), CLIENT, HERE, port=22, direction="egress").answer == "denied"


def test_nodes_have_policies_with_the_host_firewall_only() -> None:
    policy = "{ccnp: {nodeSelector: {}, ingress: [{fromEntities: [cluster]}]}}"
    assert verdict(state(policy), OUTSIDE, HERE, port=22, direction="ingress").answer == "allowed"
    walled = state(policy, Settings(host_firewall=True))
    assert verdict(walled, OUTSIDE, HERE, port=22, direction="ingress").answer == "denied"
    assert verdict(walled, CLIENT, HERE, port=22, direction="ingress").answer == "allowed"


@pytest.mark.parametrize(
    ("clause", "answer"),
    [
        ("{cidrGroupRef: friends}", "allowed"),
        ("{cidrGroupRef: nobody}", "denied"),
        ("{cidrGroupSelector: {matchLabels: {kind: good}}}", "allowed"),
        ("{cidrGroupRef: friends, except: [198.51.100.7/32]}", "denied"),
    ],
)
def test_groups_of_ranges_are_looked_up(clause: str, answer: str) -> None:
    groups: Any = {"friends": ({"kind": "good"}, ("198.51.100.0/24",))}
    known = state(f"{{cnp: {{endpointSelector: {{}}, egress: [{{toCIDRSet: [{clause}]}}]}}}}", groups=groups)
    assert verdict(known, CLIENT, OUTSIDE, port=80, direction="egress").answer == answer


@pytest.mark.parametrize(
    ("service", "destination", "answer"),
    [
        (Service(namespace="shop", name="web", labels={}, selector={"app": "web"}), "web", "allowed"),
        (Service(namespace="bank", name="web", labels={}, selector={"app": "web"}), "web", "denied"),
        (Service(namespace="shop", name="web", labels={}, addresses=("198.51.100.7",)), "outside", "allowed"),
        (Service(namespace="shop", name="web", labels={}, addresses=("10.0.0.1",)), "web", "denied"),
    ],
)
def test_services_are_whom_they_select_or_their_addresses(service: Service, destination: str, answer: str) -> None:
    known = state(
        "{cnp: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: web}}]}]}}", services=(service,)
    )
    assert verdict(known, CLIENT, PARTIES[destination], port=80, direction="egress").answer == answer


def test_rules_above_the_connection_are_told_where_nothing_else_lets_it_through() -> None:
    rule = "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]"
    found = verdict(
        state(f"{{cnp: {{endpointSelector: {{}}, ingress: [{{{rule}}}]}}}}"), CLIENT, WEB, port=80, direction="ingress"
    )
    assert found.answer == "allowed"
    assert found.limits == ("the connection is let through, and HTTP rules decide on what is said in it",)
    both = state(f"{{cnp: {{endpointSelector: {{}}, ingress: [{{{rule}}}, {{fromEndpoints: [{{}}]}}]}}}}")
    assert verdict(both, CLIENT, WEB, port=80, direction="ingress").limits == ()


def test_the_deciding_rule_has_its_place_and_its_words() -> None:
    known = state(
        "{cnp: {endpointSelector: {}, ingress: [{fromEntities: [world]},"
        " {fromEndpoints: [{matchLabels: {app: web}}, {matchLabels: {app: client}}],"
        " toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}"
    )
    found = verdict(known, CLIENT, WEB, port=80, direction="ingress")
    assert found.why == (
        "CiliumNetworkPolicy shop/cnp, ingress[1].fromEndpoints[1] (pods of namespace shop with app=client, TCP/80)"
        " allows it"
    )


def test_a_deny_rule_that_may_fit_leaves_the_answer_open() -> None:
    known = state("{cnp: {endpointSelector: {}, egress: [{toEntities: [all]}], egressDeny: [{toGroups: [{aws: {}}]}]}}")
    assert verdict(known, CLIENT, OUTSIDE, port=80, direction="egress").answer == "unknown"


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("*.cilium.io", ["www.cilium.io", "WWW.cilium.io."], ["cilium.io", "a.b.cilium.io"]),
        ("*cilium.io", ["cilium.io", "sub-cilium.io"], ["www.cilium.io"]),
        ("sub*.cilium.io", ["sub.cilium.io", "subdomain.cilium.io"], ["www.cilium.io"]),
        ("**.cilium.io", ["app.cilium.io", "test.app.cilium.io"], ["cilium.io"]),
        ("*", ["cilium.io", "a.b.c"], []),
    ],
)
def test_patterns_of_names_are_ciliums(pattern: str, fits: list[str], misses: list[str]) -> None:
    assert [like(name, pattern) for name in fits] == [True] * len(fits)
    assert [like(name, pattern) for name in misses] == [False] * len(misses)


_RULES = st.sampled_from(
    [
        "{fromEntities: [world]}",
        "{fromEndpoints: [{}]}",
        "{fromEndpoints: [{matchLabels: {app: client}}]}",
        "{fromCIDR: [198.51.100.0/24]}",
        "{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}",
        "{fromEntities: [all], toPorts: [{ports: [{port: '81'}]}]}",
    ]
)
_SOURCES = st.sampled_from([name for name in PARTIES if name not in {"web", "example.com", "www.example.com"}])


def _policy(allow: list[str], deny: list[str]) -> str:
    return f"{{cnp: {{endpointSelector: {{}}, ingress: [{', '.join(allow)}], ingressDeny: [{', '.join(deny)}]}}}}"


@settings(max_examples=30)
@given(st.lists(_RULES, min_size=1, max_size=3), st.lists(_RULES, max_size=2), _RULES, _SOURCES)
def test_more_allow_rules_never_close_and_more_deny_rules_never_open(
    allow: list[str], deny: list[str], more: str, source: str
) -> None:
    def answer(allow: list[str], deny: list[str]) -> str:
        return verdict(state(_policy(allow, deny)), PARTIES[source], WEB, port=80, direction="ingress").answer

    before = answer(allow, deny)
    if before == "allowed":
        assert answer([*allow, more], deny) == "allowed"
    if before == "denied":
        assert answer(allow, [*deny, more]) == "denied"


@settings(max_examples=30)
@given(
    st.permutations([_DENY, _policy(["{fromEndpoints: [{}]}"], []), _policy([], ["{fromEntities: [world]}"])]), _SOURCES
)
def test_the_order_of_policies_does_not_matter(policies: list[str], source: str) -> None:
    def answer(order: list[str]) -> str:
        return verdict(state("\n---\n".join(order)), PARTIES[source], WEB, port=80, direction="ingress").answer

    assert answer(policies) == answer(policies[::-1])


def test_a_policy_of_another_kind_is_none() -> None:
    from ciliumctl.policies import reading

    assert reading.read({**manifest({"cnp": {}}), "kind": "ConfigMap"}) == ()
