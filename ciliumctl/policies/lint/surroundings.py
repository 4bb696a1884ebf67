"""What is wrong with policies where they are: pods, namespaces, groups and switches that they count on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from ciliumctl.clients.kube import Manifest, dig, labels_of, name_of, namespace_of
from ciliumctl.connectivity.selecting import NAMESPACE, NAMESPACE_LABELS, matches
from ciliumctl.policies import parties, reading, words
from ciliumctl.policies.lint.documents import Document
from ciliumctl.policies.lint.model import Finding
from ciliumctl.policies.lint.together import Written
from ciliumctl.policies.model import Clause, Settings

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What policies are held against.

    Attributes:
        pods: The labels of pods as selectors see them, each set of labels once.
        whole: Whether that is all of a cluster; files tell a part only, and then only what looks misspelt is told.
        namespaces, groups, services: Those that exist; `None` where nobody knows.
        ranges: The ranges of the nodes' pods.
        settings: The agents'; `None` where nobody knows.
        refused: What Cilium's operator says about policies that are not valid.
    """

    pods: tuple[Labels, ...] = ()
    nodes: tuple[Labels, ...] = ()
    whole: bool = False
    namespaces: Mapping[str, Labels] | None = None
    groups: frozenset[str] | None = None
    services: frozenset[tuple[str, str]] | None = None
    ranges: tuple[str, ...] = ()
    settings: Settings | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


def of_files(documents: Iterable[Document]) -> Surroundings:
    """What files tell: the labels of pods and of workloads' templates."""
    namespaces = {
        name_of(one.manifest): labels_of(one.manifest) for one in documents if one.manifest.get("kind") == "Namespace"
    }
    found: list[Labels] = []
    for document in documents:
        template = _template(document.manifest)
        if template is not None:
            place = namespace_of(document.manifest) or "default"
            account = dig(template, "spec", "serviceAccountName", default="")
            found.append(parties.identity(labels_of(template), place, namespaces.get(place, {}), account=account))
    return Surroundings(pods=distinct(found))


def _template(manifest: Manifest) -> Manifest | None:
    if manifest.get("kind") == "Pod":
        return manifest
    spec: Manifest | None = dig(manifest, "spec", "jobTemplate", "spec", "template") or dig(
        manifest, "spec", "template"
    )
    return spec if isinstance(spec, Mapping) else None


def distinct(labels: Iterable[Labels]) -> tuple[Labels, ...]:
    """Each set of labels once: a thousand pods of a Deployment are one case."""
    return tuple({tuple(sorted(one.items())): one for one in labels}.values())


def findings(one: Written, around: Surroundings) -> Iterator[Finding]:
    """Everything about one part of a policy."""
    yield from _refused(one, around)
    yield from _namespaces(one, around)
    yield from _subjects(one, around)
    yield from _peers(one, around)
    yield from _switches(one, around)


def _refused(one: Written, around: Surroundings) -> Iterator[Finding]:
    why = around.refused.get(str(one.spec.policy))
    if why and one.spec.path in {"spec", "specs[0]"}:
        yield one.finding("CP501", f"Cilium does not enforce it: {why}")


def _namespaces(one: Written, around: Surroundings) -> Iterator[Finding]:
    place = one.spec.policy.namespace
    if around.namespaces is None:
        return
    if place and place not in around.namespaces:
        yield one.finding("CP203", _no_namespace(place, around.namespaces), "metadata.namespace")
    for rule in one.spec.rules:
        for clause in rule.peers or ():
            for name in _meant(clause) - set(around.namespaces):
                yield one.finding("CP203", _no_namespace(name, around.namespaces), clause.path)


def _no_namespace(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"there is no namespace `{name}`" + (f": did you mean `{near[0]}`?" if near else "")


def _meant(clause: Clause) -> set[str]:
    """The namespaces that a selector names."""
    if clause.kind == "service":
        place = dig(clause.what, "k8sService", "namespace", default="")
        return {place} if place else set()
    found = set()
    for key, value in _asked(clause.what):
        if key in {NAMESPACE, f"{NAMESPACE_LABELS}kubernetes.io/metadata.name"}:
            found.add(value)
    return found


def _asked(selector: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The labels with values that a selector wants: of several values each."""
    labels: Mapping[str, Any] = dig(selector, "matchLabels", default={})
    for key, value in labels.items():
        yield words.plain(key), str(value)
    expressions: list[Mapping[str, Any]] = dig(selector, "matchExpressions", default=[])
    for one in expressions:
        if one.get("operator") == "In":
            yield from ((words.plain(str(one.get("key"))), str(value)) for value in one.get("values") or ())


def _beyond(selector: Mapping[str, Any]) -> bool:
    """Whether a selector asks for what the metadata of pods do not tell."""
    expressions: list[Mapping[str, Any]] = dig(selector, "matchExpressions", default=[])
    keys = {key for key, _value in _asked(selector)} | {words.plain(str(one.get("key"))) for one in expressions}
    return bool(keys & {parties.ACCOUNT, parties.CLUSTER})


def _subjects(one: Written, around: Surroundings) -> Iterator[Finding]:
    spec = one.spec
    known = around.nodes if spec.on_nodes else around.pods
    place = spec.policy.namespace
    mine = [labels for labels in known if not place or labels.get(NAMESPACE) == place]
    if _beyond(spec.selector) or any(matches(spec.selector, labels) for labels in mine):
        return
    field_name = "nodeSelector" if spec.on_nodes else "endpointSelector"
    if spec.policy.kind == reading.KUBERNETES:
        field_name = "podSelector"
    path = f"{spec.path}.{field_name}"
    near = _misspelt(spec.selector, mine)
    if near:
        yield one.finding("CP202", near, path)
    if around.whole:
        where = f" in namespace `{place}`" if place else ""
        what = "node" if spec.on_nodes else "pod"
        yield one.finding("CP201", f"it selects no {what}{where}", path)


def _misspelt(selector: Mapping[str, Any], known: Iterable[Labels]) -> str:
    """The first label that nothing has, with one that it may have meant; empty when none looks misspelt."""
    values: dict[str, set[str]] = {}
    for labels in known:
        for key, value in labels.items():
            values.setdefault(key, set()).add(value)
    for key, value in _asked(selector):
        if key not in values:
            near = difflib.get_close_matches(key, list(values), n=1, cutoff=0.75)
            if near:
                return f"nothing has a label `{key}`: did you mean `{near[0]}`?"
        elif value not in values[key]:
            near = difflib.get_close_matches(value, list(values[key]), n=1, cutoff=0.6)
            if near:
                return f"nothing has `{key}={value}`: did you mean `{key}={near[0]}`?"
    return ""


def _peers(one: Written, around: Surroundings) -> Iterator[Finding]:
    for rule in one.spec.rules:
        for clause in rule.peers or ():
            if clause.kind == "pods" and around.pods:
                yield from _selected(one, clause, around)
            elif clause.kind == "range":
                yield from _ranges(one, clause, around)
            elif clause.kind == "service":
                yield from _service(one, clause, around)


def _selected(one: Written, clause: Clause, around: Surroundings) -> Iterator[Finding]:
    mine = [labels for labels in around.pods if not clause.namespace or labels.get(NAMESPACE) == clause.namespace]
    reserved = any(key.startswith(("reserved:", "reserved.")) for key, _value in _asked(clause.what))
    if reserved or _beyond(clause.what) or any(matches(clause.what, labels) for labels in mine):
        return
    near = _misspelt(clause.what, mine or around.pods)
    if near:
        yield one.finding("CP202", near, clause.path)
    elif around.whole:
        yield one.finding("CP204", f"there are no {clause.said.removeprefix('every ')} now", clause.path)


def _ranges(one: Written, clause: Clause, around: Surroundings) -> Iterator[Finding]:
    group = clause.what.get("group")
    if group and around.groups is not None and group not in around.groups:
        near = difflib.get_close_matches(str(group), list(around.groups), n=1)
        message = f"there is no CIDR group `{group}`" + (f": did you mean `{near[0]}`?" if near else "")
        yield one.finding("CP205", message, clause.path)
    try:
        mine = ip_network(str(clause.what.get("cidr", "")), strict=False)
    except ValueError:
        return
    for text in around.ranges:
        theirs = ip_network(text, strict=False)
        if theirs.version == mine.version and mine.subnet_of(theirs):  # type: ignore[arg-type]  # of one family
            message = f"{mine} is within {text}, which are pods: ranges never mean pods"
            yield one.finding("CP407", message, clause.path)
            return


def _service(one: Written, clause: Clause, around: Surroundings) -> Iterator[Finding]:
    name = dig(clause.what, "k8sService", "serviceName", default="")
    place = dig(clause.what, "k8sService", "namespace", default="")
    if not name or around.services is None:
        return
    if not any(known == name and place in {"", where} for where, known in around.services):
        where = f" in namespace `{place}`" if place else ""
        yield one.finding("CP205", f"there is no service `{name}`{where}", clause.path)


def _switches(one: Written, around: Surroundings) -> Iterator[Finding]:
    settings = around.settings
    if settings is None:
        return
    spec = one.spec
    if spec.on_nodes and not settings.host_firewall:
        yield one.finding("CP406", "it is for nodes, and the host firewall is off: `hostFirewall.enabled=true`")
    for rule in spec.rules:
        above = [port for port in rule.ports or () if port.above]
        if above and not settings.layer_7:
            message = f"{above[0].above} need the agents' proxy, and `enable-l7-proxy` is false: set `l7Proxy=true`"
            yield one.finding("CP402", message, above[0].path)
        nodes = [clause for clause in rule.peers or () if clause.kind == "nodes"]
        if nodes and not settings.node_labels:
            message = "labels of nodes are not known to the agents: set `nodeSelectorLabels=true`"
            yield one.finding("CP406", message, nodes[0].path)
        names = [clause for clause in rule.peers or () if clause.kind == "name"]
        if names and not settings.layer_7:
            message = "names need the agents' DNS proxy, and `enable-l7-proxy` is false: set `l7Proxy=true`"
            yield one.finding("CP402", message, names[0].path)
