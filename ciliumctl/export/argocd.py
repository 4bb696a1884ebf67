"""An Argo CD Application for the chart."""

from __future__ import annotations

from typing import Any

from ciliumctl.clients.kube import name_of, namespace_of
from ciliumctl.export import model
from ciliumctl.export.model import File, Subject
from ciliumctl.export.rendering import Rendered
from ciliumctl.export.source import Source
from ciliumctl.report import Reporter


def files(subject: Subject, source: Source, rendered: Rendered, report: Reporter) -> tuple[File, ...]:
    """The Application. It does not sync by itself: when a network changes is for somebody to say."""
    if rendered.late_hooks:
        report.warn(
            f"Argo CD runs {', '.join(rendered.late_hooks)} only after everything else is healthy, "
            "and Hubble's relay is not before",
            "`--set hubble.tls.auto.method=certmanager`, or a chart from 1.19 on",
        )
    return (model.yaml_of("application.yaml", _application(subject, source, rendered)),)


def _application(subject: Subject, source: Source, rendered: Rendered) -> dict[str, Any]:
    helm: dict[str, Any] = {"releaseName": subject.release}
    if subject.config:
        helm["valuesObject"] = dict(subject.config)
    spec: dict[str, Any] = {
        "project": "default",
        "source": {
            # Argo CD wants a registry's charts without the scheme.
            "repoURL": source.repository.removeprefix("oci://"),
            "chart": source.name,
            "targetRevision": subject.chart.version,
            "helm": helm,
        },
        "destination": {"server": "https://kubernetes.default.svc", "namespace": subject.namespace},
        "syncPolicy": _policy(subject),
    }
    ignored = [
        {"kind": "Secret", "name": name_of(item), "namespace": namespace_of(item), "jsonPointers": ["/data"]}
        for item in rendered.changing
    ]
    if ignored:
        spec["ignoreDifferences"] = ignored
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": subject.release, "namespace": "argocd"},
        "spec": spec,
    }


def _policy(subject: Subject) -> dict[str, Any]:
    # Dashboards are larger than the annotation of a client-side apply may be; and what is ignored in a comparison
    # would still be written by a sync.
    options = ["ServerSideApply=true", "RespectIgnoreDifferences=true"]
    namespace = model.namespace_of(subject)
    if not namespace:
        return {"syncOptions": options}
    return {
        "syncOptions": [*options, "CreateNamespace=true"],
        "managedNamespaceMetadata": {"labels": namespace["metadata"]["labels"]},
    }
