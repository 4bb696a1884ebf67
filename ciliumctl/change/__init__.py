"""Change an installed Cilium: what it is to become, what that does to the network, and the change itself."""

from __future__ import annotations

from ciliumctl.change.perform import Changed, How, late, perform
from ciliumctl.change.planning import Differences, Fresh, Plan, compare, plan, plan_installation
from ciliumctl.change.target import Target, aim, installed, look, missing, stored_chart, towards

__all__ = [
    "Changed",
    "Differences",
    "Fresh",
    "How",
    "Plan",
    "Target",
    "aim",
    "compare",
    "installed",
    "late",
    "look",
    "missing",
    "perform",
    "plan",
    "plan_installation",
    "stored_chart",
    "towards",
]
