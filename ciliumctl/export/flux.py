"""A HelmRepository and a HelmRelease for Flux."""

from __future__ import annotations

from typing import Any

from ciliumctl.clients.kube import name_of, namespace_of
from ciliumctl.export import model
from ciliumctl.export.model import File, Subject
from ciliumctl.export.rendering import Rendered
from ciliumctl.export.source import Source

_PLACE = "flux-system"


def files(subject: Subject, source: Source, rendered: Rendered) -> tuple[File, ...]:
    """The objects, with the Namespace first where it must be made."""
    namespace = model.namespace_of(subject)
    return (
        *([model.yaml_of("namespace.yaml", namespace)] if namespace else []),
        model.yaml_of("repository.yaml", _repository(subject, source)),
        model.yaml_of("release.yaml", _release(subject, source, rendered)),
    )


def _repository(subject: Subject, source: Source) -> dict[str, Any]:
    kind = {"type": "oci"} if source.in_registry else {}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": {"name": subject.release, "namespace": _PLACE},
        "spec": {**kind, "interval": "12h", "url": source.repository},
    }


def _release(subject: Subject, source: Source, rendered: Rendered) -> dict[str, Any]:
    chart = {
        "chart": source.name,
        "version": subject.chart.version,
        "interval": "12h",
        "sourceRef": {"kind": "HelmRepository", "name": subject.release},
    }
    # A hook that runs after the wait makes the certificate that a pod is waited for with.
    patience: dict[str, Any] = {"disableWait": True} if rendered.late_hooks else {}
    spec: dict[str, Any] = {
        "interval": "1h",
        "timeout": "15m",
        "releaseName": subject.release,
        "targetNamespace": subject.namespace,
        # Where Helm, and so ciliumctl, looks for the release.
        "storageNamespace": subject.namespace,
        "chart": {"spec": chart},
        "install": {**patience, "remediation": {"retries": 3}},
        # One attempt, and back: each further one would take the network through the same again.
        "upgrade": {**patience, "remediation": {"retries": 0, "remediateLastFailure": True, "strategy": "rollback"}},
        "driftDetection": _drift(rendered),
    }
    if subject.config:
        spec["values"] = dict(subject.config)
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": subject.release, "namespace": _PLACE},
        "spec": spec,
    }


def _drift(rendered: Rendered) -> dict[str, Any]:
    ignored = [
        {
            "paths": ["/data"],
            "target": {"kind": "Secret", "name": name_of(item), "namespace": namespace_of(item)},
        }
        for item in rendered.changing
    ]
    # Told of, not put back: a restart by night that nobody asked for would be worse than the drift.
    return {"mode": "warn", **({"ignore": ignored} if ignored else {})}
