"""Does the cluster's network do what it should? Small pods ask each other, services and hosts."""

from __future__ import annotations

from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.deploy import expired, left, remove
from ciliumctl.connectivity.looking import look
from ciliumctl.connectivity.model import Scenario, World
from ciliumctl.connectivity.reporting import TITLE, failed_in, not_begun, repeated, suites, unfinished
from ciliumctl.connectivity.result import Connectivity, Probed, Tested
from ciliumctl.connectivity.running import Wanted, incomplete, run, select
from ciliumctl.connectivity.session import of as run_of

__all__ = [
    "TITLE",
    "Connectivity",
    "Probed",
    "Scenario",
    "Settings",
    "Tested",
    "Wanted",
    "World",
    "expired",
    "failed_in",
    "incomplete",
    "left",
    "look",
    "not_begun",
    "remove",
    "repeated",
    "run",
    "run_of",
    "select",
    "suites",
    "unfinished",
]
