"""Uninstall Cilium: say what goes and what stays, then remove it step by step, whatever a single step does.

`looking` finds what is there, `running` removes it; each kind of leftover has a module: `crds`, `marks` (on the Node
objects), `objects` (beside the release), `nodes` (on the machines), `pods` (that go on without a network).
"""

from __future__ import annotations

from ciliumctl.removal.looking import find, leftovers, nothing, preview
from ciliumctl.removal.model import Marks, NodeCleaned, Preview, Removed, Restart, Step, Wanted
from ciliumctl.removal.running import partial_error, refuse_dependants, remove

__all__ = [
    "Marks",
    "NodeCleaned",
    "Preview",
    "Removed",
    "Restart",
    "Step",
    "Wanted",
    "find",
    "leftovers",
    "nothing",
    "partial_error",
    "preview",
    "refuse_dependants",
    "remove",
]
