"""Where another tool can fetch the chart from: a repository or a registry, never a file of this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ciliumctl import charts
from ciliumctl.defaults import REPOSITORY
from ciliumctl.errors import RepositoryUnreachable, UsageError
from ciliumctl.export.model import Subject
from ciliumctl.installation.plan import Means


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A repository (`https://…`) or the folder of a registry (`oci://…`), and the chart's name in it."""

    repository: str
    name: str

    @property
    def in_registry(self) -> bool:
        """Whether it is an OCI registry."""
        return self.repository.startswith("oci://")


def published(subject: Subject, means: Means, official: str = REPOSITORY) -> Source:
    """Where the chart is published; `official` stands in for a repository that is a folder of this machine.

    A local archive counts when the repository has the very same one. Raises `UsageError` when nobody else can have it.
    """
    request = subject.request
    for reference in (request.chart, request.repository):
        if reference.startswith("oci://"):
            folder, _slash, name = reference.rstrip("/").rpartition("/")
            return Source(repository=folder, name=name)
        if reference and reference == request.chart:
            break
    local = charts.folder_of(request.repository) is not None
    repository = official if local else request.repository
    if (request.chart or local) and not _is_released(subject, repository, means):
        raise UsageError(
            f"another tool cannot fetch the chart `{request.chart or subject.chart.path}`: "
            f"`{repository}` has no Cilium {subject.chart.version} that is the same",
            hint=f"name a chart that it can fetch with `--repository URL --version {subject.chart.version}` or "
            "`--chart oci://…`, or commit what the chart renders to: `--export manifests`",
        )
    return Source(repository=repository, name=subject.chart.name)


def _is_released(subject: Subject, repository: str, means: Means) -> bool:
    """Whether the repository's archive of this version has the same digest as the one at hand."""
    path = subject.chart.path
    if not path.is_file():
        return False
    try:
        entries = charts.index(repository, web=means.web, cache=means.cache, report=means.report)
    except RepositoryUnreachable as error:
        means.report.note(f"whether the chart is a released one cannot be told: {error.message}")
        return False
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return any(entry.version == subject.chart.version and entry.digest == digest for entry in entries)
