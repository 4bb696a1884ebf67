"""Lint as a whole: read, check each policy alone, where it is, and beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ciliumctl import files
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    CRDS,
    NODES,
    PODS,
    SERVICES,
    Kube,
    Manifest,
    dig,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.errors import Forbidden, UsageError
from ciliumctl.findings import SEVERITIES
from ciliumctl.parallel import together as at_once
from ciliumctl.policies import collecting, parties, reading
from ciliumctl.policies.lint import alone, documents, shapes, surroundings, together
from ciliumctl.policies.lint.documents import Document
from ciliumctl.policies.lint.model import Finding, PolicyLint
from ciliumctl.policies.lint.surroundings import Surroundings
from ciliumctl.policies.model import Settings

_CILIUMS = "ciliumnetworkpolicies.cilium.io"


def in_files(
    names: Sequence[str], stdin: Callable[[], bytes], *, around: Surroundings | None = None, shape: shapes.Shape = None
) -> PolicyLint:
    """Check files, and all YAML files in folders; `-` is standard input. `around` is a cluster that they are for.

    Raises:
        BadFile: a file cannot be read.
        UsageError: a folder has no YAML files.
    """
    found: list[Document] = []
    problems: list[Finding] = []
    listed = documents.files_of(names)
    if not listed:
        raise UsageError(f"no YAML files are in {', '.join(f'`{one}`' for one in names)}", hint="name a file")
    for name in listed:
        more, wrong = documents.read(files.content(name, stdin), name)
        found += more
        problems += wrong
    # Of a folder of manifests not every file is about policies.
    if len(listed) > 1:
        problems = [one for one in problems if one.code != "CP002"]
    result = check(found, around or surroundings.of_files(found), shape)
    order = {name: number for number, name in enumerate(listed)}
    findings = sorted([*problems, *result.findings], key=lambda one: (order[one.file], one.line, one.code))
    return replace(result, files=tuple(listed), findings=tuple(findings))


def in_cluster(found: Cluster, shape: shapes.Shape = None, *, namespace: str = "") -> PolicyLint:
    """Check the policies of a cluster; those of one namespace and the clusterwide ones when given."""
    wanted = [one for one in found.policies if not namespace or namespace_of(one) in {"", namespace}]
    result = check([Document(manifest=one) for one in wanted], found.around, shape)
    order = sorted(result.findings, key=lambda one: (-SEVERITIES.index(one.severity), one.subject))
    return replace(result, findings=tuple(order))


def check(found: Iterable[Document], around: Surroundings, shape: shapes.Shape = None) -> PolicyLint:
    """Check objects; those that are no policies are passed over. `shape` is that of the cluster's CRD."""
    policies = [one for one in found if one.is_policy]
    findings: list[Finding] = []
    written: list[together.Written] = []
    settings = replace(around.settings or Settings(), kubernetes=True)
    for document in policies:
        known = shapes.kept(str(document.manifest["kind"]))
        mine = shape if shape is not None and document.manifest["kind"] != reading.KUBERNETES else known
        wrong = list(alone.findings(document, mine))
        findings += wrong
        # What has other types than it should cannot be understood any further.
        if not any(one.code == "CP102" for one in wrong):
            parts = [
                together.Written(document=document, spec=spec) for spec in reading.read(document.manifest, settings)
            ]
            written += parts
            findings += [finding for part in parts for finding in surroundings.findings(part, around)]
    findings += together.findings(written)
    return PolicyLint(policies=len(policies), findings=tuple(findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster's policies, and what they count on."""

    around: Surroundings
    policies: tuple[Manifest, ...]


def look(kube: Kube, namespace: str) -> Cluster:
    """A cluster's policies and what they count on, in nine requests (more pages, where there are over 500 of a kind).

    `namespace` is Cilium's. Of pods and services only the metadata are read.
    """
    (namespaces, nodes, services), (pods, groups, config, policies) = at_once(
        lambda: at_once(
            lambda: collecting.namespaces(kube),
            lambda: list(kube.objects(NODES)),
            lambda: frozenset((namespace_of(one), name_of(one)) for one in kube.objects(SERVICES, metadata_only=True)),
        ),
        lambda: at_once(
            lambda: list(kube.objects(PODS, fields=collecting.WITH_A_NETWORK, metadata_only=True)),
            lambda: frozenset(collecting.groups(kube)),
            lambda: kube.find(CONFIG_MAPS, collecting.CONFIG, namespace),
            lambda: collecting.policies(kube),
        ),
    )
    ranges: list[list[str]] = [dig(node, "spec", "podCIDRs", default=[]) for node in nodes]
    refused = {str(reading.ref_of(one)): why for one in policies if (why := reading.refusal(one))}
    identities = (
        parties.identity(labels_of(pod), namespace_of(pod), namespaces.get(namespace_of(pod), {})) for pod in pods
    )
    around = Surroundings(
        pods=surroundings.distinct(identities),
        nodes=tuple(labels_of(node) for node in nodes),
        whole=True,
        namespaces=namespaces,
        groups=groups,
        services=services,
        ranges=tuple(one for some in ranges for one in some),
        settings=parties.settings_of(dig(config, "data", default={})) if config is not None else None,
        refused=refused,
    )
    return Cluster(around=around, policies=tuple(policies))


def shape(kube: Kube) -> shapes.Shape:
    """The fields that the cluster's own CRD knows; `None` where it has none, or does not say. One request."""
    try:
        crd = kube.find(CRDS, _CILIUMS)
    except Forbidden:
        # Everybody may read policies, few may read CRDs.
        return None
    return shapes.of_crd(crd) if crd is not None else None
