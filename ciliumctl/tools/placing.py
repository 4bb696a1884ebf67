"""Put a program where the user wants it, or say that it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

from ciliumctl.clients.web import Web, sha256_of, shown
from ciliumctl.errors import DownloadFailed, Exists, Missing, UsageError
from ciliumctl.report import Reporter
from ciliumctl.tools.archives import is_archive
from ciliumctl.tools.asking import installed_version
from ciliumctl.tools.catalogue import Module, Platform, Tool, exact_version, here
from ciliumctl.tools.fetching import ATTEMPTS, Wanted, downloaded, write_program
from ciliumctl.tools.gobuild import build, toolchain
from ciliumctl.tools.verifying import Local, local

LOOK_UP_SECONDS = 2.0
SYSTEM_FOLDER = Path("/usr/local/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a program is to come from: `file` (with `checksum`, a sum or a file of sums), else the web.

    `version` is empty for the stable one, `base` for the official site.
    """

    tool: Tool
    where: Platform
    version: str = ""
    base: str = ""
    file: Path | None = None
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A program in its place.

    `before` is the version that was replaced, `sha256` that of the published file, `against` whose word that is;
    `path_line` is what the user's shell needs, `path_file` where it goes; `hidden_by` is another program of the name
    that PATH finds first. Each is empty when there is nothing to say.
    """

    kind: ClassVar[str] = "ToolsInstall"

    outcome: Literal["installed", "unchanged"]
    tool: str
    version: str
    platform: str
    path: Path
    before: str = ""
    source: str = ""
    sha256: str = ""
    against: str = ""
    path_line: str = ""
    path_file: str = ""
    hidden_by: str = ""

    @property
    def ok(self) -> bool:
        """Always: it is there."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """An open file that was verified, and what is known of it: a published one, or a program built from its source."""

    file: BinaryIO
    name: str
    source: str
    sha256: str
    against: str


def default_folder(environ: Mapping[str, str], system: Path = SYSTEM_FOLDER) -> Path:
    """`/usr/local/bin` when this user may write there, else `~/.local/bin`."""
    if os.access(system, os.W_OK):
        return system
    return Path(environ.get("HOME") or Path.home()) / ".local" / "bin"


def place(
    source: Source,
    folder: Path,
    *,
    web: Web,
    cache: Path,
    environ: Mapping[str, str],
    report: Reporter,
    force: bool = False,
) -> Placed:
    """Download (or take a local file), verify, unpack and put a program into `folder`, atomically.

    What was there stays until the new one is whole. A program of the same version is left alone unless `force`.
    Downloads lie in `cache` until they are whole. Where the official site cannot be had, a Go toolchain builds the
    version that we know, of this platform, from its module.

    Raises:
        DownloadFailed, ChecksumMismatch, UnsafeArchive: nothing was changed.
        Missing: the folder cannot be written. Exists: there is a folder of the program's name.
    """
    tool, where = source.tool, source.where
    if source.file is None:
        tool.check(where)
    target = folder.absolute() / f"{tool.program}{where.suffix}"
    _check_folder(target)
    given = local(source.file, source.checksum, tool, where, _asked(source)) if source.file is not None else None
    version = given.version if given is not None else _version(source, web, report)
    native = where == here()
    before = installed_version(tool, target, environ) if native else ""
    if before and before == version and not force:
        return _result("unchanged", tool, version, where, target, environ)
    with _verified(given, source, version, web, cache, environ, report) as origin:
        target.parent.mkdir(parents=True, exist_ok=True)
        member = tool.member_of(version, where) if is_archive(origin.file, origin.name) else ""
        write_program(origin.file, origin.name, member, target)
    says = installed_version(tool, target, environ) if native else version
    if version and says != version:
        report.warn(
            f"`{target}` says that its version is `{says or 'unknown'}`, not {version}", f"try `{target} --help`"
        )
    return _result("installed", tool, version or says, where, target, environ, before=before, origin=origin)


@contextmanager
def _verified(
    given: Local | None,
    source: Source,
    version: str,
    web: Web,
    cache: Path,
    environ: Mapping[str, str],
    report: Reporter,
) -> Iterator[_Origin]:
    with ExitStack() as stack:
        if given is not None:
            # What was verified is what is unpacked: the same open file.
            file = stack.enter_context(given.file)
            yield _Origin(
                file=file, name=given.path.name, source=str(given.path), sha256=given.sha256, against=given.against
            )
            return
        wanted = Wanted(tool=source.tool, version=version, where=source.where, base=source.base)
        module = _module(source, version) if toolchain(environ) else None
        try:
            published = stack.enter_context(
                downloaded(wanted, web, cache / ".downloads", report, attempts=2 if module is not None else ATTEMPTS)
            )
        except DownloadFailed as error:
            if module is None:
                raise
            report.note(f"{error.message}: building with Go instead")
            yield _built(source.tool, module, cache, web, environ, report, stack)
            return
        yield _Origin(
            file=stack.enter_context(published.path.open("rb")),
            name=wanted.name,
            source=shown(wanted.url),
            sha256=published.sha256,
            against=published.against,
        )


def _module(source: Source, version: str) -> Module | None:
    """What to build it from: only of the version that we know do we know the checksum; a mirror is to be used."""
    known = version == source.tool.version and source.where == here() and not source.base
    return source.tool.module if known else None


def _built(
    tool: Tool, module: Module, cache: Path, web: Web, environ: Mapping[str, str], report: Reporter, stack: ExitStack
) -> _Origin:
    path = build(module, [tool], cache, environ=environ, report=report, deadline=web.deadline)[tool.name]
    source = f"{module.name}@v{module.version}"
    return _Origin(
        file=stack.enter_context(path.open("rb")),
        name=path.name,
        source=source,
        sha256=sha256_of(path),
        against=f"built here from {source}, whose checksum ciliumctl knows",
    )


def _asked(source: Source) -> str:
    """The version asked for by number, without a `v`; empty for the stable one. Raises `UsageError`."""
    if source.version in {"", "stable", "latest"}:
        return ""
    version = exact_version(source.version)
    if not version:
        raise UsageError(
            f"`{source.version}` is not a version of {source.tool.name}",
            hint=f"write it in full, such as {source.tool.version}, or leave it out",
        )
    return version


def _version(source: Source, web: Web, report: Reporter) -> str:
    """The version asked for, else the stable one, else the one that we know."""
    tool = source.tool
    asked = _asked(source)
    if asked or not tool.stable:
        return asked or tool.version
    address = f"{source.base.rstrip('/')}/stable.txt" if source.base else tool.stable
    stable = exact_version(web.glance(address, seconds=LOOK_UP_SECONDS))
    if not stable:
        report.note(
            f"which {tool.name} is stable could not be read from `{shown(address)}`; "
            f"taking {tool.version}, which ciliumctl knows"
        )
    return stable or tool.version


def _check_folder(target: Path) -> None:
    """Look before anything is downloaded."""
    folder = target.parent
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not nearest.is_dir():
        raise Missing(f"`{nearest}` is not a folder", hint="choose another one with `--dir`")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Missing(
            f"this user may not write to `{folder}`", hint="use `--dir ~/.local/bin`, or run the command with sudo"
        )
    if target.is_dir():
        raise Exists(f"`{target}` is a folder", hint="choose another place with `--dir`")


def _result(
    outcome: Literal["installed", "unchanged"],
    tool: Tool,
    version: str,
    where: Platform,
    target: Path,
    environ: Mapping[str, str],
    *,
    before: str = "",
    origin: _Origin | None = None,
) -> Placed:
    line, file = _path_advice(target.parent, environ) if where == here() else ("", "")
    return Placed(
        outcome=outcome,
        tool=tool.name,
        version=version,
        platform=str(where),
        path=target,
        before=before,
        source=origin.source if origin else "",
        sha256=origin.sha256 if origin else "",
        against=origin.against if origin else "",
        path_line=line,
        path_file=file,
        hidden_by=_hidden_by(target, environ) if where == here() and not line else "",
    )


def _on_path(folder: Path, environ: Mapping[str, str]) -> bool:
    entries = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    return any(entry.absolute() == folder or entry.resolve() == folder.resolve() for entry in entries)


def _path_advice(folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The line that puts the folder on PATH, and the file of the user's shell that it goes into."""
    if _on_path(folder, environ):
        return "", ""
    home = environ.get("HOME", "")
    inside = bool(home) and folder.is_relative_to(home)
    name = f"$HOME/{folder.relative_to(home)}" if inside else str(folder)
    shell = environ.get("SHELL", "").rsplit("/", 1)[-1]
    if shell == "fish":
        return f'fish_add_path "{name}"', "~/.config/fish/config.fish"
    return f'export PATH="{name}:$PATH"', {"bash": "~/.bashrc", "zsh": "~/.zshrc"}.get(shell, "~/.profile")


def _hidden_by(target: Path, environ: Mapping[str, str]) -> str:
    """Another program of the same name that PATH finds first; empty when it finds ours."""
    first = shutil.which(target.name, path=environ.get("PATH", ""))
    return first if first and not Path(first).samefile(target) else ""
