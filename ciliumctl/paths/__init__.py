"""Where does it break between here and there? Every hop of a path looked at, then tried, the first broken one named."""

from __future__ import annotations

from ciliumctl.paths.codes import Code, all_codes
from ciliumctl.paths.mermaid import drawn
from ciliumctl.paths.model import Path, Place, Stage
from ciliumctl.paths.running import Wanted, run
from ciliumctl.paths.spelling import parse

__all__ = ["Code", "Path", "Place", "Stage", "Wanted", "all_codes", "drawn", "parse", "run"]
