"""What a dump is: the archive, what is in it, what is missing and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file of the archive: its name in it, what it is, and its size in bytes (0 in a dry run)."""

    file: str
    about: str
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """One file that could not be had, and why. `file` is empty when it is not known which ones are missing."""

    file: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysdump:
    """A dump, or with `dry_run` what would be read. `file` and `size` (bytes) are the archive's; `nodes` were asked."""

    kind: ClassVar[str] = "Sysdump"

    context: str
    file: str
    size: int
    pieces: tuple[Piece, ...]
    lacking: tuple[Lacking, ...] = ()
    nodes: tuple[str, ...] = ()
    all_nodes: int = 0
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.lacking

    @property
    def names(self) -> tuple[str, ...]:
        """The archive, for `-o name`; in a dry run what would be in it."""
        return tuple(piece.file for piece in self.pieces) if self.dry_run else (self.file,)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """What is missing, by the reason; many files are mostly missing for one."""
        found: dict[str, list[str]] = {}
        for one in self.lacking:
            found.setdefault(one.reason, []).append(one.file or one.about)
        return found
