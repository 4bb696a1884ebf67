"""The file that a dump becomes: whole or not at all, for its owner's eyes only, never over another one."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ciliumctl.errors import CiliumctlError, Exists, UsageError
from ciliumctl.files import new_file
from ciliumctl.sysdump import redact

# What an entry costs beside its content: its name twice, two headers.
_OVERHEAD = 200
# Kept free for the list of what is missing, and the summary.
_RESERVE = 128 * 1024


class TooLarge(CiliumctlError):
    """The archive has no room for a piece any more; told as a problem, never the end of a command."""


def default_name(now: datetime) -> str:
    """The name of an archive that was given none."""
    return f"ciliumctl-sysdump-{now:%Y%m%d-%H%M%S}.zip"


def free(given: str, now: datetime) -> Path:
    """Where the archive goes: `given` (`.zip` is added where it is missing), or a new name in the current folder.

    Raises:
        UsageError: it cannot be written there. Exists: something is there already.
    """
    path = Path(given or default_name(now))
    if path.is_dir():
        raise UsageError(f"`{path}` is a folder", hint="name a file")
    if path.suffix != ".zip":
        path = path.with_name(f"{path.name}.zip")
    if path.exists() or path.is_symlink():
        if given:
            raise Exists(f"`{path}` is there already", hint="name another file: none is ever overwritten")
        path = next(other for number in range(2, 10_000) if not (other := _numbered(path, number)).exists())
    if not path.parent.is_dir():
        raise UsageError(f"the folder `{path.parent}` does not exist", hint="make it, or name another file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"the folder `{path.parent}` cannot be written to", hint="name a file in another folder")
    return path


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


class Archive:
    """A growing archive, filled from several threads. Everything that goes in is redacted here, and only here."""

    def __init__(self, out: zipfile.ZipFile, folder: str, most: int) -> None:
        self._out = out
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._size = 0
        self._names: set[str] = set()

    def add(self, name: str, content: str, *, last: bool = False) -> int:
        """Add a text file; returns its size in bytes. `last` may use the reserve.

        Raises:
            TooLarge: it would make the archive larger than it may be.
        """
        data = redact.text(content).encode("utf-8", "replace")
        cost = len(zlib.compress(data, 6)) + 2 * len(name.encode()) + _OVERHEAD
        with self._lock:
            if self._size + cost > self._most - (0 if last else _RESERVE):
                raise TooLarge("there was no room for it", hint="raise `--max-size`")
            self._size += cost
            info = zipfile.ZipInfo(f"{self._folder}/{self._unused(name)}", date_time=_now())
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            self._out.writestr(info, data, compresslevel=6)
        return len(data)

    def _unused(self, name: str) -> str:
        """The name as a safe path inside of the archive: nodes and pods are named by others."""
        parts = [part for part in name.replace("\\", "_").split("/") if part not in {"", ".", ".."}]
        safe = "/".join("".join(char if char.isalnum() or char in "-._" else "_" for char in part) for part in parts)
        found, number = safe, 1
        while found in self._names:
            number += 1
            found = f"{safe}.{number}"
        self._names.add(found)
        return found


def _now() -> tuple[int, int, int, int, int, int]:
    now = datetime.now().astimezone()
    return (now.year, now.month, now.day, now.hour, now.minute, now.second)


@contextmanager
def writing(path: Path, most: int) -> Iterator[Archive]:
    """An archive to fill; it is at `path` when the block ends well, and nowhere when it does not.

    Raises:
        UsageError: it cannot be written. Exists: something came to be there meanwhile.
    """
    with new_file(path) as raw, zipfile.ZipFile(raw, "w") as out:
        yield Archive(out, path.stem, most)
