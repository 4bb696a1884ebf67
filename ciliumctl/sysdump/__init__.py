"""What somebody else needs to understand a broken cluster, in one file, without its secrets."""

from __future__ import annotations

from ciliumctl.sysdump.archive import default_name, free
from ciliumctl.sysdump.collecting import collect, partial_error, preview
from ciliumctl.sysdump.result import Lacking, Piece, Sysdump
from ciliumctl.sysdump.scene import MAX_SIZE, Wanted

__all__ = [
    "MAX_SIZE",
    "Lacking",
    "Piece",
    "Sysdump",
    "Wanted",
    "collect",
    "default_name",
    "free",
    "partial_error",
    "preview",
]
