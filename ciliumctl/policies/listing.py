"""The policies of a cluster: whom each selects, what it isolates, whether Cilium took it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ciliumctl import yaml_files
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    PODS,
    Kube,
    Manifest,
    conditions_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.connectivity.selecting import NAMESPACE, matches
from ciliumctl.errors import NotFound, UsageError
from ciliumctl.parallel import together
from ciliumctl.policies import auditing, collecting, parties, reading, words
from ciliumctl.policies.model import DIRECTIONS, Rule, Spec

_SHORT = {
    "networkpolicy": reading.KUBERNETES,
    "netpol": reading.KUBERNETES,
    "ciliumnetworkpolicy": reading.CILIUM,
    "cnp": reading.CILIUM,
    "ciliumclusterwidenetworkpolicy": reading.CLUSTERWIDE,
    "ccnp": reading.CLUSTERWIDE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One policy.

    Attributes:
        pods: How many pods it selects now; `None` for one that is for nodes.
        directions: Those that it has rules for, or isolates.
        isolates: Those in which nothing goes but what some policy allows.
        valid: `yes`, `no` with `problem`, or empty where nobody says, as for Kubernetes' own.
        audited: How many of its pods are in audit mode; `None` when the agents were not asked.
    """

    kind: str
    namespace: str
    name: str
    pods: int | None
    directions: tuple[str, ...]
    isolates: tuple[str, ...]
    valid: str = ""
    problem: str = ""
    audited: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyList:
    """All of them, or those of one `namespace` and the clusterwide ones.

    `audit` is the audit mode of the whole cluster; `failed` are the nodes that did not answer.
    """

    kind: ClassVar[str] = "PolicyList"

    policies: tuple[Listed, ...]
    namespace: str
    mode: str
    audit: bool
    failed: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether Cilium took all of them."""
        return all(one.valid != "no" for one in self.policies)

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return [
            f"{one.kind.lower()}/{one.namespace}/{one.name}" if one.namespace else f"{one.kind.lower()}/{one.name}"
            for one in self.policies
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One policy in words. `sentences` are one a rule; `text` is its YAML."""

    kind: ClassVar[str] = "Policy"

    policy: str
    subjects: tuple[str, ...]
    sentences: tuple[str, ...]
    problem: str
    manifest: Manifest
    text: str

    @property
    def ok(self) -> bool:
        """Whether Cilium took it."""
        return not self.problem


def listed(kube: Kube, namespace: str, *, place: str = "", ask_agents: bool = False) -> PolicyList:
    """The policies of a cluster, or those of namespace `place` and the clusterwide ones, in six requests.

    More pages, where there is more than 500 of a kind; of pods only the metadata are read. With `ask_agents` one exec
    a node more, for the pods in audit mode. `namespace` is Cilium's.
    """
    policies, pods, namespaces, config = together(
        lambda: collecting.policies(kube, place),
        lambda: Counter(
            (namespace_of(one), tuple(sorted(labels_of(one).items())))
            for one in kube.objects(PODS, place, fields=collecting.WITH_A_NETWORK, metadata_only=True)
        ),
        lambda: collecting.namespaces(kube),
        lambda: kube.find(CONFIG_MAPS, collecting.CONFIG, namespace),
    )
    data: Mapping[str, str] = dig(config, "data", default={})
    settings = parties.settings_of(data)
    found = auditing.status(kube, namespace) if ask_agents else None
    watched = frozenset((one.namespace, one.pod) for one in found.endpoints if one.audit) if found else None
    labels = _labels_of(kube, watched, place) if watched else {}
    kinds = [
        (parties.identity(dict(pairs), where, namespaces.get(where, {})), count)
        for (where, pairs), count in pods.items()
    ]
    audited = [parties.identity(own, key[0], namespaces.get(key[0], {})) for key, own in labels.items()]
    rows = [_row(one, reading.read(one, settings), kinds, audited if found else None) for one in policies]
    return PolicyList(
        policies=tuple(sorted(rows, key=lambda one: (one.namespace, one.name, one.kind))),
        namespace=place,
        mode=settings.mode,
        audit=settings.audit,
        failed=found.failed if found else {},
    )


def _labels_of(kube: Kube, pods: frozenset[tuple[str, str]], place: str) -> dict[tuple[str, str], Mapping[str, str]]:
    listed = kube.objects(PODS, place, fields=collecting.WITH_A_NETWORK, metadata_only=True)
    keyed = ((namespace_of(one), name_of(one), labels_of(one)) for one in listed)
    return {(where, name): labels for where, name, labels in keyed if (where, name) in pods}


def _row(
    policy: Manifest,
    specs: Sequence[Spec],
    pods: Sequence[tuple[Mapping[str, str], int]],
    audited: Sequence[Mapping[str, str]] | None,
) -> Listed:
    ref = reading.ref_of(policy)
    on_nodes = bool(specs) and all(spec.on_nodes for spec in specs)
    used = {rule.direction for spec in specs for rule in spec.rules}
    isolates = {direction for spec in specs for direction in spec.isolates}
    condition = conditions_of(policy).get("Valid")
    problem = reading.refusal(policy)
    return Listed(
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        pods=None if on_nodes else sum(count for labels, count in pods if _selected(specs, labels)),
        directions=tuple(one for one in DIRECTIONS if one in used | isolates),
        isolates=tuple(one for one in DIRECTIONS if one in isolates),
        valid="no" if problem else "yes" if condition else "",
        problem=problem,
        audited=None if audited is None else sum(_selected(specs, labels) for labels in audited),
    )


def _selected(specs: Sequence[Spec], labels: Mapping[str, str]) -> bool:
    return any(
        not spec.on_nodes
        and spec.policy.namespace in {"", labels.get(NAMESPACE, "")}
        and matches(spec.selector, labels)
        for spec in specs
    )


def shown(kube: Kube, name: str, *, place: str = "") -> Shown:
    """One policy by its name, `KIND/NAME` or `NAMESPACE/NAME`, in three requests.

    Raises:
        NotFound: there is none. UsageError: there are several of that name.
    """
    policies = collecting.policies(kube, place)
    policy = _named(policies, name)
    ref = reading.ref_of(policy)
    specs = reading.read(policy)
    manifest = _without_noise(policy)
    return Shown(
        policy=str(ref),
        subjects=tuple(_for_whom(spec) for spec in specs),
        sentences=tuple(sentence for spec in specs for sentence in _sentences(spec)),
        problem=reading.refusal(policy),
        manifest=manifest,
        text=yaml_files.dump(manifest),
    )


def _named(policies: Sequence[Manifest], wanted: str) -> Manifest:
    start, slash, rest = wanted.partition("/")
    kind = _SHORT.get(start.lower(), "") if slash else ""
    place, _slash, name = (rest if kind else wanted).rpartition("/")
    found = [
        one
        for one in policies
        if name_of(one) == name and (not place or namespace_of(one) == place) and (not kind or one["kind"] == kind)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        said = ", ".join(str(reading.ref_of(one)) for one in found)
        raise UsageError(f"there are several policies `{wanted}`: {said}", hint="write KIND/NAMESPACE/NAME")
    near = difflib.get_close_matches(name, [name_of(one) for one in policies], n=1)
    hint = f"did you mean `{near[0]}`?" if near else "`ciliumctl policy list` lists them"
    raise NotFound(f"there is no policy `{wanted}`", hint=hint)


def _without_noise(policy: Manifest) -> dict[str, Any]:
    """What somebody wrote: without what the server adds."""
    added = {"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"}
    metadata = {key: value for key, value in policy["metadata"].items() if key not in added}
    kept = {key: value for key, value in policy.items() if key in {"spec", "specs"}}
    return {"apiVersion": policy["apiVersion"], "kind": policy["kind"], "metadata": metadata, **kept}


def _for_whom(spec: Spec) -> str:
    if spec.on_nodes:
        said = words.selector(spec.selector)
        return f"nodes with {said}" if said else "every node"
    return words.pods(spec.selector, spec.policy.namespace)


def _sentences(spec: Spec) -> list[str]:
    found = [_sentence(rule) for rule in spec.rules]
    for direction in DIRECTIONS:
        if direction in spec.isolates:
            way = "gets in" if direction == "ingress" else "gets out"
            found.append(f"{direction}: nothing else {way}, unless another policy allows it")
    return found


def _sentence(rule: Rule) -> str:
    verb = "denies" if rule.deny else "allows"
    who = "everybody" if rule.peers is None else " or ".join(one.said for one in rule.peers) or "nobody"
    ports = "" if rule.ports is None else f" on {', '.join(_port(one) for one in rule.ports) or 'no port'}"
    if not rule.deny and who == "nobody":
        return f"{rule.path}: allows nobody"
    above = f", with {rule.above}" if rule.above else ""
    way = "from" if rule.direction == "ingress" else "to"
    return f"{rule.path}: {verb} traffic {way} {who}{ports}{above}"


def _port(port: Any) -> str:
    return f"{port.said} with {port.above}" if port.above else str(port.said)
