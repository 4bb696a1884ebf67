"""Whether a file on this machine is what its publisher made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import ClassVar

from ciliumctl.errors import BadFile, ChecksumMismatch, UsageError
from ciliumctl.tools.catalogue import Platform, Tool, load
from ciliumctl.tools.checksums import LIMIT, LISTS, SUFFIXES, is_sum, sum_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Whether a file has the right checksum. `against` says whose word `expected` is.

    `tool`, `version` and `platform` say what the file is, when a checksum that we know says so.
    """

    kind: ClassVar[str] = "ToolsVerify"

    path: Path
    sha256: str
    expected: str
    against: str
    tool: str = ""
    version: str = ""
    platform: str = ""

    @property
    def ok(self) -> bool:
        """Whether the sums are the same."""
        return self.sha256 == self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A local published file that has the right checksum, open. `version` is empty when nobody said it."""

    path: Path
    file: BufferedReader
    sha256: str
    against: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A published file whose checksum we know."""

    tool: Tool
    version: str
    platform: Platform
    sha256: str


def _known(tools: Iterable[Tool]) -> list[_Known]:
    return [
        _Known(tool=tool, version=version, platform=Platform(*platform.split("-")), sha256=sha256)
        for tool in tools
        for version, sums in tool.sha256.items()
        for platform, sha256 in sums.items()
    ]


def verify(path: Path, checksum: str = "", tools: Iterable[Tool] | None = None) -> Verified:
    """Compare a file with `checksum` (a sum, or a file of sums), the sums that we know, or the checksum file beside it.

    Raises:
        BadFile: there is no such file. ChecksumMismatch: there is nothing to compare it with.
    """
    with _opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum:
        expected, against = _given(checksum, path)
        return Verified(path=path, sha256=digest, expected=expected, against=against)
    # The name alone does not say which version of `cilium-linux-amd64.tar.gz` it is; the sum does.
    known = _known(load().values() if tools is None else tools)
    entry = next((entry for entry in known if entry.sha256 == digest), None) or _named(path.name, known)
    if entry is not None:
        return Verified(
            path=path,
            sha256=digest,
            expected=entry.sha256,
            against="the checksum that ciliumctl knows",
            tool=entry.tool.name,
            version=entry.version,
            platform=str(entry.platform),
        )
    beside = _beside(path)
    if beside is None:
        raise _nothing(path, digest)
    expected = sum_for(_text(beside), path.name, str(beside))
    return Verified(path=path, sha256=digest, expected=expected, against=str(beside))


def local(path: Path, checksum: str, tool: Tool, where: Platform, version: str) -> Local:
    """Open and verify a local file to install from; `version` is the one asked for, empty for whatever it is.

    Raises:
        BadFile: there is no such file. UsageError: it is for another platform or of another version.
        ChecksumMismatch: it is not what its publisher made, or there is nothing to compare it with.
    """
    file = _opened(path)
    try:
        return _compared(path, file, checksum, tool, where, version)
    except BaseException:
        file.close()
        raise


def _compared(path: Path, file: BufferedReader, checksum: str, tool: Tool, where: Platform, version: str) -> Local:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    entry = next((entry for entry in _known([tool, *load().values()]) if entry.sha256 == digest), None)
    if entry is not None:
        _check_entry(path, entry, tool, where, version)
    expected, against = _expected(path, checksum, entry, tool, where, version, digest)
    if digest != expected:
        raise ChecksumMismatch(
            f"`{path}` is not the published file: its SHA-256 is {digest}, not {expected}",
            hint="fetch it again; do not use this one",
        )
    known = entry.version if entry is not None else ""
    return Local(path=path, file=file, sha256=digest, against=against, version=version or known)


def _expected(
    path: Path, checksum: str, entry: _Known | None, tool: Tool, where: Platform, version: str, digest: str
) -> tuple[str, str]:
    if checksum:
        return _given(checksum, path)
    pinned = entry.sha256 if entry is not None else tool.pinned_sum(version, where)
    if pinned:
        return pinned, "the checksum that ciliumctl knows"
    beside = _beside(path)
    if beside is None:
        raise _nothing(path, digest)
    return sum_for(_text(beside), path.name, str(beside)), str(beside)


def _check_entry(path: Path, entry: _Known, tool: Tool, where: Platform, version: str) -> None:
    its = f"{entry.tool.name} {entry.version} for `{entry.platform}`"
    if entry.tool.name != tool.name:
        raise UsageError(f"`{path}` is {its}, not {tool.name}", hint=f"`ciliumctl tools install {entry.tool.name}`")
    if entry.platform != where:
        raise UsageError(
            f"`{path}` is {its}, not for `{where}`",
            hint=f"add `--os {entry.platform.os} --arch {entry.platform.arch}`, or take another file",
        )
    if version and entry.version != version:
        raise UsageError(f"`{path}` is {its}, not {version}", hint=f"leave `--version` out, or say {entry.version}")


def _named(name: str, known: Iterable[_Known]) -> _Known | None:
    """The known file of that name, when the name says all: the version is in it."""
    for entry in known:
        if entry.version in name and entry.tool.file_name(entry.version, entry.platform) == name:
            return entry
    return None


def _beside(path: Path) -> Path | None:
    """The checksum file that lies beside a file: its own, else one of a release that names it."""
    own = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    lists = [path.with_name(name) for name in LISTS]
    for candidate in own:
        if candidate.is_file():
            return candidate
    return next((candidate for candidate in lists if candidate.is_file() and path.name in _text(candidate)), None)


def _given(checksum: str, path: Path) -> tuple[str, str]:
    text = checksum.strip().removeprefix("sha256:")
    if is_sum(text):
        return text.lower(), "the checksum given"
    file = Path(checksum).expanduser()
    if not file.is_file():
        raise BadFile(f"`{checksum}` is neither a SHA-256 nor a checksum file", hint="check `--checksum`")
    return sum_for(_text(file), path.name, str(file), only_entry=True), str(file)


def _text(path: Path) -> str:
    with _opened(path) as file:
        return file.read(LIMIT).decode("utf-8", "replace")


def _opened(path: Path) -> BufferedReader:
    try:
        if not path.is_file():
            raise BadFile(f"`{path}` {'is no file' if path.exists() else 'does not exist'}", hint="check the path")
        return path.open("rb")
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check the path") from error


def _nothing(path: Path, digest: str) -> ChecksumMismatch:
    return ChecksumMismatch(
        f"there is no checksum to compare `{path}` with: its SHA-256 is {digest}",
        hint=f"put the publisher's `{path.name}.sha256sum` beside it, or give it with `--checksum`",
    )
