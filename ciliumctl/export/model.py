"""What is exported, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ciliumctl import charts
from ciliumctl.clients.helm import Inputs
from ciliumctl.installation.steps import PRIVILEGED
from ciliumctl.yaml_files import dump

Form = Literal["argocd", "flux", "kustomize", "manifests", "values"]
FORMS: tuple[Form, ...] = ("argocd", "flux", "kustomize", "manifests", "values")
# Namespaces that every cluster has.
_ALWAYS = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The installation to hand over. `request` says where the chart came from, `config` is what Helm would keep.

    Without `with_namespace` the installation's namespace is somebody else's, and is not among what is made.
    """

    chart: charts.Chart
    request: charts.Request
    inputs: Inputs
    config: Mapping[str, Any]
    namespace: str
    release: str
    kube_version: str
    with_namespace: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file for the tool."""

    name: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The files for a tool. `folder` is where they were written; empty where they were not."""

    kind: ClassVar[str] = "Export"

    form: Form
    version: str
    namespace: str
    release: str
    files: tuple[File, ...]
    folder: str = ""

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def text(self) -> str:
        """All files as one stream of documents."""
        first, *others = (file.content for file in self.files)
        return first + "".join(f"---\n{content}" for content in others)


def namespace_of(subject: Subject) -> dict[str, Any]:
    """The Namespace that must be made first, open for privileged pods; empty where it is there."""
    if subject.namespace in _ALWAYS or not subject.with_namespace:
        return {}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": subject.namespace, "labels": dict(PRIVILEGED)},
    }


def yaml_of(name: str, *documents: Mapping[str, Any]) -> File:
    """A file of these documents."""
    return File(name=name, content="---\n".join(dump(dict(document)) for document in documents))
