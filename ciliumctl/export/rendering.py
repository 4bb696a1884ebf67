"""Render the chart as the tool will: without a cluster, and so with new certificates at each time."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ciliumctl import permissions
from ciliumctl.clients.helm import Helm
from ciliumctl.clients.kube import Manifest, annotations_of, name_of, namespace_of
from ciliumctl.export.model import Subject
from ciliumctl.report import Reporter

_HOOK = "helm.sh/hook"
#: The most bytes that all annotations of an object may have.
ANNOTATIONS_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The manifest. `changing` are the Secrets that come out otherwise at every rendering."""

    text: str
    objects: tuple[Manifest, ...]
    changing: tuple[Manifest, ...] = ()

    @property
    def late_hooks(self) -> list[str]:
        """What only runs after everything else is there, by kind and name."""
        return [
            f"{item.get('kind')} `{name_of(item)}`"
            for item in self.objects
            if "post-install" in annotations_of(item).get(_HOOK, "")
        ]


def render(subject: Subject, helm: Helm, *, twice: bool = False) -> Rendered:
    """Render it; `twice` to see what is different at each time."""
    text = _text(subject, helm)
    objects = permissions.documents(text)
    changing: list[Manifest] = []
    if twice:
        again = {_identity(item): item for item in permissions.documents(_text(subject, helm))}
        changing = [item for item in objects if item.get("kind") == "Secret" and again.get(_identity(item)) != item]
    return Rendered(text=text, objects=tuple(objects), changing=tuple(changing))


def warn_of_large(rendered: Rendered, report: Reporter) -> None:
    """Warn of objects that `kubectl apply` cannot apply by itself: it writes each whole into an annotation of it.

    All annotations of an object may have 256 KiB (k8s.io/apimachinery `pkg/api/validation/objectmeta.go`); the
    dashboard of the agents has 319 kB in 1.20.0.
    """
    large = [
        f"{item.get('kind')} `{name_of(item)}`"
        for item in rendered.objects
        if len(json.dumps(item).encode()) > ANNOTATIONS_LIMIT
    ]
    if large:
        report.warn(
            f"too large for `kubectl apply`, which copies objects into an annotation: {', '.join(large)}",
            "apply it with `kubectl apply --server-side`",
        )


def _text(subject: Subject, helm: Helm) -> str:
    return helm.render(
        subject.release,
        str(subject.chart.path),
        subject.inputs,
        namespace=subject.namespace,
        kube_version=subject.kube_version,
    )


def _identity(item: Manifest) -> tuple[str, str, str]:
    return str(item.get("kind")), namespace_of(item), name_of(item)
