"""Install Cilium: decide what and where, refuse what would break, then change the cluster step by step."""

from __future__ import annotations

from ciliumctl.installation.guards import stuck, unchanged
from ciliumctl.installation.plan import Installed, Means, Plan, Wanted
from ciliumctl.installation.prepare import chart_for, offline, prepare, user_inputs, values_of
from ciliumctl.installation.steps import How, dry_run, install, late, render

__all__ = [
    "How",
    "Installed",
    "Means",
    "Plan",
    "Wanted",
    "chart_for",
    "dry_run",
    "install",
    "late",
    "offline",
    "prepare",
    "render",
    "stuck",
    "unchanged",
    "user_inputs",
    "values_of",
]
