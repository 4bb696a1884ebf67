"""Install Cilium: decide what and where, refuse what would break, then change the cluster step by step."""

from __future__ import annotations

from ciliumctl.installation.checking import Gate, check
from ciliumctl.installation.guards import stuck, unchanged
from ciliumctl.installation.plan import Installed, Means, Plan, Wanted, spelled
from ciliumctl.installation.prepare import chart_for, check_files, offline, prepare, user_inputs, values_of
from ciliumctl.installation.rendering import render
from ciliumctl.installation.steps import How, dry_run, install, late

__all__ = [
    "Gate",
    "How",
    "Installed",
    "Means",
    "Plan",
    "Wanted",
    "chart_for",
    "check",
    "check_files",
    "dry_run",
    "install",
    "late",
    "offline",
    "prepare",
    "render",
    "spelled",
    "stuck",
    "unchanged",
    "user_inputs",
    "values_of",
]
