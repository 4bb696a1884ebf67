"""Which chart: from a repository's index, a file, a folder, an address or an OCI registry; and what is in it.

A repository may be a folder of chart archives, too: all that somebody without a network needs.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import semver
import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.web import Web
from ciliumctl.defaults import REPOSITORY
from ciliumctl.errors import (
    BadFile,
    ChartNotFound,
    ChecksumMismatch,
    DownloadFailed,
    Missing,
    RepositoryUnreachable,
    UsageError,
)
from ciliumctl.report import Reporter

#: Which release Cilium's own project calls stable.
STABLE = "https://raw.githubusercontent.com/cilium/cilium/main/stable.txt"
LOOK_UP_SECONDS = 2.0
_CHANNELS = ("stable", "latest")
_MEMBER_LIMIT = 16 << 20
_PARTIAL = re.compile(r"v?(\d+)(?:\.(\d+))?$")

Pull = Callable[[str, Path, str], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which chart is asked for. `chart` (a path, an address or an OCI reference) goes before `repository`."""

    version: str = ""
    chart: str = ""
    repository: str = REPOSITORY


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart on this disk; `path` is absolute, so that helm cannot take a folder of the same name instead."""

    path: Path
    source: str
    files: Mapping[str, bytes] = field(repr=False)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """What Chart.yaml says."""
        found = yaml_files.parse(self.files["Chart.yaml"])
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """The chart's name."""
        return str(self.metadata.get("name", ""))

    @property
    def version(self) -> str:
        """The chart's version, without a leading `v`."""
        return str(self.metadata.get("version", "")).removeprefix("v")

    @property
    def kube_version(self) -> str:
        """The Kubernetes versions that it accepts, such as `>= 1.21.0-0`."""
        return str(self.metadata.get("kubeVersion", ""))

    @cached_property
    def values(self) -> dict[str, Any]:
        """The chart's own values."""
        found = yaml_files.parse(self.files.get("values.yaml", b""))
        return found if isinstance(found, dict) else {}

    def same_as(self, stored: Mapping[str, Any]) -> bool:
        """Whether a release was made from this very chart: the same templates, not only the same version."""
        import base64

        theirs = {entry["name"]: base64.b64decode(entry["data"]) for entry in stored.get("templates") or []}
        ours = {name: data for name, data in self.files.items() if name.startswith("templates/")}
        same_metadata = str((stored.get("metadata") or {}).get("version", "")).removeprefix("v") == self.version
        return same_metadata and theirs == ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version in a repository's index."""

    version: str
    url: str
    digest: str
    kube_version: str = ""
    created: str = ""


def read(path: Path, source: str = "") -> Chart:
    """A chart folder or archive, read into memory. Raises `BadFile` when it is none."""
    path = path.expanduser().resolve()
    try:
        files = _read_folder(path) if path.is_dir() else _read_archive(path)
    except FileNotFoundError as error:
        raise BadFile(f"the chart `{path}` does not exist", hint="check `--chart`") from error
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise BadFile(f"`{path}` is not a chart: {error}", hint="give a chart folder or a .tgz archive") from error
    if "Chart.yaml" not in files:
        raise BadFile(f"`{path}` is not a chart: it has no Chart.yaml", hint="give a chart folder or a .tgz archive")
    chart = Chart(path=path, source=source or str(path), files=files)
    for file, parsed in (("Chart.yaml", "metadata"), ("values.yaml", "values")):
        try:
            getattr(chart, parsed)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise BadFile(
                f"`{path}` is not a chart: its {file} is no YAML", hint="fetch it again; it may be damaged"
            ) from error
    name = chart.name
    if name != "cilium":
        raise BadFile(f"`{path}` is the chart `{name}`, not Cilium's", hint="check `--chart`")
    return chart


def _read_folder(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.is_symlink()
    }


def _read_archive(path: Path) -> dict[str, bytes]:
    files = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            # The first part is the chart's folder.
            name = PurePosixPath(*PurePosixPath(member.name).parts[1:]).as_posix()
            if not member.isreg() or name == ".":
                continue
            if member.size > _MEMBER_LIMIT:
                raise BadFile(f"`{path}` is not a chart: `{name}` has {member.size >> 20} MiB")
            content = archive.extractfile(member)
            files[name] = content.read() if content is not None else b""
    return files


def check_version(version: str) -> None:
    """Refuse what is no version in any repository, before one is asked. Raises `UsageError`."""
    asked = version.removeprefix("v")
    if asked and asked not in _CHANNELS and not semver.Version.is_valid(asked) and not _PARTIAL.fullmatch(asked):
        raise _no_version(version)


def _no_version(text: str) -> UsageError:
    return UsageError(f"`{text}` is not a version", hint="write 1.15.6, 1.15 (its newest patch), stable or latest")


def resolve(request: Request, *, web: Web, cache: Path, report: Reporter, pull: Pull) -> Chart:
    """Find the chart, fetch it when it is not in the cache, and read it.

    `pull` fetches an OCI reference into a folder with Helm. Raises `ChartNotFound`, `RepositoryUnreachable`,
    `BadFile`, `ChecksumMismatch`; `UsageError` for what is no version.
    """
    check_version(request.version)
    with report.step("Finding the chart") as step:
        chart = _resolve(request, web, cache, report, pull)
        step.finish(f"{chart.name} {chart.version} from {chart.source}")
    return chart


def _resolve(request: Request, web: Web, cache: Path, report: Reporter, pull: Pull) -> Chart:
    if request.chart.startswith("oci://"):
        return _from_registry(request.chart, request.version, cache, pull)
    if request.chart.startswith(("https://", "http://")):
        path = _folder(cache, request.chart) / "cilium.tgz"
        web.download(request.chart, path)
        return _wanted(read(path, request.chart), request.version)
    if request.chart:
        path = Path(request.chart)
        if not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", request.chart):
            raise UsageError(
                f"`{request.chart}` is neither a file nor an address; names of `helm repo add` are not used",
                hint="leave `--chart` out for Cilium's own repository, or give its address with `--repository`",
            )
        return _wanted(read(path), request.version)
    if request.repository.startswith("oci://"):
        return _from_registry(request.repository, request.version, cache, pull)
    return _from_repository(request, web, cache, report)


def _wanted(chart: Chart, version: str) -> Chart:
    """The chart, when it is of the version that was asked for, too."""
    asked = version.removeprefix("v")
    if asked and asked not in _CHANNELS and not f"{chart.version}.".startswith(f"{asked}."):
        raise UsageError(
            f"`{chart.source}` is version {chart.version}, not {version} as asked for",
            hint="leave the version or the chart out",
        )
    return chart


def _from_registry(reference: str, version: str, cache: Path, pull: Pull) -> Chart:
    asked = version.removeprefix("v")
    if asked in _CHANNELS or (asked and _PARTIAL.fullmatch(asked)):
        raise UsageError(
            f"an OCI registry cannot be asked for version `{version}`", hint="name an exact version, such as 1.18.12"
        )
    folder = _folder(cache, reference)
    known = folder / f"cilium-{asked}.tgz"
    if asked and known.is_file():
        return read(known, f"{reference} (cached)")
    folder.mkdir(parents=True, exist_ok=True)
    return read(pull(reference, folder, asked), reference)


def _from_repository(request: Request, web: Web, cache: Path, report: Reporter) -> Chart:
    folder = _folder(cache, request.repository)
    exact = request.version.removeprefix("v")
    known = folder / f"cilium-{exact}.tgz"
    local = folder_of(request.repository)
    # A version's archive never changes: with it in the cache nothing is asked.
    if local is None and exact and known.is_file():
        return read(known, f"{request.repository} (cached)")
    entries = index(request.repository, web=web, cache=cache, report=report)
    wanted = request.version or "stable"
    if wanted == "stable":
        wanted = _stable(web, report) if request.repository == REPOSITORY else "latest"
    entry = pick(entries, wanted, request.repository)
    if local is not None:
        return read(local / entry.url)
    path = folder / f"cilium-{entry.version}.tgz"
    if not path.is_file():
        _fetch(entry, request.repository, path, web)
    return read(path, request.repository)


def _fetch(entry: Entry, repository: str, path: Path, web: Web) -> None:
    url = urljoin(repository.rstrip("/") + "/", entry.url)
    try:
        with _replacing(path) as part:
            digest = web.download(url, part, sha256=entry.digest)
    except OSError as error:
        raise Missing(
            f"`{path.parent}` cannot be written: {error.strerror}", hint="name another folder in `CILIUMCTL_CACHE`"
        ) from error
    except DownloadFailed as error:
        raise RepositoryUnreachable(
            f"chart {entry.version} cannot be fetched: {error.message}", hint=error.hint
        ) from error
    if not entry.digest:
        path.unlink(missing_ok=True)
        raise ChecksumMismatch(
            f"the index of `{repository}` has no digest for {entry.version} ({digest} came)",
            hint="fetch the chart yourself and give it with `--chart`",
        )


def _stable(web: Web, report: Reporter) -> str:
    """The release that the project calls stable; the newest one when the look-up fails, which it may."""
    text = web.glance(STABLE, seconds=LOOK_UP_SECONDS).strip()
    if re.fullmatch(r"v?\d+\.\d+\.\d+", text):
        return text
    report.note("Cilium's word on its stable release cannot be had: taking the newest release of the repository")
    return "latest"


def _folder(cache: Path, address: str) -> Path:
    return cache / "charts" / hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]


def index(
    repository: str, *, web: Web, cache: Path, report: Reporter, clock: Callable[[], float] = time.time
) -> list[Entry]:
    """The versions of Cilium's chart in a repository, newest first.

    The index is asked for with the ETag of the cached one; unreachable, the cached one is used, with a note.
    """
    local = folder_of(repository)
    if local is not None:
        return _in_folder(local)
    path = _folder(cache, repository) / "index.json"
    cached = _cached_index(path)
    url = f"{repository.rstrip('/')}/index.yaml"
    try:
        page = web.get(url, etag=cached["etag"] if cached else "", attempts=1 if cached else 4)
    except DownloadFailed as error:
        if cached is None:
            raise RepositoryUnreachable(
                f"the chart repository `{repository}` cannot be reached: {error.message}",
                hint="check the network and `HTTPS_PROXY`, or give a local chart with `--chart`",
            ) from error
        hours = (clock() - cached["fetched"]) / 3600
        report.note(f"`{repository}` does not answer: using its index of {hours:.0f} h ago")
        return [Entry(**entry) for entry in cached["entries"]]
    if page.unchanged and cached is not None:
        return [Entry(**entry) for entry in cached["entries"]]
    entries = parse_index(page.body, repository)
    kept = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in entries]
    with suppress(OSError), _replacing(path) as part:
        # Kept for the next run only; this one has its answer.
        part.write_text(json.dumps({"etag": page.etag, "fetched": clock(), "entries": kept}))
    return entries


def folder_of(repository: str) -> Path | None:
    """The folder that a repository is, given as a path or as `file://`; `None` for one of the web."""
    if repository.startswith("file://"):
        return Path(unquote(urlsplit(repository).path))
    return None if "://" in repository else Path(repository).expanduser()


def _in_folder(folder: Path) -> list[Entry]:
    """The charts of Cilium among the archives of a folder, newest first; only their Chart.yaml is read."""
    try:
        archives = sorted(folder.iterdir())
    except OSError as error:
        raise BadFile(
            f"the chart folder `{folder}` cannot be read: {error.strerror}", hint="check `--repository`"
        ) from error
    found = [entry for path in archives if path.suffix == ".tgz" and (entry := _entry_of(path)) is not None]
    if not found:
        raise ChartNotFound(f"`{folder}` has no archive of Cilium's chart", hint="put `cilium-VERSION.tgz` there")
    return sorted(found, key=lambda entry: semver.Version.parse(entry.version), reverse=True)


def _entry_of(path: Path) -> Entry | None:
    """What an archive says of itself; `None` when it is no chart of Cilium. Only read as far as its Chart.yaml."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = next((one for one in archive if PurePosixPath(one.name).parts[1:] == ("Chart.yaml",)), None)
            content = archive.extractfile(member) if member is not None and member.size <= _MEMBER_LIMIT else None
            metadata = yaml_files.parse(content.read()) if content is not None else None
    except (OSError, tarfile.TarError, EOFError, zlib.error, yaml.YAMLError, ValueError):
        return None
    if not isinstance(metadata, dict) or metadata.get("name") != "cilium":
        return None
    version = str(metadata.get("version", "")).removeprefix("v")
    if not semver.Version.is_valid(version):
        return None
    return Entry(version=version, url=path.name, digest="", kube_version=str(metadata.get("kubeVersion") or ""))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` when the block ends well; its name is this run's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent, ignore_cleanup_errors=True) as scratch:
        part = Path(scratch) / path.name
        yield part
        part.replace(path)


def _cached_index(path: Path) -> dict[str, Any] | None:
    """The parsed index as kept; a damaged one counts as none."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept if {"etag", "fetched", "entries"} <= kept.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def parse_index(body: bytes, repository: str) -> list[Entry]:
    """The entries of an `index.yaml`, newest first. Raises `RepositoryUnreachable` when it is none."""
    try:
        content = yaml_files.parse(body)
        found = content["entries"]["cilium"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise RepositoryUnreachable(
            f"`{repository}` is not a repository of Cilium's chart", hint="check `--repository`"
        ) from error
    entries = [
        Entry(
            version=str(item["version"]).removeprefix("v"),
            url=str((item.get("urls") or [""])[0]),
            digest=str(item.get("digest") or ""),
            kube_version=str(item.get("kubeVersion") or ""),
            created=str(item.get("created") or ""),
        )
        for item in found
        if semver.Version.is_valid(str(item.get("version", "")).removeprefix("v"))
    ]
    return sorted(entries, key=lambda entry: semver.Version.parse(entry.version), reverse=True)


def pick(entries: list[Entry], wanted: str, repository: str) -> Entry:
    """The entry for an exact version, `1.15` (the newest patch of it) or `latest`.

    Pre-releases are only taken when they are named exactly. Raises `ChartNotFound`, `UsageError`.
    """
    asked = wanted.removeprefix("v")
    releases = [entry for entry in entries if "-" not in entry.version]
    if asked == "latest":
        found = releases[:1]
    elif semver.Version.is_valid(asked):
        found = [entry for entry in entries if entry.version == asked]
    elif _PARTIAL.fullmatch(asked):
        found = [entry for entry in releases if entry.version.startswith(f"{asked}.")][:1]
    else:
        raise _no_version(wanted)
    if not found:
        near = [entry.version for entry in releases if entry.version.startswith(asked.rsplit(".", 1)[0] + ".")][:5]
        listed = ", ".join(near or [entry.version for entry in releases[:5]]) or "none"
        raise ChartNotFound(f"`{repository}` has no Cilium {wanted}", hint=f"it has {listed}")
    return found[0]
