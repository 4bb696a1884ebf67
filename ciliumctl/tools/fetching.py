"""Fetch a published file, verified, into a folder of ours; put the program of it in place, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ciliumctl.clients.web import Web, shown
from ciliumctl.errors import ChecksumMismatch, DownloadFailed, Missing
from ciliumctl.report import Reporter
from ciliumctl.tools.archives import extract
from ciliumctl.tools.catalogue import Platform, Tool
from ciliumctl.tools.checksums import LIMIT, sum_for

#: The largest of the published files has 180 MB.
SIZE_LIMIT = 1 << 30
ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which published file. `base` is a mirror; empty for the official site."""

    tool: Tool
    version: str
    where: Platform
    base: str = ""

    @property
    def name(self) -> str:
        """The published file's name."""
        return self.tool.file_name(self.version, self.where)

    @property
    def url(self) -> str:
        """The published file's address."""
        return self.tool.address(self.version, self.where, self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published file that has the right checksum. `against` says whose checksum that is."""

    path: Path
    sha256: str
    against: str


@contextmanager
def downloaded(
    wanted: Wanted, web: Web, folder: Path, report: Reporter, *, attempts: int = ATTEMPTS
) -> Iterator[Published]:
    """The published file, downloaded and verified, while the block runs; removed afterwards.

    A download that was cut is taken up again by the next run: it lies below `folder`.

    Raises:
        DownloadFailed: it cannot be had; ChecksumMismatch: it is not what its publisher made.
    """
    with _workplace(folder, f"{wanted.tool.name}-{wanted.version}-{wanted.where}") as place:
        path = place / wanted.name
        with report.step(f"Download {wanted.tool.name} {wanted.version} for {wanted.where}") as step:
            expected, against = _expected(wanted, web, attempts)
            web.download(
                wanted.url,
                path,
                sha256=expected,
                limit=SIZE_LIMIT,
                progress=lambda done, total: step(done=done, total=total),
                attempts=attempts,
            )
            step.finish("verified")
        try:
            yield Published(path=path, sha256=expected, against=against)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _expected(wanted: Wanted, web: Web, attempts: int) -> tuple[str, str]:
    """The SHA-256 that the published file must have, and whose word that is."""
    pinned = wanted.tool.pinned_sum(wanted.version, wanted.where)
    if pinned:
        return pinned, "the checksum that ciliumctl knows"
    address = wanted.tool.checksum_address(wanted.version, wanted.where, wanted.base)
    if not address:
        raise DownloadFailed(
            f"nobody publishes a checksum of {wanted.tool.name} {wanted.version} for `{wanted.where}`",
            hint="nothing is installed unverified; build it from source",
        )
    try:
        text = web.text(address, attempts=attempts, limit=LIMIT)
    except DownloadFailed as error:
        if " answered 4" in error.message:
            raise ChecksumMismatch(
                f"there is no checksum to verify `{wanted.name}` with: {error.message}",
                hint="check the version and the mirror; nothing is installed unverified",
            ) from error
        raise
    return sum_for(text, wanted.name, shown(address)), shown(address)


@contextmanager
def _workplace(folder: Path, name: str) -> Iterator[Path]:
    """A folder for one download; another one when another run is at the same download."""
    place = folder / name
    try:
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY)
    except OSError as error:
        raise Missing(
            f"`{place}` cannot be written: {error.strerror}", hint="name another folder in `CILIUMCTL_CACHE`"
        ) from error
    try:
        if _locked(descriptor, place):
            try:
                yield place
            finally:
                # Not empty: a download that was cut waits there for the next run.
                with suppress(OSError):
                    place.rmdir()
        else:
            with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=folder, ignore_cleanup_errors=True) as own:
                yield Path(own)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, place: Path) -> bool:
    """Whether the folder is ours now, and still the one of that name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except OSError:
        return False


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of the program `target` when the block ends well.

    Until then what was there stays; when the block does not end well, nothing new is left beside it.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise Missing(
            f"`{target.parent}` cannot be written: {error.strerror}", hint="choose another folder with `--dir`"
        ) from error
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o755)
            os.fsync(file.fileno())
        path.replace(target)
    except IsADirectoryError as error:
        raise Missing(f"`{target}` is a folder", hint="choose another folder with `--dir`") from error
    finally:
        path.unlink(missing_ok=True)


def write_program(file: BinaryIO, name: str, member: str, target: Path) -> None:
    """Put the program that the open published `file` is, or holds as `member`, in place of `target`.

    Raises:
        UnsafeArchive: nothing was changed. Missing: the folder cannot be written.
    """
    with replacing(target) as out:
        try:
            if member:
                extract(file, member, out, name=name)
            else:
                file.seek(0)
                shutil.copyfileobj(file, out)
        except OSError as error:
            raise Missing(
                f"`{target.parent}` cannot be written: {error.strerror}", hint="free some space, or use `--dir`"
            ) from error
