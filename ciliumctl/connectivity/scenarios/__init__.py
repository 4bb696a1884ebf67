"""The scenarios, one file each theme: every `Scenario` that a module here defines is found by itself."""

from __future__ import annotations

import sys
from functools import cache

from ciliumctl.connectivity.model import Scenario
from ciliumctl.discover import discover


@cache
def all_of_them() -> tuple[Scenario, ...]:
    """Every scenario, those that change nothing first."""
    found = discover(sys.modules[__name__], Scenario)
    return tuple(sorted(found, key=lambda one: one.policies is not None))
