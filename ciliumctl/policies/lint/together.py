"""What is wrong with policies as they stand together: what denies, doubles or misses what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from ciliumctl.policies.lint.documents import Document
from ciliumctl.policies.lint.model import Finding
from ciliumctl.policies.model import Clause, Port, Rule, Spec

_DNS = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A policy's part beside where it is written."""

    document: Document
    spec: Spec

    def finding(self, code: str, message: str, path: str = "", *, severity: Any = "") -> Finding:
        """A finding about a place in it; its whole part without one."""
        return self.document.finding(code, message, path or self.spec.path, severity=severity)


def findings(everything: Sequence[Written]) -> Iterator[Finding]:
    """All of them."""
    yield from _names(everything)
    yield from _doubles(everything)
    for one in everything:
        beside = [other for other in everything if covers(other.spec, one.spec)]
        yield from _open(one)
        yield from _denied(one, beside)
        yield from _without_dns(one, beside)


def covers(wide: Spec, narrow: Spec) -> bool:
    """Whether a policy is for all pods that another is for, as far as selectors tell."""
    if wide.on_nodes != narrow.on_nodes:
        return False
    if wide.policy.namespace and wide.policy.namespace != narrow.policy.namespace:
        return False
    return not _demands(wide.selector) or _demands(wide.selector) <= _demands(narrow.selector)


def _demands(selector: Mapping[str, Any]) -> frozenset[str]:
    """What a selector asks for, piece by piece: the more, the fewer it selects."""
    labels = (selector.get("matchLabels") or {}).items()
    expressions = selector.get("matchExpressions") or ()
    return frozenset([*(f"{key}={value}" for key, value in labels), *(_key(one) for one in expressions)])


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _names(everything: Sequence[Written]) -> Iterator[Finding]:
    seen: dict[str, Document] = {}
    for one in everything:
        name = str(one.spec.policy)
        first = seen.setdefault(name, one.document)
        if first is not one.document and one.spec.path in {"spec", "specs[0]"}:
            where = f" in {first.file}:{first.lines.get((), 0)}" if first.file else ""
            yield one.finding("CP307", f"{name} stands{where} already: the later one replaces it", "metadata")


def _doubles(everything: Sequence[Written]) -> Iterator[Finding]:
    seen: dict[str, Written] = {}
    for one in everything:
        spec = one.spec
        if not spec.rules and not spec.isolates:
            continue
        rules = sorted(_key([_said(rule), rule.direction, rule.deny]) for rule in spec.rules)
        mark = _key(
            [spec.policy.namespace, spec.on_nodes, sorted(_demands(spec.selector)), sorted(spec.isolates), rules]
        )
        first = seen.setdefault(mark, one)
        if first is not one and first.spec.policy != spec.policy:
            yield one.finding("CP303", f"it says the same as {first.spec.policy}")


def _said(rule: Rule) -> Any:
    """What a rule means, without its place."""
    peers = None if rule.peers is None else sorted(_key([one.kind, one.what, one.namespace]) for one in rule.peers)
    ports = None if rule.ports is None else sorted(_key([one.said, one.above]) for one in rule.ports)
    return [peers, ports]


def _open(one: Written) -> Iterator[Finding]:
    # Everything but what deny rules say is one way to write a policy.
    narrowed = {rule.direction for rule in one.spec.rules if rule.deny}
    for rule in one.spec.rules:
        if rule.deny or rule.ports is not None or rule.direction not in one.spec.isolates - narrowed:
            continue
        if rule.peers is None or any(_everybody(clause) for clause in rule.peers):
            way = "from everybody" if rule.direction == "ingress" else "to everybody"
            message = f"the rule allows everything {way}: the policy keeps nobody out for {rule.direction}"
            yield one.finding("CP301", message, rule.path)


def _everybody(clause: Clause) -> bool:
    return clause.kind == "entity" and clause.what["entity"] == "all"


def _denied(one: Written, beside: Sequence[Written]) -> Iterator[Finding]:
    for rule in one.spec.rules:
        if rule.deny or rule.peers == ():
            continue
        for other in beside:
            deny = next((found for found in other.spec.rules if _shadows(found, rule)), None)
            if deny is not None:
                whose = "" if other.spec.policy == one.spec.policy else f" of {other.spec.policy}"
                message = f"`{deny.path}`{whose} denies all of it, and deny always wins"
                yield one.finding("CP302", message, rule.path)
                break


def _shadows(deny: Rule, allow: Rule) -> bool:
    """Whether a deny rule covers an allow rule as a whole."""
    if not deny.deny or deny.direction != allow.direction or deny.peers == ():
        return False
    peers = deny.peers is None or any(_everybody(clause) for clause in deny.peers)
    if not peers and allow.peers is not None:
        peers = all(any(_wider(wide, narrow) for wide in deny.peers or ()) for narrow in allow.peers)
    ports = deny.ports is None or (
        allow.ports is not None and all(any(_holds(wide, narrow) for wide in deny.ports) for narrow in allow.ports)
    )
    return peers and ports


def _wider(wide: Clause, narrow: Clause) -> bool:
    if wide.kind != narrow.kind:
        return False
    if wide.kind == "range" and "cidr" in wide.what and "cidr" in narrow.what and not wide.what.get("except"):
        try:
            outer, inner = (ip_network(str(one.what["cidr"]), strict=False) for one in (wide, narrow))
        except ValueError:
            return False
        return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one family
    if wide.kind == "pods":
        same = not wide.namespace or wide.namespace == narrow.namespace
        return same and _demands(wide.what) <= _demands(narrow.what)
    return _key(wide.what) == _key(narrow.what)


def _holds(wide: Port, narrow: Port) -> bool:
    if wide.protocol not in {narrow.protocol, "ANY"}:
        return False
    if wide.name or narrow.name:
        return wide.name == narrow.name or (not wide.name and (wide.first, wide.last) == (0, 65535))
    return wide.first <= narrow.first and narrow.last <= wide.last


def _without_dns(one: Written, beside: Sequence[Written]) -> Iterator[Finding]:
    """Names whose addresses nobody learns, and pods that cannot look any up."""
    allowing = [rule for other in beside for rule in other.spec.rules if rule.direction == "egress" and not rule.deny]
    named = [rule for rule in one.spec.rules if any(clause.kind == "name" for clause in rule.peers or ())]
    looked_at = any("DNS rules" in port.above for rule in allowing for port in rule.ports or ())
    if named and not looked_at:
        message = "no rule for these pods looks at their DNS requests (`rules.dns`), so the names have no addresses"
        yield one.finding("CP403", message, named[0].path)
    if "egress" not in one.spec.isolates or one.spec.on_nodes or any(_lets_dns(rule) for rule in allowing):
        return
    mine = [rule for rule in one.spec.rules if rule.direction == "egress" and not rule.deny and rule.peers != ()]
    if mine and not named:
        yield one.finding(
            "CP404", "its pods are isolated for egress, and no rule lets them ask DNS (UDP/53)", mine[0].path
        )
    elif not mine:
        message = "its pods may send nothing, not even DNS requests, unless another policy allows it"
        yield one.finding("CP404", message, severity="info")


def _lets_dns(rule: Rule) -> bool:
    """Whether a rule may be what lets requests for names through: nobody knows where the servers are."""
    peers = rule.peers
    if peers is not None and all(clause.kind == "name" for clause in peers):
        return False
    if rule.ports is None:
        # The cluster's name servers are pods, which ranges never mean.
        return peers is None or any(clause.kind not in {"name", "range"} or _whole(clause) for clause in peers)
    return any(
        port.protocol in {"UDP", "ANY"} and (port.name or port.first <= _DNS <= port.last) for port in rule.ports
    )


def _whole(clause: Clause) -> bool:
    return clause.what.get("cidr") in {"0.0.0.0/0", "::/0"}
