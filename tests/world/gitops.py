"""The kinds of Argo CD, Flux and k3s, as far as ciliumctl writes or reads them.

Fields, types, enumerations and patterns are those of the projects' own CRDs (Argo CD 2.13 and 3.x, Flux 2.x with
helm.toolkit.fluxcd.io/v2 and source.toolkit.fluxcd.io/v1, helm.cattle.io/v1). A field that is not here is one that
they do not have, or that nobody here uses: a real API server drops it.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "format": "int64"}
YES_OR_NO: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXTS: Schema = {"type": "array", "items": TEXT}
PAIRS: Schema = {"type": "object", "additionalProperties": TEXT}
_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _short(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


_ARGO_SOURCE = _object(
    "repoURL",
    repoURL=TEXT,
    chart=TEXT,
    path=TEXT,
    ref=TEXT,
    targetRevision=TEXT,
    helm=_object(
        releaseName=TEXT,
        valuesObject=ANYTHING,
        values=TEXT,
        valueFiles=TEXTS,
        namespace=TEXT,
        kubeVersion=TEXT,
        apiVersions=TEXTS,
        skipCrds=YES_OR_NO,
    ),
)
_APPLICATION = _object(
    "destination",
    "project",
    project=TEXT,
    source=_ARGO_SOURCE,
    sources=_list_of(_ARGO_SOURCE),
    destination=_object(server=TEXT, name=TEXT, namespace=TEXT),
    ignoreDifferences=_list_of(
        _object(
            "kind",
            group=TEXT,
            kind=TEXT,
            name=TEXT,
            namespace=TEXT,
            jsonPointers=TEXTS,
            jqPathExpressions=TEXTS,
            managedFieldsManagers=TEXTS,
        )
    ),
    syncPolicy=_object(
        automated=_object(prune=YES_OR_NO, selfHeal=YES_OR_NO, allowEmpty=YES_OR_NO, enabled=YES_OR_NO),
        syncOptions=TEXTS,
        managedNamespaceMetadata=_object(labels=PAIRS, annotations=PAIRS),
    ),
)
_REMEDIATION: dict[str, Schema] = {
    "retries": {"type": "integer"},
    "remediateLastFailure": YES_OR_NO,
    "ignoreTestFailures": YES_OR_NO,
}
_ACTION: dict[str, Schema] = {"timeout": _DURATION, "disableWait": YES_OR_NO, "disableHooks": YES_OR_NO}
_HELM_RELEASE = _object(
    "interval",
    interval=_DURATION,
    timeout=_DURATION,
    suspend=YES_OR_NO,
    releaseName=_short(53),
    targetNamespace=_short(63),
    storageNamespace=_short(63),
    chart=_object(
        "spec",
        spec=_object(
            "chart",
            "sourceRef",
            chart=_short(2048),
            version=TEXT,
            interval=_DURATION,
            sourceRef=_object(
                "name",
                apiVersion=TEXT,
                kind=_one_of("HelmRepository", "GitRepository", "Bucket"),
                name=_short(253),
                namespace=_short(63),
            ),
        ),
    ),
    install=_object(**_ACTION, createNamespace=YES_OR_NO, remediation=_object(**_REMEDIATION)),
    upgrade=_object(**_ACTION, remediation=_object(**_REMEDIATION, strategy=_one_of("rollback", "uninstall"))),
    driftDetection=_object(
        mode=_one_of("enabled", "warn", "disabled"),
        ignore=_list_of(
            _object(
                "paths",
                paths=TEXTS,
                target=_object(group=TEXT, version=TEXT, kind=TEXT, name=TEXT, namespace=TEXT, labelSelector=TEXT),
            )
        ),
    ),
    values=ANYTHING,
    valuesFrom=_list_of(
        _object(
            "kind",
            "name",
            kind=_one_of("Secret", "ConfigMap"),
            name=_short(253),
            valuesKey=TEXT,
            targetPath=TEXT,
            optional=YES_OR_NO,
        )
    ),
)
_HELM_REPOSITORY = _object(
    "url",
    url={"type": "string", "pattern": "^(http|https|oci)://.*$"},
    type=_one_of("default", "oci"),
    interval=_DURATION,
    suspend=YES_OR_NO,
)
_KUSTOMIZATION = _object(
    "interval",
    "sourceRef",
    "prune",
    interval=_DURATION,
    path=TEXT,
    prune=YES_OR_NO,
    suspend=YES_OR_NO,
    sourceRef=_object("kind", "name", kind=TEXT, name=TEXT, namespace=TEXT),
)
_HELM_CHART = _object(chart=TEXT, repo=TEXT, version=TEXT, targetNamespace=TEXT, valuesContent=TEXT)


def _crd(group: str, version: str, kind: str, plural: str, spec: Schema) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object("spec", spec=spec)},
                }
            ],
        },
    }


CRDS: tuple[dict[str, Any], ...] = (
    _crd("argoproj.io", "v1alpha1", "Application", "applications", _APPLICATION),
    _crd("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", _HELM_RELEASE),
    _crd("source.toolkit.fluxcd.io", "v1", "HelmRepository", "helmrepositories", _HELM_REPOSITORY),
    _crd("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", _KUSTOMIZATION),
    _crd("helm.cattle.io", "v1", "HelmChart", "helmcharts", _HELM_CHART),
)
