"""A kustomization that renders the chart (`kustomize build --enable-helm`)."""

from __future__ import annotations

from typing import Any

from ciliumctl.errors import UsageError
from ciliumctl.export import model
from ciliumctl.export.model import File, Subject
from ciliumctl.export.source import Source


def files(subject: Subject, source: Source, *, folder: bool) -> tuple[File, ...]:
    """One `kustomization.yaml` with the values in it, or a folder with the values in a file of their own.

    Raises:
        UsageError: a Namespace is needed, and there is only one file for it all.
    """
    namespace = model.namespace_of(subject)
    chart: dict[str, Any] = {
        "name": source.name,
        "repo": source.repository,
        "version": subject.chart.version,
        "releaseName": subject.release,
        "namespace": subject.namespace,
        "kubeVersion": subject.kube_version.removeprefix("v"),
    }
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    if not folder:
        if namespace:
            raise UsageError(
                f"a kustomization for namespace `{subject.namespace}` needs more than one file, and this is one stream",
                hint="add `--output-dir DIR`",
            )
        values = {"valuesInline": dict(subject.config)} if subject.config else {}
        return (model.yaml_of("kustomization.yaml", {**head, "helmCharts": [{**chart, **values}]}),)
    resources = {"resources": ["namespace.yaml"]} if namespace else {}
    return (
        model.yaml_of(
            "kustomization.yaml", {**head, **resources, "helmCharts": [{**chart, "valuesFile": "values.yaml"}]}
        ),
        model.yaml_of("values.yaml", subject.config),
        *([model.yaml_of("namespace.yaml", namespace)] if namespace else []),
    )
