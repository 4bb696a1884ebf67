"""Take one program out of an archive, and nothing else."""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO, cast

from ciliumctl.errors import UnsafeArchive

#: The largest of the programs has 150 MB.
MEMBER_LIMIT = 512 << 20
TOTAL_LIMIT = 1 << 30
#: A header that tells more than this, such as a name of a million characters, is made to hurt.
HEADER_LIMIT = 1 << 20
#: Programs shrink to a third or a fourth; only filler shrinks to a hundredth.
RATIO_LIMIT = 100
_ALWAYS_FINE = 16 << 20
_CHUNK = 1 << 20
# What `tarfile`, `zipfile` and `gzip` raise over damaged archives: a fuzzer met each of them.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
)


def is_archive(file: BinaryIO, name: str = "") -> bool:
    """Whether an open file is, or calls itself, an archive rather than a program. Leaves it at its start."""
    if name.endswith((".tar.gz", ".tgz", ".zip")):
        return True
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head[:2] == b"\x1f\x8b" or head == b"PK\x03\x04"


def extract(archive: BinaryIO, member: str, out: IO[bytes], *, name: str) -> None:
    """Write the archive's `member` to `out`. `name` is what messages call the archive.

    Every member is looked at: one with `..` or an absolute path in its name, a link, a device, a sparse file, or
    more data than any program has makes the whole archive unacceptable.

    Raises:
        UnsafeArchive: the archive holds such a thing, is damaged, lacks the member or has it twice.
    """
    with closing(_pieces(archive, member, name)) as pieces:
        for piece in pieces:
            out.write(piece)


def _pieces(archive: BinaryIO, member: str, name: str) -> Generator[bytes, None, None]:
    """The member's content; what goes wrong here is the archive's fault, never that of who writes it down."""
    try:
        archive.seek(0, 2)
        allowed = min(TOTAL_LIMIT, max(_ALWAYS_FINE, RATIO_LIMIT * archive.tell()))
        archive.seek(0)
        opened = _in_zip if archive.read(2) == b"PK" else _in_tar
        archive.seek(0)
        budget = _Budget(allowed, name)
        with opened(archive, member, budget) as source:
            given = 0
            while piece := source.read(_CHUNK):
                given += len(piece)
                if given > MEMBER_LIMIT:
                    raise budget.spent()
                yield piece
    except _DAMAGED as error:
        raise UnsafeArchive(
            f"`{name}` is damaged: {error}", hint="fetch it again; its checksum must be that of its publisher"
        ) from error


class _Budget:
    """How much an archive may still unpack to."""

    def __init__(self, allowed: int, name: str) -> None:
        self._left = allowed
        self.name = name

    def spend(self, count: int) -> None:
        """Raises `UnsafeArchive` when nothing is left."""
        self._left -= count
        if self._left < 0:
            raise self.spent()

    def spent(self) -> UnsafeArchive:
        """The refusal of an archive bomb."""
        return self.refusal("unpacks to far more than a program")

    def refusal(self, why: str) -> UnsafeArchive:
        """The refusal of an archive that nobody may use."""
        return UnsafeArchive(f"`{self.name}` {why}", hint="do not use this archive; nothing was changed")

    def missing(self, member: str) -> UnsafeArchive:
        """The refusal of the wrong archive."""
        return UnsafeArchive(
            f"`{self.name}` does not hold `{member}`", hint="check that it is the right archive, for this platform"
        )


class _Counted:
    """What `tarfile` reads the unpacked stream through: it must not unpack, or hold, without end."""

    def __init__(self, source: gzip.GzipFile, budget: _Budget) -> None:
        self._source = source
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if not 0 <= size <= max(HEADER_LIMIT, _CHUNK):
            raise self._budget.refusal("has a header larger than any archive's")
        piece = self._source.read(size)
        self._budget.spend(len(piece))
        return piece

    def tell(self) -> int:
        """Where in the unpacked stream it is."""
        return self._source.tell()

    def seek(self, position: int) -> int:
        """Go on to a position; `tarfile` jumps over members so, which unpacks them all the same."""
        self._budget.spend(max(0, position - self._source.tell()))
        return self._source.seek(position)


@contextmanager
def _in_tar(archive: BinaryIO, member: str, budget: _Budget) -> Iterator[IO[bytes]]:
    with gzip.open(archive) as unpacked:
        counted = cast("IO[bytes]", _Counted(unpacked, budget))
        with tarfile.open(fileobj=counted, mode="r:") as files:
            found = None
            for info in files:
                _check_name(info.name, budget)
                if info.issparse() or not (info.isreg() or info.isdir()):
                    raise budget.refusal(f"holds `{info.name}`, which is no regular file")
                if info.isreg() and PurePosixPath(info.name) == PurePosixPath(member):
                    if found is not None:
                        raise budget.refusal(f"holds `{member}` twice")
                    found = info
            content = files.extractfile(found) if found is not None else None
            if content is None:
                raise budget.missing(member)
            yield content


@contextmanager
def _in_zip(archive: BinaryIO, member: str, budget: _Budget) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(archive) as files:
        found = None
        for info in files.infolist():
            _check_name(info.filename, budget)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or info.flag_bits & 0x1:
                raise budget.refusal(f"holds `{info.filename}`, which is no regular file")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise budget.refusal(f"packs `{info.filename}` in a way that no publisher uses")
            budget.spend(info.file_size)
            if not info.is_dir() and PurePosixPath(info.filename) == PurePosixPath(member):
                if found is not None:
                    raise budget.refusal(f"holds `{member}` twice")
                found = info
        if found is None:
            raise budget.missing(member)
        with files.open(found) as source:
            yield source


def _check_name(name: str, budget: _Budget) -> None:
    posix = PurePosixPath(name.replace("\\", "/"))
    if posix.is_absolute() or ".." in posix.parts or PureWindowsPath(name).drive or "\0" in name:
        raise budget.refusal(f"holds a path that leads out of it, `{name}`")
