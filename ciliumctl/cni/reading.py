"""Read the files that `cni lint` is given: files, folders as a runtime reads them, standard input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ciliumctl.cni.linting import Source
from ciliumctl.errors import BadFile, UsageError
from ciliumctl.findings import STDIN

#: Bytes; a configuration is some kilobytes.
_LARGEST = 1024 * 1024


def sources(names: Sequence[str], stdin: Callable[[int], bytes]) -> tuple[Source, ...]:
    """The files behind names, folders opened. Raises `BadFile`, and `UsageError` for standard input twice."""
    if names.count(STDIN) > 1:
        raise UsageError("standard input can be read once", hint="write `-` once")
    found: list[Source] = []
    for name in names:
        if name == STDIN:
            found.append(Source(name=STDIN, content=_small(stdin(_LARGEST + 1), STDIN)))
        elif Path(name).is_dir():
            found += _folder(Path(name))
        else:
            found.append(Source(name=name, content=_file(Path(name))))
    return tuple(found)


def programs(folder: str) -> tuple[str, ...]:
    """The names of the programs in a folder. Raises `BadFile`."""
    try:
        return tuple(sorted(one.name for one in Path(folder).iterdir() if one.is_file()))
    except OSError as error:
        raise BadFile(f"`{folder}` cannot be listed: {error.strerror}", hint="name a folder") from error


def _folder(folder: Path) -> list[Source]:
    try:
        files = sorted(one for one in folder.iterdir() if one.is_file())
    except OSError as error:
        raise BadFile(f"`{folder}` cannot be listed: {error.strerror}", hint="run as a user who may") from error
    if not files:
        raise BadFile(f"there is no file in `{folder}`", hint="a node without a CNI has none; name another folder")
    return [Source(name=str(one), content=_file(one), listed=True) for one in files]


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return _small(opened.read(_LARGEST + 1), str(path))
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check the path") from error


def _small(content: bytes, name: str) -> bytes:
    if len(content) > _LARGEST:
        raise BadFile(f"`{name}` is larger than a CNI configuration can be", hint="name a file of `/etc/cni/net.d`")
    return content
