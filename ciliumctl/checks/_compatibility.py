"""What goes with what: the table of `templates/compatibility.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ciliumctl import templates
from ciliumctl.versioning import Minor, Numbers, minor_of, named


@cache
def table() -> Mapping[str, Any]:
    """The whole table."""
    found: Mapping[str, Any] = templates.load("compatibility.yaml")
    return found


def of_minor(minor: Minor) -> Mapping[str, Any]:
    """What is known of a minor version of Cilium; empty for one that is newer than the table."""
    found: Mapping[str, Any] = table()["minors"].get(named(minor), {})
    return found


def needed_kernel(minor: Minor) -> Mapping[str, str]:
    """The oldest kernels, `kernel` and `rhel`. What is newer than the table needs at least what its newest does."""
    known = {minor_of(name): entry for name, entry in table()["minors"].items()}
    newest, oldest = max(known), min(known)
    found: Mapping[str, str] = known.get(minor) or known[newest if minor > newest else oldest]
    return found


def rhel_kernel(kernel: str) -> Numbers:
    """The numbers of a kernel of RHEL 8 with its build, `(4, 18, 0, 553)`; empty for any other kernel."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)-(\d+)", kernel)
    return tuple(map(int, match.groups())) if match and ".el8" in kernel else ()
