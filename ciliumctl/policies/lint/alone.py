"""What is wrong with a policy by itself: fields, types, and what Cilium's own validation refuses.

The refusals are those of Cilium 1.20's pkg/policy/api/rule_validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from ciliumctl.clients.kube import dig
from ciliumctl.policies import reading
from ciliumctl.policies.lint import shapes
from ciliumctl.policies.lint.documents import Document
from ciliumctl.policies.lint.model import Finding

_SECTIONS = (("ingress", "from"), ("ingressDeny", "from"), ("egress", "to"), ("egressDeny", "to"))
_MOST_PORTS = 40
# Fields that are gone, and what there is instead.
_GONE = {
    "fromRequires": "Cilium 1.20 does not know `fromRequires`: put the labels into each `fromEndpoints`",
    "toRequires": "Cilium 1.20 does not know `toRequires`: put the labels into each `toEndpoints`",
    "kafka": "Cilium 1.20 has no rules for Kafka: allow the port, and let the brokers decide",
    "l7": "Cilium 1.20 has no rules of other protocols (`l7`, `l7proto`): a `listener` leads to Envoy",
    "l7proto": "Cilium 1.20 has no rules of other protocols (`l7`, `l7proto`): a `listener` leads to Envoy",
}
#: A rule with the path of it, its direction's word, and whether it denies.
_Rule = tuple[str, Any, str, bool]


def findings(document: Document, shape: shapes.Shape) -> Iterator[Finding]:
    """Everything, in the order of the codes; `shape` is that of the kind's `spec`."""
    yield from _fields(document, shape)
    if document.manifest.get("kind") == reading.KUBERNETES:
        yield from _kubernetes(document)
        return
    for path, spec in specs(document):
        yield from _spec(document, path, spec)
        for rule in _rules(path, spec):
            yield from _cilium(document, rule, on_nodes="nodeSelector" in spec)


def specs(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts of a policy with their paths."""
    one = document.manifest.get("spec")
    if isinstance(one, Mapping):
        yield "spec", one
    several: list[Any] = dig(document.manifest, "specs", default=[])
    for number, spec in enumerate(several):
        if isinstance(spec, Mapping):
            yield f"specs[{number}]", spec


def _rules(path: str, spec: Mapping[str, Any]) -> Iterator[_Rule]:
    for section, word in _SECTIONS:
        listed: list[Any] = dig(spec, section, default=[])
        for number, rule in enumerate(listed):
            if isinstance(rule, Mapping):
                yield f"{path}.{section}[{number}]", rule, word, section.endswith("Deny")


def _fields(document: Document, shape: shapes.Shape) -> Iterator[Finding]:
    manifest = document.manifest
    known = {"apiVersion", "kind", "metadata", "spec", "status"}
    known |= set() if manifest.get("kind") == reading.KUBERNETES else {"specs"}
    top = {**dict.fromkeys(known, "any"), "spec": shape, "specs": [shape]}
    shown = {key: top[key] for key in known}
    told: set[str] = set()
    for path, what, message in shapes.problems(manifest, shown):
        gone = next((str(step) for step in path if step in _GONE), "")
        if gone and gone not in told:
            told.add(gone)
            yield document.finding("CP104", _GONE[gone], path[: path.index(gone) + 1])
        elif not gone:
            yield document.finding("CP101" if what == "unknown" else "CP102", message, path)
    if not dig(manifest, "metadata", "name", default=""):
        yield document.finding("CP103", "it has no name", "metadata")
    if "spec" not in manifest and not manifest.get("specs"):
        yield document.finding("CP103", "it has no `spec`")


# Kubernetes


def _kubernetes(document: Document) -> Iterator[Finding]:
    spec: Mapping[str, Any] = dig(document.manifest, "spec", default={})
    types: list[Any] = dig(spec, "policyTypes", default=[])
    for direction, word in (("ingress", "from"), ("egress", "to")):
        rules: list[Any] = dig(spec, direction, default=[])
        if rules and types and direction.capitalize() not in types:
            message = f"`policyTypes` leaves {direction} out: Kubernetes passes over these rules, Cilium enforces them"
            yield document.finding("CP305", message, f"spec.{direction}")
        for number, rule in enumerate(rules):
            yield from _kubernetes_rule(document, rule, f"spec.{direction}[{number}]", word)


def _kubernetes_rule(document: Document, rule: Any, path: str, word: str) -> Iterator[Finding]:
    peers: list[Any] = dig(rule, word, default=[])
    for number, peer in enumerate(peers):
        where = f"{path}.{word}[{number}]"
        block: Mapping[str, Any] = dig(peer, "ipBlock", default={})
        if block and len(peer) > 1:
            yield document.finding("CP103", "`ipBlock` cannot stand beside selectors: write two entries", where)
        if peer == {}:
            yield document.finding("CP103", "the entry is empty: `podSelector: {}` means every pod", where)
        if block:
            yield from _range(document, block.get("cidr"), f"{where}.ipBlock.cidr")
            yield from _exceptions(
                document, block.get("cidr"), dig(block, "except", default=[]), f"{where}.ipBlock.except"
            )
    ports: list[Any] = dig(rule, "ports", default=[])
    for number, port in enumerate(ports):
        yield from _port(document, port, f"{path}.ports[{number}]", meant="TCP")


# Cilium


def _spec(document: Document, path: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    clusterwide = document.manifest.get("kind") == reading.CLUSTERWIDE
    if "endpointSelector" in spec and "nodeSelector" in spec:
        yield document.finding(
            "CP103", "`endpointSelector` and `nodeSelector` exclude each other", f"{path}.nodeSelector"
        )
    if "endpointSelector" not in spec and "nodeSelector" not in spec:
        yield document.finding("CP103", "it says for whom it is in neither `endpointSelector` nor `nodeSelector`", path)
    if "nodeSelector" in spec and not clusterwide:
        message = "only a CiliumClusterwideNetworkPolicy may have a `nodeSelector`"
        yield document.finding("CP103", message, f"{path}.nodeSelector")
    if not any(dig(spec, section, default=[]) for section, _word in _SECTIONS):
        yield document.finding("CP304", "it has no rules, and isolates nobody", path)


def _cilium(document: Document, rule: _Rule, *, on_nodes: bool) -> Iterator[Finding]:
    path, body, word, deny = rule
    peers = [key for key in body if key.startswith(word) and key != "toPorts"]
    filled = [key for key in peers if body[key]]
    if len(filled) > 1:
        message = f"`{filled[0]}` and `{filled[1]}` cannot stand in one rule: write two rules"
        yield document.finding("CP103", message, f"{path}.{filled[1]}")
    for key in peers:
        if body[key] is None:
            message = f"a list is wanted, and nothing stands behind `{key}`: Cilium passes over the key"
            yield document.finding("CP102", message, f"{path}.{key}")
        if body[key] == []:
            yield document.finding("CP306", f"`{key}: []` means nobody; without it everybody is meant", f"{path}.{key}")
    if body.get("icmps") and body.get("toPorts"):
        yield document.finding(
            "CP103", "`icmps` and `toPorts` cannot stand in one rule: write two rules", f"{path}.icmps"
        )
    if deny and body.get("toFQDNs"):
        yield document.finding("CP103", "names cannot be denied: `toFQDNs` is for `egress` only", f"{path}.toFQDNs")
    yield from _cilium_ranges(document, body, path, word)
    yield from _names(document, body, path)
    entries: list[Any] = dig(body, "toPorts", default=[])
    for number, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            yield from _entry(document, entry, f"{path}.toPorts[{number}]", word, on_nodes=on_nodes)


def _cilium_ranges(document: Document, body: Mapping[str, Any], path: str, word: str) -> Iterator[Finding]:
    plain: list[Any] = dig(body, f"{word}CIDR", default=[])
    for number, one in enumerate(plain):
        yield from _range(document, one, f"{path}.{word}CIDR[{number}]", address=True)
    sets: list[Any] = dig(body, f"{word}CIDRSet", default=[])
    for number, one in enumerate(sets):
        where = f"{path}.{word}CIDRSet[{number}]"
        given = [key for key in ("cidr", "cidrGroupRef", "cidrGroupSelector") if dig(one, key) is not None]
        if len(given) != 1:
            said = "one of `cidr`, `cidrGroupRef` and `cidrGroupSelector` is wanted"
            yield document.finding("CP103", f"{said}, and there are {len(given)}", where)
        if "cidr" in given:
            yield from _range(document, one["cidr"], f"{where}.cidr")
            yield from _exceptions(document, one["cidr"], dig(one, "except", default=[]), f"{where}.except")


def _names(document: Document, body: Mapping[str, Any], path: str) -> Iterator[Finding]:
    names: list[Any] = dig(body, "toFQDNs", default=[])
    for number, one in enumerate(names):
        where = f"{path}.toFQDNs[{number}]"
        if isinstance(one, Mapping) and one.get("matchName") and one.get("matchPattern"):
            yield document.finding("CP103", "`matchName` and `matchPattern` exclude each other", where)
        if "*" in str(dig(one, "matchName", default="")):
            message = "a `*` in `matchName` stands for itself: patterns go into `matchPattern`"
            yield document.finding("CP103", message, f"{where}.matchName")
        if dig(one, "matchPattern", default="") in {"*", "**"}:
            yield document.finding("CP405", "the pattern fits every name", f"{where}.matchPattern")


def _entry(document: Document, entry: Mapping[str, Any], path: str, word: str, *, on_nodes: bool) -> Iterator[Finding]:
    """An entry of `toPorts`."""
    ports: list[Any] = dig(entry, "ports", default=[])
    rules: Mapping[str, Any] = dig(entry, "rules", default={})
    if not ports:
        yield document.finding("CP306", 'an entry without ports allows none; every port is `port: "0"`', path)
    if len(ports) > _MOST_PORTS:
        yield document.finding("CP103", f"an entry may have {_MOST_PORTS} ports, and this has {len(ports)}", path)
    for number, port in enumerate(ports):
        yield from _port(document, port, f"{path}.ports[{number}]", meant="TCP, UDP and SCTP")
    kinds = [key for key in ("http", "dns") if rules.get(key)]
    if len(kinds) > 1:
        yield document.finding("CP103", "rules for HTTP and for DNS cannot stand in one entry", f"{path}.rules")
    refusals: Sequence[tuple[bool, str]] = (
        (bool(rules.get("dns")) and word == "from", "rules for DNS are for egress only"),
        (on_nodes and bool(rules.get("http")), "a policy for nodes cannot look into HTTP"),
        (bool(kinds) and bool(entry.get("listener")), "`listener` and `rules` exclude each other"),
        (bool(entry.get("listener")) and word == "from", "`listener` is for egress only"),
        (
            bool(kinds) and bool(entry.get("serverNames")) and not entry.get("terminatingTLS"),
            "`serverNames` beside `rules` needs `terminatingTLS`",
        ),
        (
            bool(rules.get("http")) and any(str(dig(one, "protocol")) != "TCP" for one in ports),
            "HTTP needs `protocol: TCP`",
        ),
        (bool(kinds) and any(str(dig(one, "port")) == "0" for one in ports), "rules need a port other than 0"),
    )
    for refused, message in refusals:
        if refused:
            yield document.finding("CP103", message, f"{path}.rules" if rules else path)


def _port(document: Document, port: Any, path: str, *, meant: str) -> Iterator[Finding]:
    if not isinstance(port, Mapping):
        return
    number, end = port.get("port"), port.get("endPort")
    if "protocol" not in port and number is not None:
        yield document.finding("CP401", f"the port has no protocol: {meant} is meant", path)
    if number is None:
        if end is not None:
            yield document.finding("CP103", "`endPort` needs a `port`", f"{path}.endPort")
        return
    if str(number).isdigit() and not 0 <= int(number) <= 65535:
        yield document.finding("CP103", f"{number} is no port: they go up to 65535", f"{path}.port")
    elif end is not None and not str(number).isdigit():
        yield document.finding("CP103", "a range of ports cannot start with a name", f"{path}.endPort")
    elif isinstance(end, int) and end < int(number):
        yield document.finding("CP103", f"the range ends at {end}, before it starts at {number}", f"{path}.endPort")


def _range(document: Document, text: Any, path: str, *, address: bool = False) -> Iterator[Finding]:
    """A range; a plain address where that may stand, too."""
    parse: Callable[[str], Any] = ip_address if address and "/" not in str(text) else ip_network
    try:
        parse(str(text))
        if not address and "/" not in str(text):
            yield document.finding("CP103", f"`{text}` has no length: write `{text}/32` for one address", path)
    except ValueError:
        try:
            network = ip_network(str(text), strict=False)
        except ValueError:
            yield document.finding("CP103", f"`{text}` is no range of addresses", path)
        else:
            yield document.finding("CP408", f"`{text}` is the range {network}", path)


def _exceptions(document: Document, cidr: Any, excepted: Sequence[Any], path: str) -> Iterator[Finding]:
    try:
        whole = ip_network(str(cidr), strict=False)
    except ValueError:
        return
    for number, one in enumerate(excepted):
        try:
            part = ip_network(str(one), strict=False)
        except ValueError:
            yield document.finding("CP103", f"`{one}` is no range of addresses", f"{path}[{number}]")
            continue
        if part.version != whole.version or not part.subnet_of(whole):  # type: ignore[arg-type]  # of one family
            yield document.finding("CP103", f"{one} is not within {cidr}, so it is no exception", f"{path}[{number}]")
