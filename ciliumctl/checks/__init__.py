"""The checks of `ciliumctl preflight`, one file each: every `Check` that a module here defines is found by itself.

A check is data and a pure function of the `Scene`. It asks nobody: what it `reads` is collected once, for all checks.
"""

from __future__ import annotations

import sys
from functools import cache

from ciliumctl.checks._model import Check
from ciliumctl.discover import discover


@cache
def all_of_them() -> tuple[Check, ...]:
    """Every check, by category and id; those that others hang on come first."""
    found = discover(sys.modules[__name__], Check)
    return tuple(sorted(found, key=lambda check: (not check.fatal, CATEGORIES.index(check.category), check.id)))


#: The categories in the order in which they are told.
CATEGORIES = (
    "api",
    "values",
    "release",
    "upgrade",
    "nodes",
    "cni",
    "network",
    "kube-proxy",
    "crds",
    "certificates",
    "images",
    "pods",
    "node-reports",
)
