"""Which programs there are, and which of them this machine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from ciliumctl.parallel import gather_all
from ciliumctl.tools.asking import in_cache, installed_version, on_path
from ciliumctl.tools.catalogue import Tool, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One program: the version that we know, the one on PATH, and the one in our own folder. Empty: it is not there.

    `version` is also empty when the program does not say it.
    """

    tool: str
    about: str
    known: str
    path: str
    version: str
    cached: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTools:
    """All programs."""

    kind: ClassVar[str] = "ToolsList"

    tools: tuple[Known, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return [known.tool for known in self.tools]


def known_tools(folder: Path, environ: Mapping[str, str]) -> KnownTools:
    """Every program with what is installed of it. `folder` is our own. Asks those on PATH for their version."""
    shown = [tool for tool in load().values() if tool.use != "tests"]
    return KnownTools(tools=tuple(gather_all([partial(_look, tool, folder, environ) for tool in shown], limit=8)))


def _look(tool: Tool, folder: Path, environ: Mapping[str, str]) -> Known:
    path = on_path(tool, environ)
    cached = in_cache(tool, folder)
    return Known(
        tool=tool.name,
        about=tool.about,
        known=tool.version,
        path=str(path or ""),
        version=installed_version(tool, path, environ) if path else "",
        cached=str(cached or ""),
    )
