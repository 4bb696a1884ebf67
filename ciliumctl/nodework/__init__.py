"""Run a script on every node and bring back a report per node, by a short-lived DaemonSet.

`bed` makes its objects, `choosing` says which nodes take part, `running` starts it, watches it and takes it away.
"""

from __future__ import annotations

from ciliumctl.nodework.images import NodeImage, image_of
from ciliumctl.nodework.leaving import clean_up
from ciliumctl.nodework.model import NodeRun, Outcome, Work, WorkDone
from ciliumctl.nodework.running import run

__all__ = ["NodeImage", "NodeRun", "Outcome", "Work", "WorkDone", "clean_up", "image_of", "run"]
