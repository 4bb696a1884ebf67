"""Files that others read, written whole or not at all, through links and into what is no plain file; and users' own."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ciliumctl.errors import BadFile, Exists, UsageError

# The descriptors of standard output and standard error.
_STANDARD = (1, 2)


def content(name: str, stdin: Callable[[], bytes]) -> bytes:
    """The bytes of a file that a user names; `-` is standard input. Raises `BadFile`."""
    if name == "-":
        return stdin()
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise BadFile(f"`{name}` cannot be read: {error.strerror}", hint="check the path") from error


def write_whole(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file, and the folders above it.

    A plain file is replaced at once: a reader sees the old one or the new one. It keeps its permissions unless `mode`
    names others, and a link keeps leading to it. Anything else (a device, a pipe, our own standard output) is opened
    and written to, since a file in its place would take it away from everybody; a pipe that nobody reads is an error.

    Raises:
        OSError: it cannot be written.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    if found is None:
        _replace(path.resolve(), text, mode)
    elif (number := _ours(found)) is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        _write(os.dup(number), text)
    elif stat.S_ISREG(found.st_mode):
        _replace(path.resolve(), text, stat.S_IMODE(found.st_mode) if mode is None else mode)
    else:
        _write(_opened(path), text)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is at `path`, whole, when the block ends well, and nowhere when it does not.

    Only its owner may read it. It never takes the place of something.

    Raises:
        UsageError: it cannot be written. Exists: something came to be there meanwhile.
    """
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        _place(Path(part), path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        Path(part).unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> UsageError:
    """The error of a path to which nothing can be written."""
    return UsageError(f"`{path}` cannot be written: {error.strerror or error}", hint="name a file somewhere else")


def _place(part: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never takes the place of something.
        os.link(part, path)
    except FileExistsError:
        raise Exists(f"`{path}` came to be there meanwhile", hint="run it again with another file name") from None
    except OSError:
        # A file system without links.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


def why_unwritable(path: Path) -> str:
    """Why `write_whole` could not write it, as far as can be told without writing; empty when it could."""
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    except OSError as error:
        return error.strerror or str(error)
    if found is not None and stat.S_ISDIR(found.st_mode):
        return "it is a folder"
    if found is not None and not stat.S_ISREG(found.st_mode):
        return "" if os.access(path, os.W_OK) else "it must not be written to"
    folder = path.resolve().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"`{folder}` is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"the folder `{folder}` must not be written to"


def _ours(found: os.stat_result) -> int | None:
    """The descriptor on which this process has it as its standard output or error."""
    for number in _STANDARD:
        try:
            if os.path.samestat(found, os.fstat(number)):
                return number
        except OSError:
            # It is closed.
            continue
    return None


def _opened(path: Path) -> int:
    """Open what is no plain file. Not to wait for a reader holds for the opening only."""
    number = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_blocking(number, True)
    return number


def _write(number: int, text: str) -> None:
    with os.fdopen(number, "w", encoding="utf-8") as out:
        out.write(text)


def _replace(path: Path, text: str, mode: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        _write(number, text)
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        Path(part).chmod(mode)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
