"""Read the checksum files that publishers put beside their files."""

from __future__ import annotations

import re

from ciliumctl.errors import ChecksumMismatch

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_GNU = re.compile(r"(?P<sum>[0-9a-fA-F]{64})(?:[ \t]+\*?(?P<name>\S.*))?")
_BSD = re.compile(r"SHA256 \((?P<name>.+)\) = (?P<sum>[0-9a-fA-F]{64})")
#: What publishers append to a file's name for its checksum.
SUFFIXES = (".sha256sum", ".sha256")
#: Names of files with the sums of a whole release.
LISTS = ("SHA256SUMS", "sha256sums.txt", "checksums.txt")
#: The longest checksum file of a release has a few dozen lines; a page of another kind is no checksum file.
LIMIT = 1 << 20


def is_sum(text: str) -> bool:
    """Whether `text` is a SHA-256 in hexadecimal."""
    return _HEX.fullmatch(text) is not None


def sum_for(text: str, name: str, source: str, *, only_entry: bool = False) -> str:
    """The SHA-256 of the file `name` in a checksum file, in lower case.

    Known forms: `SUM  name` and `SUM *name` as sha256sum writes them, one or many, `SHA256 (name) = SUM`, and a bare
    sum. With `only_entry` a single entry counts under whatever name: the user says that it belongs to the file.

    Raises:
        ChecksumMismatch: the file is empty, cut short, contradicts itself, is no checksum file, or lacks the name.
    """
    if not text.strip():
        raise ChecksumMismatch(f"the checksum file `{source}` is empty", hint="fetch it again, or use another mirror")
    named: dict[str, set[str]] = {}
    for line in text.lstrip("\ufeff").splitlines():
        match = _GNU.fullmatch(line.strip()) or _BSD.fullmatch(line.strip())
        if match is not None:
            entry = (match["name"] or "").replace("\\", "/").rsplit("/", 1)[-1]
            named.setdefault(entry, set()).add(match["sum"].lower())
    found = named.get(name) or (named.get("") if len(named) == 1 else None)
    if found is None and only_entry and len(named) == 1:
        found = next(iter(named.values()))
    if not found or len(found) > 1:
        problem = "has several SHA-256 sums" if found else "has no SHA-256"
        raise ChecksumMismatch(
            f"the checksum file `{source}` {problem} of `{name}`", hint="fetch it again, or use another mirror"
        )
    return found.pop()
