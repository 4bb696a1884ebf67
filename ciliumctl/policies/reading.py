"""Policies out of objects: whatever kind they are of, they become `Spec`s.

What each field means is as Cilium 1.20 reads it: pkg/k8s/network_policy.go, pkg/k8s/apis/cilium.io/utils/utils.go and
pkg/policy/utils/parserules.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ciliumctl.clients.kube import Manifest, conditions_of, dig, name_of, namespace_of
from ciliumctl.connectivity.selecting import NAMESPACE, NAMESPACE_LABELS
from ciliumctl.policies import icmp, words
from ciliumctl.policies.model import DIRECTIONS, Clause, Direction, Port, Ref, Rule, Settings, Spec

KUBERNETES = "NetworkPolicy"
CILIUM = "CiliumNetworkPolicy"
CLUSTERWIDE = "CiliumClusterwideNetworkPolicy"
KINDS = (KUBERNETES, CILIUM, CLUSTERWIDE)

#: Fields of a rule whose peers no object tells, without their `from` or `to`.
_UNCLEAR = {
    "Groups": "addresses that a cloud provider tells (Groups)",
    "Requires": "only peers that also have certain labels (Requires, which Cilium 1.20 no longer knows)",
}
_USUAL = Settings()


def ref_of(policy: Manifest) -> Ref:
    """Which policy an object is. A namespaced one without a namespace is in `default`, as kubectl would put it."""
    kind = str(policy.get("kind", ""))
    namespace = "" if kind == CLUSTERWIDE else namespace_of(policy) or "default"
    return Ref(kind=kind, namespace=namespace, name=name_of(policy))


def refusal(policy: Manifest) -> str:
    """Why Cilium does not enforce a policy, in its operator's words; empty when it does or has not said so yet."""
    valid = conditions_of(policy).get("Valid", {})
    return str(valid.get("message") or "it is not valid") if valid.get("status") == "False" else ""


def read(policy: Manifest, settings: Settings = _USUAL) -> tuple[Spec, ...]:
    """The parts of one policy; none for other kinds."""
    if policy.get("kind") == KUBERNETES:
        return (_of_kubernetes(policy),) if settings.kubernetes else ()
    if policy.get("kind") not in KINDS:
        return ()
    found = [("spec", policy.get("spec"))]
    found += [(f"specs[{number}]", spec) for number, spec in enumerate(_list(policy, "specs"))]
    return tuple(_of_cilium(policy, path, spec, settings) for path, spec in found if isinstance(spec, Mapping))


def _list(value: Any, key: str) -> list[Any]:
    return dig(value, key, default=[])


# Kubernetes


def _of_kubernetes(policy: Manifest) -> Spec:
    ref = ref_of(policy)
    spec: Mapping[str, Any] = dig(policy, "spec", default={})
    types = {str(one).lower() for one in _list(spec, "policyTypes")}
    # Cilium goes by the rules that are there, whatever `policyTypes` says; it makes empty lists isolate.
    wanted: dict[Direction, bool] = {
        "ingress": bool(spec.get("ingress")) or "ingress" in types or "egress" not in types,
        "egress": bool(spec.get("egress")) or "egress" in types,
    }
    return Spec(
        policy=ref,
        path="spec",
        selector=dig(spec, "podSelector", default={}),
        isolates=frozenset(direction for direction, yes in wanted.items() if yes),
        rules=tuple(
            _kubernetes_rule(rule, f"{direction}[{number}]", direction, ref.namespace)
            for direction in DIRECTIONS
            for number, rule in enumerate(_list(spec, direction))
        ),
    )


def _kubernetes_rule(rule: Any, path: str, direction: Direction, namespace: str) -> Rule:
    word = "from" if direction == "ingress" else "to"
    peers, ports = _list(rule, word), _list(rule, "ports")
    return Rule(
        path=path,
        direction=direction,
        peers=tuple(_kubernetes_peer(peer, f"{path}.{word}[{number}]", namespace) for number, peer in enumerate(peers))
        if peers
        else None,
        ports=tuple(_kubernetes_port(port, f"{path}.ports[{number}]") for number, port in enumerate(ports))
        if ports
        else None,
    )


def _kubernetes_peer(peer: Any, path: str, namespace: str) -> Clause:
    block: Mapping[str, Any] = dig(peer, "ipBlock", default={})
    if block:
        return _range(path, str(block.get("cidr", "")), _list(block, "except"))
    pods: Mapping[str, Any] = dig(peer, "podSelector", default={})
    namespaces: Mapping[str, Any] | None = dig(peer, "namespaceSelector")
    if namespaces is None:
        return Clause(path=path, said=words.pods(pods, namespace), kind="pods", what=pods, namespace=namespace)
    labels: Mapping[str, str] = dig(namespaces, "matchLabels", default={})
    both = {
        "matchLabels": {
            **dig(pods, "matchLabels", default={}),
            **{NAMESPACE_LABELS + key: value for key, value in labels.items()},
        },
        "matchExpressions": [
            *_list(pods, "matchExpressions"),
            *({**one, "key": NAMESPACE_LABELS + one.get("key", "")} for one in _list(namespaces, "matchExpressions")),
        ],
    }
    return Clause(path=path, said=words.pods(pods, namespaces=namespaces), kind="pods", what=_named(both))


def _named(selector: Mapping[str, Any]) -> dict[str, Any]:
    """The selector, for pods of any namespace only: what has no namespace is no pod."""
    exists = {"key": NAMESPACE, "operator": "Exists"}
    return {**selector, "matchExpressions": [*_list(selector, "matchExpressions"), exists]}


def _kubernetes_port(port: Any, path: str) -> Port:
    protocol, wanted = str(dig(port, "protocol", default="TCP")), dig(port, "port")
    if wanted is None:
        return Port(path=path, protocol=protocol)
    if isinstance(wanted, str) and not wanted.isdigit():
        return Port(path=path, protocol=protocol, name=wanted)
    first = int(wanted)
    return Port(path=path, protocol=protocol, first=first, last=dig(port, "endPort", default=first))


def _range(path: str, cidr: str, excepted: Iterable[Any] = ()) -> Clause:
    kept = [str(one) for one in excepted]
    return Clause(path=path, said=words.block(cidr, kept), kind="range", what={"cidr": cidr, "except": kept})


# Cilium


def _of_cilium(policy: Manifest, path: str, spec: Mapping[str, Any], settings: Settings) -> Spec:
    ref = ref_of(policy)
    start = "" if path == "spec" else f"{path}."
    rules = [
        _cilium_rule(rule, f"{start}{section}[{number}]", direction, ref.namespace, deny=deny)
        for direction in DIRECTIONS
        for section, deny in ((direction, False), (f"{direction}Deny", True))
        for number, rule in enumerate(_list(spec, section))
    ]
    explicit: Mapping[str, Any] = dig(spec, "enableDefaultDeny", default={}) if settings.default_deny_choice else {}
    on_nodes = "endpointSelector" not in spec
    return Spec(
        policy=ref,
        path=path,
        selector=dig(spec, "nodeSelector" if on_nodes else "endpointSelector", default={}),
        on_nodes=on_nodes,
        isolates=frozenset(rule.direction for rule in rules if explicit.get(rule.direction) is not False),
        rules=tuple(rules),
    )


def _cilium_rule(rule: Any, path: str, direction: Direction, namespace: str, *, deny: bool) -> Rule:
    word = "from" if direction == "ingress" else "to"
    # A key with nothing behind it is nil to Cilium, as if it were not there; an empty list is nobody.
    fields = {
        key: value
        for key, value in (rule or {}).items()
        if key.startswith(word) and key != "toPorts" and value is not None
    }
    ports = None
    if _list(rule, "toPorts") or _list(rule, "icmps"):
        ports = (*_ports(rule, path), *_icmps(rule, path))
    peers: tuple[Clause, ...] | None = tuple(
        clause
        for key, value in fields.items()
        for number, one in enumerate(value)
        for clause in _clauses(key.removeprefix(word), one, f"{path}.{key}[{number}]", namespace)
    )
    if not fields and ports is not None:
        peers = None
    mode = dig(rule, "authentication", "mode", default="")
    return Rule(
        path=path,
        direction=direction,
        deny=deny,
        peers=peers,
        ports=ports,
        above=f"mutual authentication ({mode})" if mode not in {"", "disabled"} else "",
    )


def _clauses(field: str, one: Any, path: str, namespace: str) -> Iterator[Clause]:
    """What one entry of a `from…` or `to…` list means."""
    match field:
        case "Endpoints":
            yield _endpoints(one or {}, path, namespace)
        case "Nodes":
            yield Clause(path=path, said=words.nodes(one or {}), kind="nodes", what=one or {})
        case "Entities":
            yield Clause(path=path, said=words.entity(str(one)), kind="entity", what={"entity": str(one)})
        case "CIDR":
            yield _range(path, str(one))
        case "CIDRSet":
            yield from _range_set(one or {}, path)
        case "FQDNs":
            yield Clause(path=path, said=words.name(one or {}), kind="name", what=one or {})
        case "Services":
            yield Clause(path=path, said=words.service(one or {}), kind="service", what=one or {})
        case _:
            said = _UNCLEAR.get(field, f"what `{path}` means, which this program does not know")
            yield Clause(path=path, said=said, kind="unclear", what={})


def _endpoints(selector: Mapping[str, Any], path: str, namespace: str) -> Clause:
    """A selector of pods: of the policy's own namespace, unless it says which; a clusterwide one of any."""
    keys = [
        *dig(selector, "matchLabels", default={}),
        *(one.get("key", "") for one in _list(selector, "matchExpressions")),
    ]
    plain = [key.partition(":")[2] if key.startswith(("k8s:", "any:")) else key.removeprefix("k8s.") for key in keys]
    reserved = any(key.startswith(("reserved:", "reserved.")) for key in keys)
    own = any(key == NAMESPACE or key.startswith(NAMESPACE_LABELS) for key in plain)
    if reserved or (own and namespace):
        return Clause(path=path, said=words.pods(selector), kind="pods", what=selector)
    if namespace:
        return Clause(path=path, said=words.pods(selector, namespace), kind="pods", what=selector, namespace=namespace)
    what = selector if NAMESPACE in plain else _named(selector)
    return Clause(path=path, said=words.pods(selector), kind="pods", what=what)


def _range_set(entry: Mapping[str, Any], path: str) -> Iterator[Clause]:
    excepted = [str(one) for one in _list(entry, "except")]
    if "cidr" in entry:
        yield _range(path, str(entry["cidr"]), excepted)
    elif "cidrGroupRef" in entry:
        said = f"the CIDR group `{entry['cidrGroupRef']}`"
        yield Clause(path=path, said=said, kind="range", what={"group": entry["cidrGroupRef"], "except": excepted})
    elif "cidrGroupSelector" in entry:
        said = f"CIDR groups with {words.selector(entry['cidrGroupSelector'] or {})}"
        yield Clause(
            path=path, said=said, kind="range", what={"groups": entry["cidrGroupSelector"], "except": excepted}
        )


def _ports(rule: Any, path: str) -> Iterator[Port]:
    for number, entry in enumerate(_list(rule, "toPorts")):
        above = words.above(entry)
        # An entry without ports is not one for all of them: it allows nothing.
        for index, port in enumerate(_list(entry, "ports")):
            yield _port(port, f"{path}.toPorts[{number}].ports[{index}]", above)


def _port(port: Any, path: str, above: str) -> Port:
    wanted, protocol = str(dig(port, "port") or "0"), str(dig(port, "protocol", default="ANY")).upper()
    if not wanted.isdigit():
        return Port(path=path, protocol=protocol, name=wanted.lower(), above=above)
    first = int(wanted)
    if not first:
        return Port(path=path, protocol=protocol, above=above)
    last = max(first, dig(port, "endPort", default=0))
    return Port(path=path, protocol=protocol, first=first, last=last, above=above)


def _icmps(rule: Any, path: str) -> Iterator[Port]:
    for number, entry in enumerate(_list(rule, "icmps")):
        for index, field in enumerate(_list(entry, "fields")):
            family = str(dig(field, "family", default="IPv4"))
            wanted = dig(field, "type")
            kind = int(wanted) if str(wanted).isdigit() else icmp.TYPES.get(family, {}).get(str(wanted), -1)
            where = f"{path}.icmps[{number}].fields[{index}]"
            yield Port(path=where, protocol="ICMPv6" if family == "IPv6" else "ICMP", first=kind, last=kind)
