"""Render the chart as the tool will: without a cluster, and so with new certificates at each time."""

from __future__ import annotations

from dataclasses import dataclass

from ciliumctl import permissions
from ciliumctl.clients.helm import Helm
from ciliumctl.clients.kube import Manifest, annotations_of, name_of, namespace_of
from ciliumctl.export.model import Subject

_HOOK = "helm.sh/hook"


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
