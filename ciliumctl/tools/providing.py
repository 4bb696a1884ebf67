"""The programs that ciliumctl itself runs: found, downloaded or built, each of a version that we know."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ciliumctl.clients.web import Web
from ciliumctl.errors import CiliumctlError, DownloadFailed, Missing
from ciliumctl.report import Reporter
from ciliumctl.tools.asking import cached_path, in_cache, installed_version, is_wanted, on_path, runs, writable
from ciliumctl.tools.catalogue import Tool, here, tool
from ciliumctl.tools.fetching import ATTEMPTS, Wanted, downloaded, write_program
from ciliumctl.tools.gobuild import build, toolchain


def look_for_helm(*, explicit: str, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The helm to use: the one named, the one on PATH, the one that we fetched before; `None` when there is none.

    Raises:
        Missing: the one named cannot be run.
    """
    if explicit:
        named = Path(shutil.which(explicit, path=environ.get("PATH", "")) or Path(explicit).expanduser()).absolute()
        if not runs(named):
            why = "is not executable" if named.is_file() else "does not exist"
            raise Missing(f"`{explicit}` {why}", hint="check `--helm`, or `ciliumctl tools install helm`")
        return named
    helm = tool("helm")
    return on_path(helm, environ) or in_cache(helm, folder)


def fetch_helm(web: Web, folder: Path, report: Reporter, environ: Mapping[str, str]) -> Path:
    """Fetch the pinned helm into our own `folder`; build it with Go when its site cannot be reached.

    Raises:
        Missing: neither worked; the message has both reasons. ChecksumMismatch, UnsafeArchive: nothing was changed.
    """
    helm = tool("helm")
    return in_cache(helm, folder) or _provide([helm], folder, web, report, environ)["helm"]


def programs(
    names: Sequence[str], *, folder: Path, web: Web, report: Reporter, environ: Mapping[str, str]
) -> dict[str, Path]:
    """Where the named programs are: on PATH in the right version, in `folder`, downloaded there, or built with Go.

    Raises:
        Missing: one of them cannot be had; the message says what was tried.
        ChecksumMismatch, UnsafeArchive: one is not what its publisher made.
    """
    found: dict[str, Path] = {}
    for name in names:
        path = _there(tool(name), folder, environ)
        if path is not None:
            found[name] = path
    missing = [tool(name) for name in dict.fromkeys(names) if name not in found]
    return found | _provide(missing, folder, web, report, environ)


def _there(wanted: Tool, folder: Path, environ: Mapping[str, str]) -> Path | None:
    found = on_path(wanted, environ)
    if found is not None and is_wanted(wanted, installed_version(wanted, found, environ)):
        return found
    return in_cache(wanted, folder)


def _provide(
    tools: Sequence[Tool], folder: Path, web: Web, report: Reporter, environ: Mapping[str, str]
) -> dict[str, Path]:
    """Download the programs into `folder`; build those whose sites cannot be reached."""
    found: dict[str, Path] = {}
    failures: dict[str, DownloadFailed] = {}
    go = bool(toolchain(environ))
    silent = _silent(tools, web, environ) if go else {}
    for wanted in tools:
        site = _site(_address(wanted, environ))
        try:
            if site in silent and go and wanted.module is not None:
                raise silent[site]
            found[wanted.name] = _download(wanted, folder, web, report, environ, attempts=2 if go else ATTEMPTS)
        except DownloadFailed as error:
            failures[wanted.name] = error
            if " answered " not in error.message:
                silent[site] = error
    left = [wanted for wanted in tools if wanted.name in failures]
    for module in dict.fromkeys(wanted.module.name for wanted in left if wanted.module is not None):
        mine = [wanted for wanted in left if wanted.module is not None and wanted.module.name == module]
        found |= _built(mine, folder, web, report, environ, failures[mine[0].name])
    for wanted in left:
        if wanted.name not in found:
            raise _neither([wanted], failures[wanted.name], None)
    return found


def _address(wanted: Tool, environ: Mapping[str, str]) -> str:
    return wanted.address(wanted.version, here(), wanted.base_from(environ))


def _site(address: str) -> str:
    return urlsplit(address).netloc


def _silent(tools: Sequence[Tool], web: Web, environ: Mapping[str, str]) -> dict[str, DownloadFailed]:
    """The sites that do not answer; nobody waits long for a download where Go can build the same."""
    sites = {_site(address): address for address in (_address(wanted, environ) for wanted in tools)}
    failures = web.unreachable(sites.values())
    return {site: failures[address] for site, address in sites.items() if address in failures}


def _download(
    wanted: Tool, folder: Path, web: Web, report: Reporter, environ: Mapping[str, str], *, attempts: int
) -> Path:
    where = here()
    writable(folder)
    if str(where) not in wanted.platforms:
        raise DownloadFailed(f"nobody publishes it for `{where}`", hint="build it from source")
    request = Wanted(tool=wanted, version=wanted.version, where=where, base=wanted.base_from(environ))
    target = cached_path(wanted, folder)
    with (
        downloaded(request, web, folder / ".downloads", report, attempts=attempts) as published,
        published.path.open("rb") as file,
    ):
        write_program(file, published.path.name, wanted.member_of(wanted.version, where), target)
    return target


def _built(
    tools: Sequence[Tool],
    folder: Path,
    web: Web,
    report: Reporter,
    environ: Mapping[str, str],
    downloading: DownloadFailed,
) -> dict[str, Path]:
    module = tools[0].module
    if module is None:
        return {}
    if toolchain(environ):
        report.note(f"{downloading.message}: building with Go instead")
    try:
        return build(module, tools, folder, environ=environ, report=report, deadline=web.deadline)
    except (DownloadFailed, Missing) as error:
        raise _neither(tools, downloading, error) from error


def _neither(tools: Sequence[Tool], downloading: DownloadFailed, building: CiliumctlError | None) -> Missing:
    names = ", ".join(f"{wanted.name} {wanted.version}" for wanted in tools)
    reasons = [downloading.message, *([building.message] if building else [])]
    return Missing(
        f"{names} cannot be had: {'; '.join(reasons)}",
        hint=f"put it on PATH yourself, or name a mirror in `{tools[0].mirror_variable}`",
        detail=building.detail if building else downloading.detail,
    )
