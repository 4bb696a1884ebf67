"""Ask programs on this machine which version they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ciliumctl.errors import Missing
from ciliumctl.tools.catalogue import Tool, version_in

_SECONDS = 10.0


def runs(path: Path) -> bool:
    """Whether `path` is a program that this user may run."""
    return path.is_file() and os.access(path, os.X_OK)


def on_path(tool: Tool, environ: Mapping[str, str]) -> Path | None:
    """Where PATH finds the program; `None` when it does not."""
    found = shutil.which(tool.program, path=environ.get("PATH", ""))
    return Path(found).absolute() if found else None


def installed_version(tool: Tool, path: Path, environ: Mapping[str, str]) -> str:
    """The version that a program says it is, without a `v`; empty when it is not there or does not say."""
    if not runs(path):
        return ""
    try:
        done = subprocess.run(
            [str(path), *tool.ask],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env=dict(environ),
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return version_in(done.stdout.decode(errors="replace")) or version_in(done.stderr.decode(errors="replace"))


def in_cache(tool: Tool, folder: Path) -> Path | None:
    """The program of the pinned version in our own folder; `None` when it is not there."""
    path = cached_path(tool, folder)
    return path if runs(path) else None


def cached_path(tool: Tool, folder: Path) -> Path:
    """Where the program of the pinned version is kept in our own folder."""
    return folder / f"{tool.name}-{tool.version}"


def is_wanted(tool: Tool, version: str) -> bool:
    """Whether a program of this version will do: the pinned one, or any from the minimum on where there is one."""
    if not tool.minimum or not version:
        return version == tool.version
    import semver

    return semver.Version.parse(version) >= semver.Version.parse(tool.minimum)


def writable(folder: Path) -> None:
    """Make the folder of our own programs. Raises `Missing`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(folder, "no permission")


def _unwritable(folder: Path, why: str) -> Missing:
    return Missing(f"`{folder}` cannot be written: {why}", hint="name another folder in `CILIUMCTL_CACHE`")
