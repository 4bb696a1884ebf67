"""What a node says of itself: its kernel, its settings, what is on it. Read by a script, parsed and judged here.

`parsing` turns a report into facts and never fails; the other modules judge the facts of all nodes, each one matter.
"""

from __future__ import annotations

from ciliumctl.nodefacts.model import Problem
from ciliumctl.nodefacts.parsing import NodeFacts, parse
from ciliumctl.nodefacts.reading import NodeReports, check_names, collect, paths_of, read

__all__ = ["NodeFacts", "NodeReports", "Problem", "check_names", "collect", "parse", "paths_of", "read"]
