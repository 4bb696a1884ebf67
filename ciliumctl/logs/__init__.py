"""Logs of Cilium's parts: many containers at once, merged by time, filtered by level and pattern, read or followed."""

from __future__ import annotations

from ciliumctl.logs.choosing import COMPONENTS, Wanted, choose
from ciliumctl.logs.following import Follower
from ciliumctl.logs.levels import LEVELS
from ciliumctl.logs.model import Failure, LogLine, Part, Source, incomplete
from ciliumctl.logs.reading import read
from ciliumctl.logs.sieve import Sieve, pattern

__all__ = [
    "COMPONENTS",
    "LEVELS",
    "Failure",
    "Follower",
    "LogLine",
    "Part",
    "Sieve",
    "Source",
    "Wanted",
    "choose",
    "incomplete",
    "pattern",
    "read",
]
