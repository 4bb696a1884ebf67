"""What another tool is given instead of an installation by ours: Argo CD, Flux, Kustomize, kubectl, Helm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ciliumctl.errors import Missing
from ciliumctl.export import argocd, flux, kustomize, secrets
from ciliumctl.export.model import FORMS, Exported, File, Form, Subject, namespace_of
from ciliumctl.export.rendering import Rendered, render, warn_of_large
from ciliumctl.export.source import published
from ciliumctl.files import write_whole
from ciliumctl.installation.plan import Means
from ciliumctl.yaml_files import dump

__all__ = ["FORMS", "Exported", "File", "Form", "Subject", "make", "place"]


def make(form: Form, subject: Subject, means: Means, *, folder: bool = False) -> Exported:
    """The files for a tool; asks no cluster. With `folder` they are laid out for one, else to be one stream.

    What must not be committed as it is, and what a tool would stumble over, is warned of.

    Raises:
        UsageError: the tool could not fetch this chart, or one stream cannot hold the files.
        HelmFailed: the chart cannot be rendered with these values.
    """
    for warning in secrets.found_in(subject, form):
        means.report.warn(warning.message, warning.hint, grave=True)
    if form == "values":
        return _exported(form, subject, File(name="values.yaml", content=dump(dict(subject.config))))
    if form == "manifests":
        rendered = render(subject, means.helm)
        secrets.warn_of_private_keys(rendered, subject, means.report)
        warn_of_large(rendered, means.report)
        return _exported(form, subject, File(name="cilium.yaml", content=_with_namespace(rendered, subject)))
    source = published(subject, means)
    rendered = render(subject, means.helm, twice=True)
    if rendered.changing:
        warning = secrets.of_changing(rendered.changing, subject)
        means.report.warn(warning.message, warning.hint)
    if form == "argocd":
        return _exported(form, subject, *argocd.files(subject, source, rendered, means.report))
    if form == "flux":
        return _exported(form, subject, *flux.files(subject, source, rendered))
    warn_of_large(rendered, means.report)
    return _exported(form, subject, *kustomize.files(subject, source, folder=folder))


def place(exported: Exported, folder: Path, consent: Callable[[str], None]) -> Exported:
    """Write the files into a folder, asking `consent` before other files of these names are replaced.

    Raises:
        NeedsConfirmation: there are such files, and nobody agreed.
        Missing: a file cannot be written.
    """
    try:
        there = [file.name for file in exported.files if _differs(folder / file.name, file.content)]
        if there:
            consent(f"Replace {', '.join(f'`{folder / name}`' for name in there)}?")
        for file in exported.files:
            write_whole(folder / file.name, file.content)
    except OSError as error:
        raise Missing(
            f"`{folder}` cannot be written to: {error.strerror}", hint="name another folder with `--output-dir`"
        ) from error
    return replace(exported, folder=str(folder))


def _differs(path: Path, content: str) -> bool:
    return path.exists() and path.read_bytes() != content.encode()


def _exported(form: Form, subject: Subject, *files: File) -> Exported:
    return Exported(
        form=form, version=subject.chart.version, namespace=subject.namespace, release=subject.release, files=files
    )


def _with_namespace(rendered: Rendered, subject: Subject) -> str:
    namespace = namespace_of(subject)
    return f"---\n{dump(namespace)}{rendered.text}" if namespace else rendered.text
